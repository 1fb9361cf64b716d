"""Distances between atoms: of given pairs, by pair of elements, and the shortest ones."""

from collections.abc import Iterator

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols, covalent_radii
from ase.geometry import find_mic
from ase.neighborlist import neighbor_list
from matscipy.neighbours import neighbour_list
from tqdm import tqdm

from gpip_plugins.analysis.bonds import METALS

__all__ = [
    "by_elements",
    "nearest_in_radii",
    "pair_distances",
    "pair_name",
    "shortest_distances",
]

CONTACT = 3.0  # Å; in a box, pairs further apart are no contacts
CHUNK = 2_000_000  # distances in memory at a time


def pair_name(first: int, second: int) -> str:
    """Return the name of a pair of elements as chemists write it: Li-O, C-O, P-F, O-H.

    Args:
        first: atomic number.
        second: atomic number.

    Example:
        >>> pair_name(1, 8), pair_name(8, 6), pair_name(9, 15), pair_name(8, 12)
        ('O-H', 'C-O', 'P-F', 'Mg-O')
    """

    def place(number: int) -> tuple[int, int]:
        return (number == 1) - 2 * (number in METALS) - (number == 6), -number

    pair = sorted((int(first), int(second)), key=place)
    return "-".join(chemical_symbols[number] for number in pair)


def pair_distances(
    positions: np.ndarray, cells: np.ndarray | None, pbc: np.ndarray, pairs: np.ndarray
) -> np.ndarray:
    """Return the minimum-image distances of given pairs of atoms.

    Args:
        positions: Å, shape (n_frames, n_atoms, 3).
        cells: Å, shape (n_frames, 3, 3); not used without periodicity, and may then be None.
        pbc: directions in which the frames are periodic, shape (3,) bool.
        pairs: two atoms each, shape (n_pairs, 2).

    Returns:
        Å, shape (n_frames, n_pairs).

    Example:
        >>> frames = np.array([[[0.0, 0, 0], [0, 0, 4.0]]])
        >>> pair_distances(frames, 5 * np.eye(3)[None], np.ones(3, bool), np.array([[0, 1]]))
        array([[1.]])
    """
    if not len(pairs):
        return np.zeros((len(positions), 0))
    return np.concatenate(list(_chunks(positions, cells, pbc, pairs)))


def _chunks(positions, cells, pbc, pairs) -> Iterator[np.ndarray]:
    """Yield the distances in chunks of frames, shape (n_frames_of_this_chunk, n_pairs)."""
    step = max(1, CHUNK // max(1, len(pairs)))
    for start in range(0, len(positions), step):
        part = positions[start : start + step]
        vectors = part[:, pairs[:, 0]] - part[:, pairs[:, 1]]
        if pbc.any():
            boxes = cells[start : start + step]
            yield np.array([find_mic(v, c, pbc)[1] for v, c in zip(vectors, boxes, strict=True)])
        else:
            yield np.linalg.norm(vectors, axis=2)


def by_elements(numbers: np.ndarray, pairs: np.ndarray, values: np.ndarray) -> dict:
    """Sort values of pairs of atoms by pair of elements.

    Args:
        numbers: atomic numbers, shape (n_atoms,).
        pairs: two atoms each, shape (n_pairs, 2).
        values: one for each frame and pair, shape (n_frames, n_pairs).

    Returns:
        `{"O-H": values}` in the order of the names, each of shape (n_frames, n_pairs_of_this_kind).

    Example:
        >>> by_elements(np.array([8, 1, 1]), np.array([[0, 1], [1, 2]]), np.array([[0.96, 1.5]]))
        {'H-H': array([[1.5]]), 'O-H': array([[0.96]])}
    """
    names = np.array([pair_name(*numbers[pair]) for pair in pairs], dtype=str)
    return {str(name): values[:, names == name] for name in np.unique(names)}


def shortest_distances(
    numbers: np.ndarray,
    positions: np.ndarray,
    cells: np.ndarray | None,
    pbc: np.ndarray,
    progress: bool = False,
) -> dict[str, float]:
    """Return the shortest minimum-image distance of each pair of elements in all frames.

    Args:
        numbers: atomic numbers, shape (n_atoms,).
        positions: Å, shape (n_frames, n_atoms, 3).
        cells: Å, shape (n_frames, 3, 3); may be None without periodicity.
        pbc: directions in which the frames are periodic, shape (3,) bool.
        progress: show a progress bar of the search for neighbours in a periodic system.

    Returns:
        `{"O-H": distance}` in Å. In a periodic system pairs never closer than 3 Å are left out.

    Example:
        >>> free = np.zeros(3, bool)
        >>> shortest_distances(np.array([8, 1]), np.array([[[0, 0, 0], [0, 0, 1.0]]]), None, free)
        {'O-H': 1.0}
    """
    shortest: dict[str, float] = {}

    def add(numbers_i, numbers_j, distances) -> None:
        codes = np.maximum(numbers_i, numbers_j) * 1000 + np.minimum(numbers_i, numbers_j)
        for code in np.unique(codes):
            name = pair_name(*divmod(code, 1000))
            found = float(distances[codes == code].min())
            shortest[name] = min(found, shortest.get(name, np.inf))

    if pbc.any():
        bar = tqdm(positions, "distances", unit="frame", leave=False, disable=not progress)
        for R, cell in zip(bar, cells, strict=True):
            i, j, distance = neighbour_list("ijd", cutoff=CONTACT, positions=R, cell=cell, pbc=pbc)
            add(numbers[i], numbers[j], distance)
    else:
        i, j = pairs = np.triu_indices(len(numbers), 1)
        for distances in _chunks(positions, None, pbc, np.stack(pairs, axis=1)):
            add(numbers[i], numbers[j], distances.min(axis=0))
    return dict(sorted(shortest.items()))


def nearest_in_radii(atoms: Atoms, max_distance: float = 4.0) -> np.ndarray:
    """Return the distance of every atom's nearest neighbour over the sum of their covalent radii.

    It is about 1 for a bonded atom; below 0.5 the atoms overlap.

    Args:
        atoms: one configuration in Å, periodic or not.
        max_distance: Å; neighbours further away are ignored.

    Returns:
        Distances over sums of radii, infinite without a neighbour, shape (n_atoms,).

    Example:
        >>> nearest_in_radii(Atoms("H2", [[0, 0, 0], [0, 0, 0.62]])).round(3)
        array([1., 1.])
    """
    i, j, distance = neighbor_list("ijd", atoms, max_distance)
    radii = covalent_radii[atoms.numbers]
    nearest = np.full(len(atoms), np.inf)
    np.minimum.at(nearest, i, distance / (radii[i] + radii[j]))
    return nearest
