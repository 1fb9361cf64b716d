"""Refused structures, and the reason why a slab needs its third cell vector."""

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk, fcc111, molecule
from ase.neighborlist import neighbor_list
from schnetpack import properties
from schnetpack.transform import MatScipyNeighborList

from gpip_plugins.analysis.structure_faults import check_structure, flat_cells
from gpip_plugins.errors import InputError

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


def water():
    return molecule("H2O")


def lost_oxygen():
    atoms = water()
    atoms.numbers[0] = 0
    return atoms


def heavy(number):
    atoms = water()
    atoms.numbers[1] = number
    return atoms


def moved(atom, axis, value):
    atoms = water()
    atoms.positions[atom, axis] = value
    return atoms


def boxed(edge, pbc=True):
    atoms = water()
    atoms.set_cell(edge * np.eye(3))
    atoms.pbc = pbc
    return atoms


def scaled(factor):
    atoms = water()
    atoms.positions *= factor
    return atoms


POINT = Atoms("C500", np.zeros((500, 3)), cell=40 * np.eye(3), pbc=True)
TWINS = Atoms("Ne2", [[0.05, 1, 1], [9.95, 1, 1]], cell=10 * np.eye(3), pbc=True)


@pytest.mark.parametrize(
    ("atoms", "fault"),
    [
        (Atoms(), "has no atoms"),
        (lost_oxygen(), "has atomic number 0 at atom 0, not one of 1 to 103;"),
        (heavy(118), "has atomic number 118 at atom 1, not one of 1 to 103;"),
        (heavy(4000), "has atomic number 4000 at atom 1, not one of 1 to 103;"),
        (moved(1, 2, np.inf), "has a position that is not finite, of atom 1;"),
        (moved(2, 0, 1e30), r"has atom 2 1e\+30 Ang from the origin"),
        (boxed(1.0), "has a periodic cell of 1 x 1 x 1 Ang for 3 atoms, less than 1 Ang"),
        (boxed(1.0, (True, False, False)), "has a periodic cell of 1 x 1 x 1 Ang"),
        (boxed(1e6), r"has a cell vector of 1e\+06 Ang"),
        (scaled(0.1), r"has atoms 0 \(O\) and 1 \(H\) 0.097 Ang apart"),
        (scaled(0.0), r"has atoms 0 \(O\) and 1 \(H\) 0.000 Ang apart"),
        (POINT, r"has atoms 0 \(C\) and \d+ \(C\) 0.000 Ang apart"),
        (TWINS, r"has atoms 0 \(Ne\) and 1 \(Ne\) 0.100 Ang apart"),
        (
            Atoms("Cs", cell=[1.2, 1.2, 20], pbc=True),
            r"has atom 0 \(Cs\) 1.200 Ang from its own periodic image",
        ),
    ],
)
def test_a_structure_that_cannot_be_real_is_refused(atoms, fault):
    with pytest.raises(InputError, match=f"^water {fault}"):
        check_structure(atoms, "water")


@pytest.mark.parametrize(
    "atoms",
    [
        water(),
        boxed(2.7),
        scaled(0.6),
        moved(2, 0, 9000.0),
        bulk("Cu"),
        bulk("Cs", "bcc", a=6.1),
        bulk("C", "diamond", a=3.4),
        Atoms("He"),
        Atoms("No2", [[0, 0, 0], [0, 0, 3.0]]),
    ],
)
def test_a_structure_that_can_be_real_is_accepted(atoms):
    check_structure(atoms, "it")
