"""Distances in a sampled system: shortest ones, bonds, and bonds that broke."""

from collections.abc import Iterator

import numpy as np
from ase.data import chemical_symbols
from ase.geometry import find_mic
from ase.neighborlist import natural_cutoffs, neighbor_list
from matscipy.neighbours import neighbour_list
from tqdm import tqdm

from gpip_plugins.report.frames import SystemFrames

__all__ = ["bond_lengths", "bonds_of", "distances_of_pairs", "pair_name", "shortest_distances"]

# A thermal bond is longer than the sum of covalent radii; the next shell begins at 1.6 times it.
BOND_FACTOR = 1.25
ALKALI_METALS = (3, 11, 19, 37, 55)  # ions, whose contacts are no bonds
CONTACT = 3.0  # Å; in a box, pairs further apart are no contacts
CHUNK = 2_000_000  # distances held at a time


def pair_name(first: int, second: int) -> str:
    """Return the name of a pair of elements as chemists write it: Li-O, C-O, P-F, O-H.

    Args:
        first: atomic number.
        second: atomic number.

    Example:
        >>> pair_name(1, 8), pair_name(8, 6), pair_name(9, 15)
        ('O-H', 'C-O', 'P-F')
    """

    def place(number: int) -> tuple[int, int]:
        return (number == 1) - 2 * (number in ALKALI_METALS) - (number == 6), -number

    pair = sorted((int(first), int(second)), key=place)
    return "-".join(chemical_symbols[number] for number in pair)


def distances_of_pairs(
    positions: np.ndarray, cells: np.ndarray | None, pbc: np.ndarray, pairs: np.ndarray
) -> Iterator[np.ndarray]:
    """Yield the minimum-image distances of given pairs of atoms, some frames at a time.

    Args:
        positions: Å, shape (n_frames, n_atoms, 3).
        cells: Å, shape (n_frames, 3, 3); not looked at, and may be None, without periodicity.
        pbc: directions in which the frames are periodic, shape (3,) bool.
        pairs: two atoms each, shape (n_pairs, 2).

    Yields:
        Å, shape (n_frames_of_this_part, n_pairs).
    """
    step = max(1, CHUNK // max(1, len(pairs)))
    for start in range(0, len(positions), step):
        part = positions[start : start + step]
        vectors = part[:, pairs[:, 0]] - part[:, pairs[:, 1]]
        if pbc.any():
            boxes = cells[start : start + step]
            yield np.array([find_mic(v, c, pbc)[1] for v, c in zip(vectors, boxes, strict=True)])
        else:
            yield np.linalg.norm(vectors, axis=2)


def bonds_of(system: SystemFrames) -> np.ndarray:
    """Return the bonds of the first chosen frame.

    Two atoms are bonded when they are closer than 1.25 times the sum of their covalent radii.
    Alkali metals, which are ions in what is sampled here, have no bonds.

    Args:
        system: positions, cells and periodic directions.

    Returns:
        Two atoms each, first < second, shape (n_bonds, 2).
    """
    atoms = system.structure(0)
    cutoffs = np.array(natural_cutoffs(atoms, mult=BOND_FACTOR))
    cutoffs[np.isin(atoms.numbers, ALKALI_METALS)] = 0.0
    i, j = neighbor_list("ij", atoms, cutoffs)
    return np.unique(np.stack([i, j], axis=1)[i < j], axis=0)


def bond_lengths(system: SystemFrames) -> tuple[dict[str, np.ndarray], float]:
    """Return all bond lengths by pair of elements, and the largest departure of one bond.

    Args:
        system: positions, cells and periodic directions.

    Returns:
        `{"O-H": lengths}` in Å, each of shape (n_frames, n_bonds_of_this_kind), and how far any
        bond ever was from its own mean length, in Å (0 without bonds).
    """
    bonds = bonds_of(system)
    if not len(bonds):
        return {}, 0.0
    lengths = np.concatenate(
        list(distances_of_pairs(system.positions, system.cells, system.pbc, bonds))
    )
    departure = float(np.abs(lengths - lengths.mean(axis=0)).max())
    names = [pair_name(*system.numbers[bond]) for bond in bonds]
    members = {name: [k for k, other in enumerate(names) if other == name] for name in names}
    return {name: lengths[:, members[name]] for name in sorted(members)}, departure


def shortest_distances(system: SystemFrames, progress: bool = False) -> dict[str, float]:
    """Return the shortest minimum-image distance that each pair of elements ever had.

    Args:
        system: positions, cells and periodic directions.
        progress: show a progress bar in a periodic system, where neighbours have to be searched.

    Returns:
        `{"O-H": distance}` in Å. In a periodic system pairs never closer than 3 Å are left out.
    """
    shortest: dict[str, float] = {}

    def add(numbers_i, numbers_j, distances) -> None:
        codes = np.maximum(numbers_i, numbers_j) * 1000 + np.minimum(numbers_i, numbers_j)
        for code in np.unique(codes):
            name = pair_name(*divmod(code, 1000))
            found = float(distances[codes == code].min())
            shortest[name] = min(found, shortest.get(name, np.inf))

    if system.pbc.any():
        indices = range(len(system.positions))
        bar = tqdm(indices, "distances", unit="frame", leave=False, disable=not progress)
        for index in bar:
            i, j, distance = neighbour_list("ijd", system.structure(index), CONTACT)
            add(system.numbers[i], system.numbers[j], distance)
    else:
        i, j = pairs = np.triu_indices(len(system.numbers), 1)
        for distances in distances_of_pairs(
            system.positions, None, system.pbc, np.stack(pairs, axis=1)
        ):
            add(system.numbers[i], system.numbers[j], distances.min(axis=0))
    return dict(sorted(shortest.items()))
