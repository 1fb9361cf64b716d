"""Labels from files into a SchNetPack database; the labels here are those of harmonic springs."""

import gzip
import hashlib
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from ase.build import molecule
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import read, write
from schnetpack.data import ASEAtomsData

from gpip_plugins.cli import main
from gpip_plugins.errors import InputError
from gpip_plugins.labels.importing import import_labels
from gpip_plugins.labels.keys_and_units import Labels

KCAL = 0.0433641153
STIFFNESS = 8.0  # eV/Å^2 between all pairs of atoms
EV = Labels(energy_unit="eV")


def springs(atoms, rest):
    pairs = atoms.positions[:, None] - atoms.positions[None]
    distance = np.linalg.norm(pairs, axis=-1)
    stretch = distance - rest
    direction = pairs / np.where(distance > 0, distance, 1.0)[..., None]
    return 0.25 * STIFFNESS * (stretch**2).sum(), -STIFFNESS * (stretch[..., None] * direction).sum(
        1
    )


def frames(n=40, energy_scale=1.0, forces_scale=1.0, seed=0):
    """Displaced and turned ethanol with energies (eV) and forces (eV/Å) times two scales."""
    rng = np.random.default_rng(seed)
    atoms = molecule("CH3CH2OH")
    rest = atoms.get_all_distances()
    found = []
    for _ in range(n):
        moved = atoms.copy()
        moved.positions += rng.normal(0, 0.05, moved.positions.shape)
        moved.rotate(rng.uniform(0, 360), rng.normal(size=3))
        energy, forces = springs(moved, rest)
        moved.calc = SinglePointCalculator(
            moved, energy=(energy - 50.0) * energy_scale, forces=forces * forces_scale
        )
        found.append(moved)
    return found


@pytest.fixture
def labelled(tmp_path):
    path = tmp_path / "labels.xyz"
    write(path, frames())
    return path


def test_round_trip_keeps_every_number(labelled, tmp_path):
    report = import_labels(str(labelled), str(tmp_path / "labels.db"), EV)
    data = ASEAtomsData(str(tmp_path / "labels.db"))
    originals = read(labelled, ":")
    assert report.written == len(data) == len(originals) == 40
    assert data.units == {"energy": "eV", "forces": "eV/Ang"}
    assert data.distance_unit == "Ang"
    for row, atoms in zip(data.iter_properties(), originals, strict=True):
        assert row["energy"].shape == (1,)
        assert row["forces"].shape == (9, 3)
        assert row["energy"].item() == pytest.approx(atoms.get_potential_energy(), abs=1e-12)
        np.testing.assert_allclose(row["forces"], atoms.get_forces(), atol=1e-12)
        np.testing.assert_allclose(row["_positions"], atoms.positions, atol=1e-12)
        assert row["_atomic_numbers"].tolist() == atoms.numbers.tolist()
    assert data.metadata["source"] == "labels.xyz"
    digest = hashlib.sha256(labelled.read_bytes()).hexdigest()
    assert data.metadata["source_sha256"] == digest
    assert "level_of_theory" not in data.metadata
    assert sorted(os.listdir(tmp_path)) == ["labels.db", "labels.xyz"], "something was left behind"


def test_gzip_gives_the_same(labelled, tmp_path):
    with open(labelled, "rb") as plain, gzip.open(tmp_path / "labels.xyz.gz", "wb") as packed:
        shutil.copyfileobj(plain, packed)
    for name in ("labels.xyz", "labels.xyz.gz"):
        import_labels(str(tmp_path / name), str(tmp_path / f"{name}.db"), EV)
    first, second = (
        ASEAtomsData(str(tmp_path / f"{name}.db"))[7] for name in ("labels.xyz", "labels.xyz.gz")
    )
    for key, value in first.items():
        assert torch.equal(value, second[key])


