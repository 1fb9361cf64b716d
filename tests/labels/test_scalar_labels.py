"""Scalar properties from files: `gpip import --property`."""

import numpy as np
import pytest
from ase.build import molecule
from ase.io import write
from schnetpack.data import ASEAtomsData

from gpip_plugins.cli import main
from gpip_plugins.errors import InputError
from gpip_plugins.labels.keys_and_units import Labels

HARTREE = 27.211386
ORBITALS = [f"--property={name}:eV" for name in ("homo", "lumo", "gap")]


@pytest.fixture
def source(tmp_path):
    """Return a function that writes five molecules with orbital energies, changed by a callable."""

    def build(change=lambda k, info: None):
        frames = []
        for k, name in enumerate(("H2O", "CH4", "CH3CH2OH", "CO2", "C2H4")):
            atoms = molecule(name)
            atoms.info |= {"homo": -7.0 - k, "lumo": 1.0 + k, "gap": 8.0 + 2 * k}
            change(k, atoms.info)
            frames.append(atoms)
        write(tmp_path / "labels.xyz", frames)
        return str(tmp_path / "labels.xyz"), str(tmp_path / "labels.db")

    return build


def test_properties_come_in_with_their_units(source, capsys):
    path, target = source()
    assert main(["import", path, target, *ORBITALS]) == 0
    said = (
        "5 frames written in Ang, without energies and forces, with homo (eV), lumo (eV), gap (eV)."
    )
    assert said in capsys.readouterr().out
    data = ASEAtomsData(target)
    assert data.units == {"homo": "eV", "lumo": "eV", "gap": "eV"}
    assert [data[k]["lumo"].item() for k in range(5)] == pytest.approx([1, 2, 3, 4, 5])


def test_energies_and_forces_come_too_where_their_unit_is_named(tmp_path, capsys):
    rng = np.random.default_rng(0)
    frames = []
    for k in range(3):
        atoms = molecule("H2O")
        atoms.info |= {"E": -10.0 + k, "mu": 0.5}
        atoms.arrays["F"] = rng.normal(size=(3, 3))
        frames.append(atoms)
    write(tmp_path / "labels.xyz", frames)
    words = ["--energy-unit=eV", "--energy-key=E", "--forces-key=F", "--property=mu:Debye"]
    assert main(["import", f"{tmp_path}/labels.xyz", f"{tmp_path}/labels.db", *words]) == 0
    data = ASEAtomsData(f"{tmp_path}/labels.db")
    assert data.units == {"energy": "eV", "forces": "eV/Ang", "mu": "Debye"}
    assert data[1]["energy"].item() == -9.0 and data[1]["mu"].item() == 0.5


@pytest.mark.parametrize(
    ("change", "words", "message"),
    [
        (lambda k, i: k == 3 and i.pop("gap"), ORBITALS, "1 of the 5 frames .* no gap (frame 3)"),
        (lambda k, i: k == 2 and i.update(homo=np.nan), ORBITALS, "a homo that is not finite"),
        (lambda k, i: i.update(homo=[1.0, 2.0]), ORBITALS, "a homo that is not one number"),
        (lambda k, i: i.update({n: i[n] / HARTREE for n in i}), ORBITALS, "homo:eV looks wrong"),
        (lambda k, i: i.update(gap=1.0), ORBITALS, "gap is not the difference of lumo and homo"),
        (lambda k, i: None, ["--property=homu:eV"], "no homu .* carries homo, lumo, gap"),
    ],
)
def test_labels_that_cannot_be_right(source, capsys, tmp_path, change, words, message):
    path, target = source(change)
    assert main(["import", path, target, *words]) == 1
    said = capsys.readouterr().err
    assert all(part in said for part in message.split(" .* ")), said
    assert not (tmp_path / "labels.db").exists()


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (
            ["homo"],
            "--property homo has no unit; write NAME:UNIT, for example --property homo:eV",
        ),
        (["homo:parsec/h"], "--property homo:parsec/h: parsec/h is not a unit of SchNetPack"),
        (
            ["energy:eV"],
            "energy:eV does not import energy; leave it out and name --energy-unit",
        ),
        (["homo:eV", "homo:Hartree"], "--property homo:Hartree: homo is named twice"),
    ],
)
def test_wrong_names_of_properties(source, capsys, wanted, message):
    words = [f"--property={word}" for word in wanted]
    assert main(["import", *source(), *words]) == 1
    assert message in capsys.readouterr().err


def test_units_are_checked_where_properties_are_named():
    with pytest.raises(InputError, match=r"scalars=homo:parsec: parsec is not a unit"):
        Labels(scalars={"homo": "parsec"})
