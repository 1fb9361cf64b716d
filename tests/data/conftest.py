"""Databases of molecules and cells with labels of every shape."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from schnetpack.data import ASEAtomsData

UNITS = {
    "energy": "eV",
    "forces": "eV/Ang",
    "charges": "e",
    "dipole": "e*Ang",
    "stress": "eV/Ang**3",
}
SHAPES = {"energy": (1,), "dipole": (1, 3), "stress": (1, 3, 3)}


def frames(kind: str, rng) -> list[Atoms]:
    """Return molecules of different size, or periodic cells of different size and periodicity."""
    if kind == "molecules":
        found = [molecule(name) for name in ("CH3CH2OH", "H2O", "CH4", "C6H6") for _ in range(3)]
    else:
        found = [bulk("NaCl", "rocksalt", a=5.6 + 0.1 * k) * (1, 1, 1 + k % 3) for k in range(11)]
        found.append(molecule("CH4"))
        found[4].pbc = (True, True, False)
    for atoms in found:
        atoms.positions += rng.normal(scale=0.05, size=atoms.positions.shape)
    return found


@pytest.fixture
def write(tmp_path):
    """Return a function that writes a database.

    Its arguments: frames, by default twelve molecules; labels, by default random ones of every
    shape; units of the labels; name of the file, which is replaced; unit of the positions.
    """

    def labels_of(atoms, names, rng):
        shapes = SHAPES | {"forces": (len(atoms), 3), "charges": (len(atoms),)}
        return {name: rng.normal(size=shapes[name]) for name in names}

    def build(systems="molecules", labels=None, units=None, name="data.db", distance_unit="Ang"):
        rng = np.random.default_rng(0)
        systems = frames(systems, rng) if isinstance(systems, str) else systems
        units = UNITS if units is None else units
        labels = labels or [labels_of(atoms, units, rng) for atoms in systems]
        path = tmp_path / name
        path.unlink(missing_ok=True)
        store = ASEAtomsData.create(
            str(path), distance_unit=distance_unit, property_unit_dict=units
        )
        store.add_systems(labels, systems)
        return str(path)

    return build