def test_units_are_converted(tmp_path):
    bohr = 0.52917721
    cases = {
        "kcal": (Labels(energy_unit="kcal/mol"), 1 / KCAL, 1 / KCAL, 1.0),
        "mixed": (Labels(energy_unit="kcal/mol", forces_unit="eV/Ang"), 1 / KCAL, 1.0, 1.0),
        "atomic": (
            Labels(energy_unit="Hartree", distance_unit="Bohr"),
            1 / 27.211386,
            bohr / 27.211386,
            1 / bohr,
        ),
    }
    reference = frames()[3]
    for name, (labels, energy, forces, distance) in cases.items():
        content = frames(energy_scale=energy, forces_scale=forces)
        for atoms in content:
            atoms.calc.atoms.positions *= distance
            atoms.positions *= distance
        write(tmp_path / f"{name}.xyz", content)
        import_labels(str(tmp_path / f"{name}.xyz"), str(tmp_path / f"{name}.db"), labels)
        row = ASEAtomsData(str(tmp_path / f"{name}.db"))[3]
        assert row["energy"].item() == pytest.approx(reference.get_potential_energy(), rel=1e-6)
        np.testing.assert_allclose(row["forces"], reference.get_forces(), atol=1e-5)
        np.testing.assert_allclose(row["_positions"], reference.positions, atol=1e-6)


def test_own_names_of_labels(tmp_path):
    content = frames()
    for atoms in content:
        atoms.info["dft_e"] = atoms.get_potential_energy()
        atoms.arrays["dft_f"] = atoms.get_forces()
        atoms.calc = None
    write(tmp_path / "own.xyz", content)
    with pytest.raises(
        InputError, match=r"carries dft_e, dft_f: name the labels with energy_key and forces_key"
    ):
        import_labels(str(tmp_path / "own.xyz"), str(tmp_path / "own.db"), EV)
    labels = Labels("dft_e", "dft_f", energy_unit="eV")
    assert import_labels(str(tmp_path / "own.xyz"), str(tmp_path / "own.db"), labels).written == 40


def test_stress_is_imported_if_it_exists(tmp_path):
    content = frames()
    for atoms in content:
        atoms.set_cell([9.0, 9.0, 9.0])
        atoms.pbc = True
        results = dict(atoms.calc.results)
        atoms.calc = SinglePointCalculator(atoms, **results, stress=np.arange(1.0, 7.0) / 100)
    write(tmp_path / "cell.xyz", content)
    report = import_labels(str(tmp_path / "cell.xyz"), str(tmp_path / "cell.db"), EV)
    data = ASEAtomsData(str(tmp_path / "cell.db"))
    assert report.stress
    assert data.units["stress"] == "eV/Ang/Ang/Ang"
    expected = np.array([[[1, 6, 5], [6, 2, 4], [5, 4, 3]]]) / 100
    np.testing.assert_allclose(data[0]["stress"], expected, atol=1e-12)


def test_frames_without_labels_are_named(tmp_path):
    content = frames()
    content[2].calc = None
    del content[5].calc.results["forces"]
    content[7].calc.results["forces"][4] = np.nan
    content[9].calc.results["energy"] = np.nan
    write(tmp_path / "holes.xyz", content)
    source, target = str(tmp_path / "holes.xyz"), str(tmp_path / "holes.db")
    with pytest.raises(InputError, match="4 of the 40 frames") as error:
        import_labels(source, target, EV)
    for part in ("(frame 2)", "(frame 5)", "(frame 7)", "(frame 9)", "skip_unlabelled=True"):
        assert part in str(error.value)
    assert os.listdir(tmp_path) == ["holes.xyz"]
    report = import_labels(source, target, EV, skip_unlabelled=True)
    assert report.written == len(ASEAtomsData(target)) == 36
    assert sorted(n for numbers in report.skipped.values() for n in numbers) == [2, 5, 7, 9]
    assert "1 left out because they have no forces (frame 5)" in str(report)


