"""Several files of labels become one database; the numbers are those of EMT."""

import os

import numpy as np
import pytest
from ase.build import molecule
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write
from schnetpack.data import ASEAtomsData

from gpip_plugins.datasets import LabelledFiles
from gpip_plugins.errors import InputError
from gpip_plugins.labels.importing import import_labels
from gpip_plugins.labels.readers.deepmd import read_deepmd_folder


def frames(n, seed, unit=1.0):
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(n):
        atoms = molecule("H2O")
        atoms.positions += rng.normal(0, 0.1, (3, 3))
        atoms.calc = EMT()
        energy, forces = atoms.get_potential_energy(), atoms.get_forces()
        atoms.calc = SinglePointCalculator(atoms, energy=energy / unit, forces=forces / unit)
        found.append(atoms)
    return found


def deepmd_folder(path, content, type_map=("H", "O")):
    """Write what DeePMD-kit reads, in two sets."""
    path.mkdir()
    symbols = content[0].get_chemical_symbols()
    (path / "type.raw").write_text("\n".join(str(type_map.index(s)) for s in symbols))
    (path / "type_map.raw").write_text("\n".join(type_map) + "\n")
    for number, part in enumerate((content[:4], content[4:])):
        folder = path / f"set.{number:03d}"
        folder.mkdir()
        np.save(folder / "coord.npy", [a.positions.ravel() for a in part])
        np.save(folder / "force.npy", [a.get_forces().ravel() for a in part])
        np.save(folder / "energy.npy", [a.get_potential_energy() for a in part])
        np.save(folder / "box.npy", [(9.0 * np.eye(3)).ravel()] * len(part))


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write("LiPF6_DME_1M.xyz", frames(8, 1))
    deepmd_folder(tmp_path / "NaPF6_DME_4M", frames(6, 2))
    return tmp_path


def module(sources, **changes):
    settings = {"batch_size": 2, "num_train": 8, "num_val": 4, "progress": False}
    return LabelledFiles("data/all.db", sources, **settings | changes)


def test_files_and_folders_are_joined(here):
    data = module(["LiPF6_DME_1M.xyz", "NaPF6_DME_4M"])
    data.prepare_data()
    store = ASEAtomsData("data/all.db")
    assert len(store) == 14 and store.units == {"energy": "eV", "forces": "eV/Ang"}
    expected = [("LiPF6_DME_1M", a) for a in frames(8, 1)]
    expected += [("NaPF6_DME_4M", a) for a in frames(6, 2)]
    for number, (row, (name, atoms)) in enumerate(zip(store.conn.select(), expected, strict=True)):
        assert row.key_value_pairs["system"] == name
        assert row.key_value_pairs["source_row"] == (number if number < 8 else number - 8)
        np.testing.assert_allclose(row.data["energy"], [atoms.get_potential_energy()], atol=1e-7)
        np.testing.assert_allclose(row.data["forces"], atoms.get_forces(), atol=1e-7)
        assert row.pbc.all() == (name == "NaPF6_DME_4M")
    assert sorted(os.listdir("data")) == [".all.db.lock", "all.db"]
    before = os.stat("data/all.db").st_mtime_ns
    module(["LiPF6_DME_1M.xyz", "NaPF6_DME_4M"]).prepare_data()
    assert os.stat("data/all.db").st_mtime_ns == before
    with pytest.raises(InputError, match=r"but data\.sources=\['LiPF6_DME_1M\.xyz'\] is asked"):
        module("LiPF6_DME_1M.xyz").prepare_data()


def test_units_of_the_file(here):
    kcal = 0.0433641153
    write("kcal.xyz", frames(8, 1, unit=kcal))
    module("kcal.xyz", energy_unit="kcal/mol").prepare_data()
    for row, atoms in zip(ASEAtomsData("data/all.db").conn.select(), frames(8, 1), strict=True):
        np.testing.assert_allclose(row.data["forces"], atoms.get_forces(), atol=1e-5)


@pytest.mark.parametrize(
    ("sources", "message"),
    [
        (["LiPF6_DME_1M.xyz", "gone.xyz"], r"gone\.xyz, which does not exist"),
        (["LiPF6_DME_1M.xyz", "LiPF6_DME_1M.extxyz"], "name LiPF6_DME_1M 2 times"),
        ([], r"data\.sources is empty"),
    ],
)
def test_wrong_sources(here, sources, message):
    with pytest.raises(InputError, match=message):
        module(sources).prepare_data()
    assert not (here / "data/all.db").exists()


def test_a_folder_of_deepmd_is_imported_by_the_command_too(here):
    report = import_labels("NaPF6_DME_4M", "labels.db")
    assert report.written == len(ASEAtomsData("labels.db")) == 6
    assert report.units["energy"] == "eV"


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda p: (p / "type_map.raw").unlink(), "says no element for type 1"),
        (lambda p: (p / "type_map.raw").write_text("H Q"), "names Q, which is no element"),
        (lambda p: (p / "set.001/force.npy").unlink(), r"set\.001/force\.npy cannot be read"),
        (lambda p: np.save(p / "set.000/coord.npy", np.zeros((4, 7))), "do not fit together"),
        (lambda p: np.save(p / "set.000/box.npy", np.zeros((3, 9))), "do not fit together"),
    ],
)
def test_broken_folders_of_deepmd(here, spoil, message):
    spoil(here / "NaPF6_DME_4M")
    with pytest.raises(InputError, match=message):
        list(read_deepmd_folder("NaPF6_DME_4M"))


def test_molecules_without_a_cell_in_deepmd_s_format(here):
    (here / "NaPF6_DME_4M" / "nopbc").touch()
    assert not any(atoms.pbc.any() for atoms in read_deepmd_folder("NaPF6_DME_4M"))
