"""ASE databases are opened, counted and read in Å, and errors are reported in one sentence."""

import sqlite3

import numpy as np
import pytest
from ase import Atoms
from ase.build import molecule
from ase.db import connect
from schnetpack.data import ASEAtomsData

from gpip_plugins.errors import InputError
from gpip_plugins.io.ase_database import Database, is_schnetpack, write_rows


@pytest.fixture
def in_nm(tmp_path):
    """Return the path of a database in nm: water, and a cell of one atom."""
    path = str(tmp_path / "in_nm.db")
    water = molecule("H2O")
    water.positions *= 0.1
    cell = Atoms("Na", [[0.1, 0.1, 0.1]], cell=np.eye(3) * 0.4, pbc=True)
    store = ASEAtomsData.create(path, distance_unit="nm", property_unit_dict={"energy": "eV"})
    store.add_systems([{"energy": np.array([float(k)])} for k in range(2)], [water, cell])
    return path


def test_lengths_are_in_angstrom_and_rows_in_their_order(in_nm):
    database = Database(in_nm)
    assert len(database) == 2 and database.scale == 10.0
    assert database.property_units == {"energy": "eV"}
    np.testing.assert_allclose(database.structure(0).positions, molecule("H2O").positions)
    np.testing.assert_allclose(database.structure(1).cell.array, 4.0 * np.eye(3))
    assert database.structure(1).pbc.all()
    assert [row.data["energy"].item() for row in database.rows()] == [0.0, 1.0]
    with pytest.raises(IndexError):
        database.row(2)


@pytest.mark.parametrize("deleted", [[1], [4, 5], [3, 6, 7, 8], [9]])
def test_deleted_rows_leave_no_gap_in_the_numbers(tmp_path, monkeypatch, deleted):
    monkeypatch.setattr("gpip_plugins.io.ase_database.CHUNK", 4)  # rows in a page
    path, n = str(tmp_path / "a.db"), 9
    write_rows(path, rows(n), {"energy": "eV"})
    with connect(path) as store:
        store.delete(deleted)
    left = [k for k in range(n) if k + 1 not in deleted]
    database = Database(path)
    assert [row.source_row for row in database.rows()] == left
    assert [database.row(k).source_row for k in range(len(left))] == left


@pytest.mark.parametrize("value", [np.array([1.0, 2.0]), np.array(["a"]), "b", np.zeros(0)])
def test_a_label_that_is_not_one_number(in_nm, value):
    database = Database(in_nm, "source")
    row = database.row(1)
    row._data["energy"] = value
    with pytest.raises(InputError, match=r"row 1 .* of source=.* has a 'energy' that is not one"):
        database.number(row, 1, "energy")
    assert database.number(row, 1, "charge") is None


def test_a_database_of_another_program_is_read_in_angstrom(tmp_path):
    path = str(tmp_path / "plain.db")
    connect(path).write(molecule("H2O"))
    assert Database(path).scale == 1.0
    assert not is_schnetpack(path)


@pytest.mark.parametrize("content", [b"", b"no database at all", b"SQLite format 3\0" + bytes(200)])
def test_a_file_that_is_no_database_gets_one_sentence(tmp_path, content):
    path = tmp_path / "wrong.db"
    path.write_bytes(content)
    if content:
        with pytest.raises(InputError, match=r"source=.* cannot be read as an ASE database"):
            Database(path, "source")
    else:
        assert len(Database(path)) == 0


def test_a_missing_table_is_reported_while_reading(in_nm):
    database = Database(in_nm, remedy="sample it again")
    with sqlite3.connect(in_nm) as store:
        store.execute("drop table systems")
    with pytest.raises(InputError, match=r"cannot be read .*; sample it again\."):
        list(database.rows())


def test_an_unknown_unit_of_length_is_refused(tmp_path):
    path = str(tmp_path / "furlong.db")
    with connect(path) as store:
        store.write(molecule("H2O"))
        store.metadata = {"_distance_unit": "furlong", "_property_unit_dict": {}}
    with pytest.raises(InputError, match="furlong is not a length unit"):
        Database(path)


def test_a_missing_file_is_named_with_its_parameter(tmp_path):
    with pytest.raises(InputError, match=r"labels=.*nothing\.db does not exist; import it\."):
        Database(tmp_path / "nothing.db", "labels", "import it")


def rows(n, fails_at=None):
    """Yield helium atoms whose energy is their number."""
    for k in range(n):
        if k == fails_at:
            raise RuntimeError("torn")
        yield Atoms("He", [[0.0, 0.0, k]]), {"energy": np.array([float(k)])}, {"source_row": k}


def test_rows_are_written_in_chunks_and_in_order(tmp_path):
    path, n = str(tmp_path / "a.db"), 53
    assert write_rows(path, rows(n), {"energy": "eV"}, source="somewhere") == n
    database = Database(path)
    assert database.property_units == {"energy": "eV"} and database.scale == 1.0
    assert database.metadata["source"] == "somewhere"
    found = [(r.source_row, r.data["energy"].item(), r.positions[0, 2]) for r in database.rows()]
    assert found == [(k, float(k), float(k)) for k in range(n)]


def test_a_fault_while_writing_leaves_no_rows(tmp_path):
    path = str(tmp_path / "a.db")
    with pytest.raises(RuntimeError, match="torn"):
        write_rows(path, rows(53, fails_at=51), {"energy": "eV"})
    assert len(Database(path)) == 0