@pytest.mark.parametrize(
    ("labels", "scales", "message"),
    [
        (Labels(), (1, 1), "does not say in which units .* energy_unit=eV"),
        (Labels(energy_unit="Ang"), (1, 1), "energy_unit=Ang is not an energy unit"),
        (Labels(energy_unit="eV", forces_unit="eV"), (1, 1), "is not a unit of forces"),
        (Labels(energy_unit="eV", distance_unit="A"), (1, 1), "distance_unit=A is not a length"),
        (EV, (1 / KCAL, 1), "energies differ 23"),
        (EV, (1, -1), "forces point uphill"),
        (EV, (1 / KCAL, 1 / KCAL), "energy_unit=eV looks wrong"),
        (Labels(energy_unit="Hartree", forces_unit="Hartree/Ang"), (1, 1), "Ang looks wrong"),
        (
            Labels(energy_unit="eV", distance_unit="Bohr"),
            (1, 1),
            "distance_unit=Bohr looks wrong",
        ),
        (Labels(energy_unit="eV", distance_unit="nm"), (1, 1), "distance_unit=nm looks wrong"),
    ],
)
def test_wrong_units_are_found(tmp_path, labels, scales, message):
    write(tmp_path / "wrong.xyz", frames(50, *scales))
    with pytest.raises(InputError, match=message):
        import_labels(str(tmp_path / "wrong.xyz"), str(tmp_path / "wrong.db"), labels)
    assert os.listdir(tmp_path) == ["wrong.xyz"]


def test_implausible_labels_can_be_accepted(tmp_path):
    write(tmp_path / "relaxed.xyz", frames(forces_scale=1e-3))
    source, target = str(tmp_path / "relaxed.xyz"), str(tmp_path / "relaxed.db")
    with pytest.raises(InputError, match=r"accept.implausible"):
        import_labels(source, target, EV)
    assert import_labels(source, target, EV, accept_implausible=True).written == 40


def flat_cell(atoms):
    atoms.pbc = True
    atoms.set_cell([9.0, 9.0, 0.0])


def flat_slab(atoms):
    flat_cell(atoms)
    atoms.pbc = (True, True, False)


def nan_position(atoms):
    atoms.positions[3, 1] = np.nan


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (flat_slab, "Frame 6 .* cell vectors span no volume"),
        (flat_cell, "Frame 6 .* cell vectors span no volume"),
        (nan_position, "Frame 6 .* position that is not finite, of atom 3"),
    ],
)
def test_bad_structures_are_refused_even_when_skipping(tmp_path, spoil, message):
    content = frames()
    spoil(content[6])
    write(tmp_path / "bad.xyz", content)
    with pytest.raises(InputError, match=message):
        import_labels(str(tmp_path / "bad.xyz"), str(tmp_path / "bad.db"), EV, skip_unlabelled=True)
    assert os.listdir(tmp_path) == ["bad.xyz"]


