"""Bonds of a configuration, from the geometry alone.

Two atoms are bonded when they are closer than 1.25 times the sum of their covalent radii (Cordero
et al., Dalton Trans. 2008, 2832). Bonds in hot molecules are shorter than this: at 1000 K an O-O
bond, one of the softest, fluctuates by 0.06 Å around 1.1 times the sum. The closest atoms that are
not bonded are at 1.4 times the sum, in rings of four atoms.

Metals of groups 1 and 2 are ions in molecules and liquids and are never bonded, however close.
Other metals also occur in covalent compounds, which distances cannot distinguish from ions; they
count as bonded.
"""

from typing import Final

import numpy as np
from ase import Atoms
from ase.neighborlist import natural_cutoffs, neighbor_list

__all__ = ["METALS", "bonded_neighbours", "bonds"]

FACTOR: Final = 1.25  # of the sum of covalent radii
METALS: Final = (3, 4, 11, 12, 19, 20, 37, 38, 55, 56, 87, 88)
"""Atomic numbers of groups 1 and 2 without hydrogen: ions, never bonded."""


def bonded_neighbours(atoms: Atoms) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return every bond twice, once from each of its atoms.

    Args:
        atoms: one configuration in Å, periodic or not.

    Returns:
        First atoms i, shape (n,); second atoms j, shape (n,); vectors from i to the bonded image of
        j in Å, shape (n, 3). An atom of a solid may be bonded to its own image.

    Example:
        >>> water = Atoms("OHH", [[0, 0, 0], [0.76, 0.59, 0], [-0.76, 0.59, 0]])
        >>> i, j, vectors = bonded_neighbours(water)
        >>> i.tolist(), j.tolist()
        ([0, 0, 1, 2], [1, 2, 0, 0])
    """
    cutoffs = np.array(natural_cutoffs(atoms, mult=FACTOR))
    i, j, vectors = neighbor_list("ijD", atoms, cutoffs)
    bonded = ~np.isin(atoms.numbers[i], METALS) & ~np.isin(atoms.numbers[j], METALS)
    return i[bonded], j[bonded], vectors[bonded]


def bonds(atoms: Atoms) -> np.ndarray:
    """Return the pairs of atoms that are bonded, each once.

    Args:
        atoms: one configuration in Å, periodic or not.

    Returns:
        Two atoms each, first < second, ascending, shape (n_bonds, 2).

    Example:
        >>> bonds(Atoms("OHHMg", [[0, 0, 0], [0.76, 0.59, 0], [-0.76, 0.59, 0], [0, -2, 0]]))
        array([[0, 1],
               [0, 2]])
    """
    i, j, _ = bonded_neighbours(atoms)
    return np.unique(np.stack([i, j], axis=1)[i < j], axis=0)
