"""Folders of DeePMD-kit, as its documentation and dpdata describe them."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import molecule
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator
from schnetpack.data import ASEAtomsData

from gpip_plugins.errors import InputError
from gpip_plugins.labels.importing import import_labels
from gpip_plugins.labels.readers import reader_of

BOX = 9.0


def labelled(name, n, seed=0):
    """Return shaken molecules in a box with energies and forces of EMT."""
    rng, made = np.random.default_rng(seed), []
    for _ in range(n):
        atoms = molecule(name, cell=[BOX] * 3, pbc=True)
        atoms.positions += rng.normal(0, 0.1, atoms.positions.shape)
        atoms.calc = EMT()
        energy, forces = atoms.get_potential_energy(), atoms.get_forces()
        atoms.calc = SinglePointCalculator(atoms, energy=energy, forces=forces)
        made.append(atoms)
    return made


def write_set(folder, frames, n_atoms=None):
    """Write the arrays of one set, in single precision as is usual, filled up to `n_atoms`."""
    folder.mkdir()
    n_atoms = n_atoms or len(frames[0])
    filled = [np.vstack([a.positions, np.zeros((n_atoms - len(a), 3))]) for a in frames]
    forces = [np.vstack([a.get_forces(), np.zeros((n_atoms - len(a), 3))]) for a in frames]
    np.save(folder / "coord.npy", np.array([x.ravel() for x in filled], np.float32))
    np.save(folder / "force.npy", np.array([x.ravel() for x in forces], np.float32))
    np.save(folder / "energy.npy", np.array([a.get_potential_energy() for a in frames]))
    np.save(folder / "box.npy", np.array([a.cell.array.ravel() for a in frames], np.float32))


def write_system(folder, frames, type_map=("H", "O")):
    """Write a system of one composition in two sets."""
    folder.mkdir(parents=True)
    types = [type_map.index(s) for s in frames[0].get_chemical_symbols()]
    (folder / "type.raw").write_text("\n".join(map(str, types)) + "\n")
    (folder / "type_map.raw").write_text("\n".join(type_map) + "\n")
    write_set(folder / "set.000", frames[:4])
    write_set(folder / "set.001", frames[4:])


def assert_equal(found, expected):
    assert len(found) == len(expected)
    for a, b in zip(found, expected, strict=True):
        assert a.get_chemical_symbols() == b.get_chemical_symbols()
        np.testing.assert_allclose(a.positions, b.positions, atol=1e-6)
        np.testing.assert_allclose(a.cell, b.cell, atol=1e-6)
        np.testing.assert_allclose(a.get_forces(), b.get_forces(), rtol=1e-5, atol=1e-5)
        assert a.get_potential_energy() == pytest.approx(b.get_potential_energy())


@pytest.fixture
def system(tmp_path):
    write_system(tmp_path / "water", labelled("H2O", 6))
    return tmp_path / "water"


def test_all_sets_are_read_in_order(system, frames_of):
    found = frames_of(system)
    assert_equal(found, labelled("H2O", 6))
    assert all(atoms.pbc.all() for atoms in found)


def test_it_is_imported_without_naming_a_unit(system, tmp_path):
    report = import_labels(str(system), str(tmp_path / "labels.db"))
    assert report.written == len(ASEAtomsData(str(tmp_path / "labels.db"))) == 6
    assert report.units["energy"] == "eV"
    before = ASEAtomsData(str(tmp_path / "labels.db")).metadata["source_sha256"]
    (system / "type_map.raw").write_text("H S")
    import_labels(str(system), str(tmp_path / "other.db"), accept_implausible=True)
    assert ASEAtomsData(str(tmp_path / "other.db")).metadata["source_sha256"] != before


def test_several_systems_in_one_folder(tmp_path, frames_of):
    write_system(tmp_path / "all" / "H2O1", labelled("H2O", 5))
    write_system(tmp_path / "all" / "H2O2", labelled("H2O2", 5), type_map=("O", "H"))
    assert_equal(frames_of(tmp_path / "all"), labelled("H2O", 5) + labelled("H2O2", 5))


def test_the_mixed_format(tmp_path, frames_of):
    """Every set has the types, -1 for no atom; type.raw is not used."""
    frames = labelled("H2O", 2) + labelled("CH4", 2)
    folder, type_map = tmp_path / "5", ["H", "C", "O"]
    folder.mkdir()
    (folder / "type.raw").write_text("0\n" * 5)
    (folder / "type_map.raw").write_text("\n".join(type_map))
    write_set(folder / "set.000", frames, n_atoms=5)
    types = [[type_map.index(s) for s in a.get_chemical_symbols()] for a in frames]
    types = np.array([row + [-1] * (5 - len(row)) for row in types])
    np.save(folder / "set.000" / "real_atom_types.npy", types)
    assert_equal(frames_of(folder), frames)


def test_virials_are_stresses_with_the_other_sign(system, frames_of):
    virial = np.arange(18.0).reshape(2, 9)
    virial[:, [3, 6, 7]] = virial[:, [1, 2, 5]]  # symmetric
    np.save(system / "set.001" / "virial.npy", virial)
    frames = frames_of(system)
    assert "stress" not in frames[0].calc.results
    expected = -virial[1, [0, 4, 8, 5, 2, 1]] / BOX**3
    np.testing.assert_allclose(frames[5].get_stress(), expected, rtol=1e-5)
    (system / "nopbc").touch()
    reader = reader_of(str(system))
    assert "stress" not in list(reader.frames(str(system)))[5].calc.results
    assert reader.notes == ["virials in water were left out (nopbc: no volume)"]


def test_cells_differ_and_labels_may_be_missing(system):
    np.save(system / "set.001" / "box.npy", np.stack([np.eye(3).ravel() * k for k in (10, 11)]))
    (system / "set.001" / "force.npy").unlink()
    np.save(system / "set.001" / "dipole.npy", np.zeros((2, 3)))
    reader = reader_of(str(system))
    frames = list(reader.frames(str(system)))
    assert [frame.cell[0, 0] for frame in frames] == pytest.approx([BOX] * 4 + [10, 11])
    assert set(frames[5].calc.results) == {"energy"}
    assert reader.notes == ["arrays that are not used: dipole"]


def test_systems_at_any_depth(tmp_path, frames_of):
    write_system(tmp_path / "all" / "iter.0" / "a" / "H2O1", labelled("H2O", 5))
    write_system(tmp_path / "all" / "H2O2", labelled("H2O2", 5))
    assert len(frames_of(tmp_path / "all")) == 10


def test_elements_instead_of_a_type_map(system):
    (system / "type_map.raw").unlink()
    frames = list(reader_of(str(system), ["H", "O"]).frames(str(system)))
    assert_equal(frames, labelled("H2O", 6))
    (system / "type_map.raw").write_text("H O")
    with pytest.raises(InputError, match="elements=H,O is not used"):
        list(reader_of(str(system), ["H", "O"]).frames(str(system)))


def test_molecules_without_a_cell(system, frames_of):
    (system / "nopbc").touch()
    (system / "set.000" / "box.npy").unlink()
    assert not any(atoms.pbc.any() for atoms in frames_of(system))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda p: (p / "type_map.raw").unlink(), "gives no element for type 1"),
        (lambda p: (p / "type_map.raw").write_text("H Q"), "names Q, which is not an element"),
        (lambda p: (p / "set.001/coord.npy").unlink(), r"set\.001/coord\.npy cannot be read"),
        (lambda p: np.save(p / "set.000/coord.npy", np.zeros((4, 7))), "do not fit together"),
        (lambda p: np.save(p / "set.000/box.npy", np.zeros((3, 9))), "do not fit together"),
        (lambda p: np.save(p / "set.000/real_atom_types.npy", [[0, 0, 1]]), "do not fit together"),
    ],
)
def test_broken_folders(system, spoil, message, frames_of):
    spoil(system)
    with pytest.raises(InputError, match=message):
        frames_of(system)


def test_a_folder_without_sets(tmp_path, frames_of):
    (tmp_path / "type.raw").write_text("0")
    with pytest.raises(InputError, match=r"holds no set\.\*; give the folder that holds type"):
        frames_of(tmp_path)


def test_a_folder_of_no_known_format(tmp_path):
    Atoms("H").write(tmp_path / "a.xyz")
    with pytest.raises(InputError, match=r"in none of the formats that are read: .* DeePMD-kit"):
        import_labels(str(tmp_path), str(tmp_path / "labels.db"))