def test_files_that_cannot_be_read(tmp_path, labelled):
    target = str(tmp_path / "new.db")
    with pytest.raises(InputError, match="does not exist"):
        import_labels(str(tmp_path / "none.xyz"), target, EV)
    text = labelled.read_text()
    (tmp_path / "cut.xyz").write_text(text[: len(text) // 2])
    with pytest.raises(InputError, match=r"cut\.xyz cannot be read at frame"):
        import_labels(str(tmp_path / "cut.xyz"), target, EV)
    packed = gzip.compress(labelled.read_bytes())
    (tmp_path / "cut.xyz.gz").write_bytes(packed[: len(packed) // 2])
    with pytest.raises(InputError, match=r"cut\.xyz\.gz cannot be read"):
        import_labels(str(tmp_path / "cut.xyz.gz"), target, EV)
    (tmp_path / "empty.xyz").write_text("")
    with pytest.raises(InputError, match=r"empty\.xyz (holds no frames|cannot be read)"):
        import_labels(str(tmp_path / "empty.xyz"), target, EV)
    assert not Path(target).exists()


def test_existing_database_is_replaced_only_on_demand(labelled, tmp_path):
    target = tmp_path / "labels.db"
    import_labels(str(labelled), str(target), EV)
    before = target.read_bytes()
    with pytest.raises(InputError, match="overwrite=True"):
        import_labels(str(labelled), str(target), EV)
    assert target.read_bytes() == before
    with pytest.raises(InputError, match=r"must end in \.db"):
        import_labels(str(labelled), str(tmp_path / "labels.sqlite"), EV)
    write(labelled, frames(25, seed=1))
    import_labels(str(labelled), str(target), EV, overwrite=True)
    assert len(ASEAtomsData(str(target))) == 25


def test_the_level_of_theory_is_stored(labelled, tmp_path):
    words = ["--energy-unit", "eV", "--level-of-theory", "PBE0+MBD"]
    assert main(["import", str(labelled), str(tmp_path / "labels.db"), *words]) == 0
    assert ASEAtomsData(str(tmp_path / "labels.db")).metadata["level_of_theory"] == "PBE0+MBD"


def test_a_format_with_fixed_units_needs_no_option(tmp_path):
    write(tmp_path / "labels.traj", frames())
    report = import_labels(str(tmp_path / "labels.traj"), str(tmp_path / "labels.db"))
    assert report.units == {"energy": "eV", "forces": "eV/Ang", "distance": "Ang"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("", "name them, for example --energy-unit eV or --energy-unit kcal/mol."),
        ("--energy-unit Ang", "--energy-unit Ang is not an energy unit"),
        ("--energy-unit eV --forces-unit eV", "--forces-unit eV is not a unit of forces"),
        ("--energy-unit eV --energy-key E", "name the labels with --energy-key and --forces-key."),
        ("--energy-unit eV --distance-unit nm", "--distance-unit nm looks wrong"),
        ("--energy-unit eV --property homo:eV", "no homo (frames 0, 1, 2"),
    ],
)
def test_the_command_names_what_was_typed(labelled, tmp_path, capsys, words, message):
    assert main(["import", str(labelled), str(tmp_path / "labels.db"), *words.split()]) == 1
    assert message in capsys.readouterr().err


@pytest.mark.realdata
def test_revised_md17_is_imported(tmp_path, real_data):
    source = real_data("rmd17_ethanol_test1000.xyz.gz")
    report = import_labels(str(source), str(tmp_path / "ethanol.db"), EV)
    assert report.written == len(ASEAtomsData(str(tmp_path / "ethanol.db"))) == 1000
    for unit in ("kcal/mol", "Hartree"):
        with pytest.raises(InputError, match="looks wrong"):
            import_labels(str(source), str(tmp_path / f"{unit[:3]}.db"), Labels(energy_unit=unit))


def test_structures_without_labels(tmp_path):
    """Equilibrium structures for force-centric pre-training; labels that are there are not read."""
    frames = [molecule("CH4"), molecule("H2O")]
    frames[1].calc = SinglePointCalculator(frames[1], energy=1.0)
    write(tmp_path / "minima.xyz", frames)
    labels = Labels(energy_key=None, forces_key=None)
    report = import_labels(str(tmp_path / "minima.xyz"), str(tmp_path / "minima.db"), labels)
    assert str(report).splitlines() == [
        "2 frames written in Ang, without labels.",
        "  Found and not imported: energy (1 frame).",
    ]
    data = ASEAtomsData(str(tmp_path / "minima.db"))
    assert data.available_properties == [] and len(data) == 2
    np.testing.assert_allclose(data[1]["_positions"].numpy(), frames[1].positions, atol=1e-7)


def test_structures_without_labels_in_another_unit(tmp_path):
    atoms = molecule("CH4")
    atoms.positions /= 0.529177
    write(tmp_path / "minima.xyz", atoms)
    source, target = str(tmp_path / "minima.xyz"), str(tmp_path / "minima.db")
    with pytest.raises(InputError, match="distance_unit=Ang looks wrong"):
        import_labels(source, target, Labels(energy_key=None, forces_key=None))
