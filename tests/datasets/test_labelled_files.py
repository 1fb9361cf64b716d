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


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write("LiPF6_DME_1M.xyz", frames(8, 1))
    write("NaPF6_DME_4M.extxyz.gz", frames(6, 2))
    return tmp_path


def module(sources, **changes):
    settings = {"batch_size": 2, "num_train": 8, "num_val": 4, "progress": False}
    return LabelledFiles("data/all.db", sources, **settings | changes)


def test_files_and_folders_are_joined(here):
    data = module(["LiPF6_DME_1M.xyz", "NaPF6_DME_4M.extxyz.gz"])
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
    assert sorted(os.listdir("data")) == [".all.db.lock", "all.db"]
    before = os.stat("data/all.db").st_mtime_ns
    module(["LiPF6_DME_1M.xyz", "NaPF6_DME_4M.extxyz.gz"]).prepare_data()
    assert os.stat("data/all.db").st_mtime_ns == before
    with pytest.raises(InputError, match=r"but sources=\['LiPF6_DME_1M\.xyz'\] is requested"):
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
        (["LiPF6_DME_1M.xyz", "gone.xyz"], r"sources=.*gone\.xyz does not exist; name files"),
        (["LiPF6_DME_1M.xyz", "LiPF6_DME_1M.extxyz"], "name LiPF6_DME_1M 2 times"),
        ([], r"sources is empty"),
    ],
)
def test_wrong_sources(here, sources, message):
    with pytest.raises(InputError, match=message):
        module(sources).prepare_data()
    assert not (here / "data/all.db").exists()
