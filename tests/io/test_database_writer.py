"""Databases written with ASE alone are those that SchNetPack writes and reads."""

import numpy as np
import pytest
from ase.build import bulk, molecule
from ase.db import connect
from schnetpack.data import ASEAtomsData

from gpip_plugins.io.ase_database import write_rows
from gpip_plugins.io.database_writer import DatabaseWriter

UNITS = {"energy": "eV", "forces": "eV/Ang", "stress": "eV/Ang/Ang/Ang"}


def rows():
    rng = np.random.default_rng(0)
    for atoms in (molecule("CH3CH2OH"), bulk("NaCl", "rocksalt", a=5.6)):
        shapes = {"energy": 1, "forces": (len(atoms), 3), "stress": (1, 3, 3)}
        values = {name: rng.normal(size=shape) for name, shape in shapes.items()}
        yield atoms, values, {"system": "a b", "source_row": 3, "temperature": 300.0}


def content(path):
    """Return metadata, and of every row what does not depend on the time of writing."""
    with connect(path, use_lock_file=False) as store:
        kept = [
            (
                *(x.tobytes() for x in (r.numbers, r.positions, np.asarray(r.cell), r.pbc)),
                {name: (x.dtype, x.shape, x.tobytes()) for name, x in r.data.items()},
                r.key_value_pairs,
            )
            for r in store.select()
        ]
        return store.metadata, kept


def test_the_file_is_that_of_schnetpack(tmp_path):
    ours, theirs = str(tmp_path / "ours.db"), str(tmp_path / "theirs.db")
    assert write_rows(ours, rows(), UNITS, method="exact", n=3) == 2
    store = ASEAtomsData.create(theirs, distance_unit="Ang", property_unit_dict=UNITS)
    structures, values, pairs = zip(*rows(), strict=True)
    store.add_systems(list(values), list(structures), list(pairs))
    store.update_metadata(method="exact", n=3)
    assert content(ours) == content(theirs)
    read = ASEAtomsData(ours)
    assert read.units == UNITS and read.distance_unit == "Ang"
    np.testing.assert_array_equal(
        read[1]["stress"][0], next(r for r in [*rows()][1:])[1]["stress"][0]
    )


def test_rows_are_kept_one_by_one_or_together(tmp_path):
    path = tmp_path / "a.db"
    store = DatabaseWriter(path, {"energy": "eV"})
    atoms, values, pairs = next(rows())
    store.add(atoms, values, pairs)
    assert len(DatabaseWriter(path)) == 1
    with pytest.raises(RuntimeError), store:
        store.add(atoms, values, pairs)
        raise RuntimeError
    assert len(DatabaseWriter(path)) == 1
    with pytest.raises(KeyError, match="energy"):
        store.add(atoms, {"forces": values["forces"]})
    assert store.sum_of("temperature") == 300.0
