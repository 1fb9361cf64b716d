"""Faults of a database are reported in one sentence before training starts."""

from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import molecule
from ase.db import connect

from gpip_plugins.data import GpipDataModule
from gpip_plugins.errors import InputError

LABELS = {"energy": "eV", "forces": "eV/Ang"}


def set_up(path, **settings):
    settings = {"load_properties": list(LABELS), "property_units": LABELS} | settings
    settings = {"num_train": 8, "num_val": 2, "split_file": None} | settings
    data = GpipDataModule(str(path), batch_size=4, **settings)
    data.setup("fit")
    return data


def labels_of(systems):
    return [{"energy": np.zeros(1), "forces": np.zeros((len(a), 3))} for a in systems]


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # SchNetPack locks the split in the current folder


def test_a_good_database_passes(write):
    assert set_up(write()).elements == [1, 6, 8]


def test_file_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match=r"datapath=.*none.db does not exist; give the path"):
        set_up(tmp_path / "none.db")


@pytest.mark.parametrize("content", [b"", b"SQLite format 3\0 cut off", b"not a database" * 1000])
def test_file_that_is_no_database(tmp_path, content):
    path = tmp_path / "broken.db"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"broken.db (cannot be read|states no units)"):
        set_up(path)


def test_database_cut_short(tmp_path, write):
    whole = Path(write()).read_bytes()
    path = tmp_path / "cut.db"
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"cut.db cannot be read as an ASE database"):
        set_up(path)


def test_database_of_ase_without_units(tmp_path):
    with connect(tmp_path / "plain.db") as store:
        store.write(molecule("H2O"))
    with pytest.raises(InputError, match=r"plain.db states no units; import the data again"):
        set_up(tmp_path / "plain.db")


def test_database_without_configurations(write):
    from schnetpack.data import ASEAtomsData

    path = write().replace("data.db", "empty.db")
    ASEAtomsData.create(path, distance_unit="Ang", property_unit_dict=LABELS)
    with pytest.raises(InputError, match=r"empty.db holds no configuration"):
        set_up(path)


def test_database_without_forces(write):
    systems = [molecule("H2O")] * 12
    path = write(systems, [{"energy": np.zeros(1)}] * 12, {"energy": "eV"})
    with pytest.raises(InputError, match=r"only \['energy'\]; train .* 'labels=\[energy\]', or"):
        set_up(path)


@pytest.mark.parametrize("key", ["load_properties", "property_units"])
def test_names_that_the_database_does_not_know(write, key):
    value = ["E_total"] if key == "load_properties" else {"E_total": "eV"}
    with pytest.raises(InputError, match=r"has no property 'E_total', only \["):
        set_up(write(), **{key: value})


@pytest.mark.parametrize("unit", ["parsec per fortnight", "eVolt"])
def test_units_that_do_not_exist(write, unit):
    with pytest.raises(InputError, match=rf"property_units.energy={unit} cannot be converted"):
        set_up(write(), property_units={"energy": unit})


@pytest.mark.parametrize("unit", ["A", "parsec", "eV"])
def test_length_units_that_do_not_exist(write, unit):
    with pytest.raises(InputError, match=rf"distance_unit={unit} is not a length unit; use"):
        set_up(write(), distance_unit=unit)


def test_other_files_than_databases(tmp_path):
    with pytest.raises(InputError, match=r"labels.xyz does not end in .db, .* with `gpip import`"):
        set_up(tmp_path / "labels.xyz")


def test_working_folder(write, tmp_path, monkeypatch):
    with pytest.raises(InputError, match=r"datapath=.*none.db does not exist; give the path"):
        set_up(tmp_path / "none.db", data_workdir=str(tmp_path / "fast"))
    path = write()
    assert set_up(path, data_workdir=str(tmp_path / "fast")).elements == [1, 6, 8]
    assert (tmp_path / "fast" / "data.db").is_file()
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"cannot be copied to data_workdir=.*file/fast \("):
        set_up(path, data_workdir=str(tmp_path / "file" / "fast"))


def test_a_copy_that_fills_the_working_folder_is_not_taken_for_the_database(
    write, tmp_path, full_disk
):
    path = write()
    with full_disk(4096), pytest.raises(InputError, match=r"cannot be copied to data_workdir"):
        set_up(path, data_workdir=str(tmp_path / "fast"))
    assert not (tmp_path / "fast" / "data.db").exists()
    set_up(path, data_workdir=str(tmp_path / "fast"))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("key", ["positions", "energy", "forces"])
def test_numbers_that_are_not_finite(write, key, bad):
    systems = [molecule(name) for name in ("H2O", "CH4", "H2O") * 4]
    labels = labels_of(systems)
    if key == "positions":
        systems[7].positions[2, 1] = bad
    else:
        labels[7][key].flat[-1] = bad
    path = write(systems, labels, LABELS)
    with pytest.raises(InputError, match=rf"configuration 7 of .* has a '{key}' that is not a fin"):
        set_up(path)


@pytest.mark.parametrize("vector", [(0.0, 0.0, 0.0), (2.0, 0.0, 0.0)], ids=["zero", "parallel"])
def test_periodic_cell_without_volume(write, vector):
    systems = [Atoms("NaCl", [(0, 0, 0), (2.8, 0, 0)], cell=(5.6, 5.6, 5.6), pbc=True)] * 12
    systems = [atoms.copy() for atoms in systems]
    systems[5].cell[1] = vector
    for name, pbc in (("bulk", True), ("slab", (True, False, True))):
        systems[5].pbc = pbc
        path = write(systems, labels_of(systems), LABELS, name=f"{name}.db")
        with pytest.raises(InputError, match=r"configuration 5 of .* cell vectors span no volume"):
            set_up(path)
    systems[5].pbc = False
    set_up(write(systems, labels_of(systems), LABELS, name="isolated.db"))


@pytest.mark.parametrize(
    ("sizes", "asked"),
    [
        ({"num_train": 11, "num_val": 2}, 13),
        ({"num_train": 0.9, "num_val": 3}, 13),
        ({"num_train": 5, "num_val": 4, "num_test": 4}, 13),
    ],
)
def test_splits_larger_than_the_data(write, sizes, asked):
    with pytest.raises(InputError, match=rf"ask for {asked} configurations, but .* holds 12; low"):
        set_up(write(), **sizes)
