"""Refused structures, and the reason why a slab needs its third cell vector."""

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import fcc111, molecule
from ase.neighborlist import neighbor_list
from schnetpack import properties
from schnetpack.transform import MatScipyNeighborList

from gpip_plugins.errors import InputError
from gpip_plugins.io.structures import check_structure, flat_cells, read_structures

CUTOFF = 3.0


def pairs(atoms):
    """Return the number of pairs that SchNetPack finds."""
    found = MatScipyNeighborList(CUTOFF)(
        {
            properties.Z: torch.as_tensor(atoms.numbers),
            properties.R: torch.as_tensor(atoms.positions),
            properties.cell: torch.as_tensor(atoms.cell.array),
            properties.pbc: torch.as_tensor(atoms.pbc),
        }
    )
    return len(found[properties.idx_i])


def slab(height):
    """Return a skewed slab of aluminium that is periodic in two directions."""
    atoms = fcc111("Al", (2, 2, 2), vacuum=0.0)
    atoms.cell[2] = [0.0, 0.0, height]
    atoms.pbc = (True, True, False)
    return atoms


def test_schnetpack_needs_the_third_vector_of_a_slab():
    """The error that the check prevents; if this test fails, SchNetPack was corrected."""
    right = len(neighbor_list("i", slab(20.0), CUTOFF))
    assert pairs(slab(20.0)) == right
    assert pairs(slab(0.0)) != right
    check_structure(slab(20.0), "slab")
    with pytest.raises(InputError, match=r"^slab is periodic, but its three cell vectors span no"):
        check_structure(slab(0.0), "slab")


@pytest.mark.parametrize(
    ("cell", "pbc", "flat"),
    [
        (np.zeros((3, 3)), (0, 0, 0), False),
        (np.diag([4.0, 0.0, 0.0]), (1, 0, 0), True),
        (np.diag([4.0, 5.0, 6.0]), (1, 0, 0), False),
        (np.diag([4.0, 5.0, -6.0]), (1, 1, 1), False),
        ([[4, 0, 0], [0, 5, 0], [4, 5, 1e-9]], (1, 1, 1), True),
        ([[1e5, 0, 0], [0, 1e5, 0], [1e5, 0, 1e-4]], (1, 1, 1), True),
        ([[4, 0, 0], [0, 5, 0], [0, 0, np.nan]], (1, 1, 1), True),
    ],
)
def test_cells(cell, pbc, flat):
    assert flat_cells(np.array([cell], float), np.array([pbc], bool)).tolist() == [flat]


def test_other_faults():
    check_structure(molecule("H2O"), "water")
    with pytest.raises(InputError, match=r"^nothing has no atoms; remove"):
        check_structure(Atoms(), "nothing")
    atoms = molecule("H2O")
    atoms.positions[1, 2] = np.inf
    with pytest.raises(InputError, match=r"^water has a position that is not finite, of atom 1;"):
        check_structure(atoms, "water")


def test_reading_stops_early_without_a_trace(tmp_path):
    molecule("H2O").write(tmp_path / "a.xyz.gz")
    assert len(next(read_structures(str(tmp_path / "a.xyz.gz")))) == 3
