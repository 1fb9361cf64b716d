"""The first structure of a large set that cannot be real.

`structure_fault` takes 0.1 to 0.5 ms for a structure, as long as reading it. Here all structures
are screened together: the atoms of all of them, set apart from each other, are in one search tree.
The screen is never more lenient than `structure_fault`, which has the last word on the structures
that the screen finds.
"""

import itertools
from collections.abc import Iterator

import numpy as np
from ase.data import covalent_radii
from scipy.spatial import cKDTree

from gpip_plugins.analysis.structure_faults import (
    HEAVIEST,
    LARGEST,
    OVERLAP,
    cells_in_doubt,
    structure_fault,
)

__all__ = ["first_fault"]

CHUNK = 20_000  # atoms in one tree
COINCIDE = 0.1  # Å; closer atoms overlap, whatever their elements
APART = 10.0  # Å between two structures in the tree


def first_fault(
    numbers: np.ndarray,
    positions: np.ndarray,
    cells: np.ndarray,
    pbc: np.ndarray,
    n_atoms: np.ndarray,
) -> tuple[int, str] | None:
    """Return the first structure that cannot be real, with the reason, or None.

    Args:
        numbers: atomic numbers of all structures one after the other, shape (n_atoms_of_all,).
        positions: Å, shape (n_atoms_of_all, 3).
        cells: cell vectors in Å, shape (n_structures, 3, 3).
        pbc: periodic directions, shape (n_structures, 3) bool.
        n_atoms: atoms of each structure, shape (n_structures,).

    Returns:
        Number of the structure and the sentence of
        `gpip_plugins.analysis.structure_faults.structure_fault`.

    Example:
        >>> numbers, positions = np.ones(4, int), np.array([[0, 0, 0], [0, 0, 0.74]] * 2)
        >>> free = np.zeros((2, 3, 3)), np.zeros((2, 3), bool), np.array([2, 2])
        >>> first_fault(numbers, positions, *free)
        >>> positions[3] = 0.0
        >>> first_fault(numbers, positions, *free)[0]
        1
    """
    ends = np.cumsum(n_atoms)
    starts = ends - n_atoms
    step = max(1, int(CHUNK / max(1.0, n_atoms.mean()))) if len(n_atoms) else 1
    for first in range(0, len(n_atoms), step):
        part = slice(first, first + step)
        atoms = slice(starts[first], ends[part][-1])
        doubtful = _in_doubt(
            numbers[atoms], positions[atoms], cells[part], pbc[part], n_atoms[part]
        )
        for index in (first + np.flatnonzero(doubtful)).tolist():
            atoms = slice(starts[index], ends[index])
            fault = structure_fault(numbers[atoms], positions[atoms], cells[index], pbc[index])
            if fault is not None:
                return index, fault
    return None


def _in_doubt(numbers, positions, cells, pbc, n_atoms) -> np.ndarray:
    """Return which structures need the full check, shape (n_structures,) bool."""
    owner = np.repeat(np.arange(len(n_atoms)), n_atoms)
    doubtful = n_atoms == 0
    with np.errstate(invalid="ignore"):
        wrong = ~(np.abs(positions) <= LARGEST).all(axis=1) | (numbers < 1) | (numbers > HEAVIEST)
    doubtful[owner[wrong]] = True
    radii = covalent_radii[np.where(wrong, 1, numbers)]
    reach = 2 * OVERLAP * float(radii.max(initial=0.0))
    doubtful |= cells_in_doubt(cells, pbc, n_atoms, reach)
    sound = ~doubtful[owner]
    if not sound.any():
        return doubtful
    owner, radii, positions = owner[sound], radii[sound], positions[sound]
    places, atoms = _set_apart(positions, cells, pbc & ~doubtful[:, None], owner, reach)
    tree = cKDTree(places, balanced_tree=False)
    nearest = tree.query(places, k=2, distance_upper_bound=COINCIDE)[0][:, 1]
    doubtful[owner[atoms[np.isfinite(nearest)]]] = True
    kept = ~doubtful[owner[atoms]]
    if not kept.all():  # thousands of atoms in one place would have millions of pairs
        places, atoms = places[kept], atoms[kept]
        tree = cKDTree(places.reshape(-1, 3), balanced_tree=False)
    pairs = tree.query_pairs(reach, output_type="ndarray")
    distances = np.linalg.norm(places[pairs[:, 0]] - places[pairs[:, 1]], axis=1)
    close = distances < OVERLAP * radii[atoms[pairs]].sum(axis=1)
    doubtful[owner[atoms[pairs[close, 0]]]] = True
    return doubtful


def _set_apart(positions, cells, pbc, owner, reach) -> tuple[np.ndarray, np.ndarray]:
    """Return atoms and the periodic images near their cells, no structure near another.

    Returns:
        Å, shape (n_places, 3), and the atom at each place, shape (n_places,).
    """
    parts = list(_with_images(positions, cells, pbc, owner, reach))
    places = np.concatenate([part for part, _ in parts])
    atoms = np.concatenate([part for _, part in parts])
    x, structure = places[:, 0], owner[atoms]
    least, most = np.full(len(cells), np.inf), np.full(len(cells), -np.inf)
    np.minimum.at(least, structure, x)
    np.maximum.at(most, structure, x)
    widths = np.where(most >= least, most - least, 0.0) + APART
    shift = np.cumsum(widths) - widths - np.where(most >= least, least, 0.0)
    places[:, 0] += shift[structure]
    return places, atoms


def _with_images(positions, cells, pbc, owner, reach) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the atoms, and those of their periodic images that can be within reach of an atom."""
    periodic = pbc.any(axis=1)
    frame = np.where(periodic[:, None, None], cells, np.eye(3))
    inverse = np.linalg.inv(frame)
    fractions = (positions[:, None] @ inverse[owner])[:, 0]
    steps = np.where(pbc[owner], np.floor(fractions), 0.0)
    fractions -= steps
    yield positions - (steps[:, None] @ frame[owner])[:, 0], np.arange(len(positions))
    heights = 1.0 / np.linalg.norm(inverse, axis=1)[owner]
    lower = pbc[owner] & (fractions * heights <= reach)
    upper = pbc[owner] & ((1.0 - fractions) * heights <= reach)
    border = np.flatnonzero((lower | upper).any(axis=1))
    places = (fractions[border, None] @ frame[owner[border]])[:, 0]
    near = {1: lower[border], 0: np.ones_like(lower[border]), -1: upper[border]}
    # An image beyond +1 or -1 is further than a height of the cell, which is more than the reach.
    # The images of the opposite shifts give the same pairs.
    for shift in itertools.product((-1, 0, 1), repeat=3):
        if shift > (0, 0, 0):
            kept = np.all([near[step][:, axis] for axis, step in enumerate(shift)], axis=0)
            atoms = border[kept]
            yield places[kept] + np.array(shift) @ frame[owner[atoms]], atoms
