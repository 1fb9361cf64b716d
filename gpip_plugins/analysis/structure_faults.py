"""Structures that cannot be real: one check for everything that reads or makes structures.

A file can be read without an error and still hold nonsense: a cell of 1 Å that stands for "none",
atomic number 0, all atoms in one point, nanometres taken for Å. A model predicts numbers for all of
it. Import, sampling, selection, prediction, reports, training and simulation use the one check
here, so that what one of them refuses no other one accepts.
"""

import numpy as np
from ase import Atoms
from ase.cell import Cell
from ase.data import chemical_symbols, covalent_radii
from matscipy.neighbours import neighbour_list
from scipy.spatial import cKDTree

from gpip_plugins.errors import InputError

__all__ = ["cells_in_doubt", "check_structure", "flat_cells", "structure_fault"]

HEAVIEST = 103  # lawrencium; beyond it there are neither basis sets nor covalent radii
LARGEST = 1.0e4  # Å; beyond it positions in single precision are wrong by more than 0.001 Å
OVERLAP = 0.3  # of the sum of covalent radii: 0.19 Å between two hydrogen atoms
LEAST_VOLUME = 1.0  # Å^3 an atom; hydrogen compressed to a metal has 2, diamond 5.7
LEAST_HEIGHT = 0.2  # Å between two faces of a cell; the search for pairs takes their inverse
LEAST_REPEAT = 1.2  # Å; of several atoms, each of which would touch its own image
THICKNESS = 3.0  # Å; of a sheet of single atoms, for the volume of a system that is not a bulk

#: Message about systems that `flat_cells` finds.
FLAT_CELL = (
    "is periodic, but its three cell vectors span no volume (one is zero or lies along others); "
    "give all three vectors, also where only one or two directions are periodic, or set pbc to "
    "F F F"
)


def check_structure(atoms: Atoms, where: str) -> None:
    """Check that a structure can be real, so that its energy has a meaning.

    Args:
        atoms: the structure, in Å.
        where: file and number of the structure, the beginning of the sentence.

    Raises:
        InputError: with the sentence of `structure_fault`.

    Example:
        >>> check_structure(Atoms("H2", [[0, 0, 0], [0, 0, 0]]), "Frame 3 of a.xyz")
        Traceback (most recent call last):
        ...
        gpip_plugins.errors.InputError: Frame 3 of a.xyz has atoms 0 (H) and 1 (H) 0.000 Ang ...
    """
    fault = structure_fault(atoms.numbers, atoms.positions, atoms.cell.array, atoms.pbc)
    if fault is not None:
        raise InputError(f"{where} {fault}.")


def structure_fault(
    numbers: np.ndarray, positions: np.ndarray, cell: np.ndarray, pbc: np.ndarray
) -> str | None:
    """Return why a structure cannot be real, or None.

    Tested are: at least one atom; atomic numbers from 1 to 103; finite positions within 10^4 Å (in
    single precision they are wrong by 0.001 Å there); a finite cell; with periodic directions three
    cell vectors whose periodic ones leave at least 1 Å^3 to an atom and repeat several atoms after
    1.2 Å or more; no two atoms closer than 0.3
    times the sum of their covalent radii, periodic images included. In directions that are not
    periodic the atoms' extent and 3 Å count, not the cell vector, which may be of any length there.

    Args:
        numbers: atomic numbers, shape (n_atoms,).
        positions: Å, shape (n_atoms, 3).
        cell: cell vectors in Å, shape (3, 3).
        pbc: periodic directions, shape (3,) bool.

    Returns:
        The end of a sentence with the remedy, without a full stop.

    Example:
        >>> structure_fault(np.array([0]), np.zeros((1, 3)), np.zeros((3, 3)), np.zeros(3, bool))
        'has atomic number 0 at atom 0, not one of 1 to 103; repair or remove the structure'
    """
    if not len(numbers):
        return "has no atoms; remove it"
    wrong = (numbers < 1) | (numbers > HEAVIEST)
    if wrong.any():
        atom = int(wrong.argmax())
        return (
            f"has atomic number {int(numbers[atom])} at atom {atom}, not one of 1 to {HEAVIEST}; "
            "repair or remove the structure"
        )
    finite = np.isfinite(positions).all(axis=1)
    if not finite.all():
        return (
            f"has a position that is not finite, of atom {int(finite.argmin())}; repair or remove "
            "the structure"
        )
    distant = np.abs(positions).max(axis=1) > LARGEST
    if distant.any():
        atom = int(distant.argmax())
        return (
            f"has atom {atom} {np.abs(positions[atom]).max():.3g} Ang from the origin (more than "
            f"{LARGEST:g}); move the structure to the origin, or repair its units"
        )
    return _cell_fault(positions, cell, pbc) or _overlap(numbers, positions, cell, pbc)


def flat_cells(cells: np.ndarray, pbc: np.ndarray) -> np.ndarray:
    """Return which systems are periodic but have no cell of three vectors that span a volume.

    Systems with one or two periodic directions also need all three vectors: SchNetPack's search for
    neighbours (`MatScipyNeighborList`) replaces a cell without volume by the box around the atoms,
    keeps it periodic, and so finds wrong pairs.

    Args:
        cells: cell vectors in Å, shape (n_systems, 3, 3).
        pbc: periodic directions, shape (n_systems, 3).

    Returns:
        True for systems with such a cell, shape (n_systems,).

    Example:
        >>> slab = np.diag([4.0, 4.0, 0.0])
        >>> flat_cells(np.stack([slab, slab]), np.array([[True, True, False], [False] * 3]))
        array([ True, False])
    """
    with np.errstate(invalid="ignore"):  # vectors that are not finite span no volume
        volumes = np.abs(np.linalg.det(cells))
    lengths = np.linalg.norm(cells, axis=2).prod(axis=1)
    # 1e-6 Å^3 is SchNetPack's bound; the other bound finds vectors that are almost parallel.
    flat = ~((volumes > 1e-6) & (volumes > 1e-6 * lengths))
    return flat & pbc.any(axis=1)


def cells_in_doubt(
    cells: np.ndarray, pbc: np.ndarray, n_atoms: np.ndarray, reach: float
) -> np.ndarray:
    """Return which cells may have a fault, or pairs of atoms within reach beyond the next image.

    Args:
        cells: cell vectors in Å, shape (n_systems, 3, 3).
        pbc: periodic directions, shape (n_systems, 3) bool.
        n_atoms: atoms of each system, shape (n_systems,).
        reach: largest distance of a pair in Å.

    Returns:
        True for those systems, shape (n_systems,).
    """
    doubtful = ~np.isfinite(cells).all(axis=(1, 2)) | flat_cells(cells, pbc)
    sound = pbc.any(axis=1) & ~doubtful
    inside, along = cells[sound], pbc[sound]
    heights = 1.0 / np.linalg.norm(np.linalg.inv(inside), axis=1)
    lengths = np.where(along, np.linalg.norm(inside, axis=2), 1.0).prod(axis=1)
    # Volume, area or length of the periodic directions.
    volumes = np.abs(np.linalg.det(inside)) / np.where(along, 1.0, heights).prod(axis=1)
    n_across = 3 - along.sum(axis=1)
    room = np.where(n_across == 2, lengths, volumes) * THICKNESS**n_across
    doubtful[sound] = (
        ((heights < max(reach, LEAST_REPEAT)) & along).any(axis=1)
        | (room < LEAST_VOLUME * n_atoms[sound])
        | (np.abs(inside).max(axis=(1, 2), initial=0.0) > LARGEST)
    )
    return doubtful


def _cell_fault(positions: np.ndarray, cell: np.ndarray, pbc: np.ndarray) -> str | None:
    if not np.isfinite(cell).all():
        return "has a cell that is not finite; repair it, or remove the structure"
    if not pbc.any():
        return None
    if flat_cells(cell[None], pbc[None])[0]:
        return FLAT_CELL
    if np.abs(cell).max() > LARGEST:
        return (
            f"has a cell vector of {np.abs(cell).max():.3g} Ang (more than {LARGEST:g}); repair "
            "its units, or set pbc to F F F"
        )
    heights = 1.0 / np.linalg.norm(np.linalg.inv(cell), axis=0)
    n_atoms, room = len(positions), _room(positions, cell, pbc)
    repeat = float(np.linalg.norm(cell[pbc], axis=1).min())
    crowded = room < LEAST_VOLUME * n_atoms or (n_atoms > 1 and repeat < LEAST_REPEAT)
    if crowded or (heights[pbc] < LEAST_HEIGHT).any():
        a, b, c = np.linalg.norm(cell, axis=1)
        return (
            f"has a periodic cell of {a:.3g} x {b:.3g} x {c:.3g} Ang for {n_atoms} atoms, "
            f"less than {LEAST_VOLUME:g} Ang^3 an atom or a repeat below {LEAST_REPEAT:g} Ang: "
            "some formats write such a cell for none; give the true cell, or set pbc to F F F"
        )
    return None


def _room(positions: np.ndarray, cell: np.ndarray, pbc: np.ndarray) -> float:
    """Return the volume in Å^3 of the atoms of one cell, whatever the vectors without images."""
    room = Cell(cell * pbc[:, None]).complete()  # unit vectors across in place of these vectors
    across = positions @ room.array[~pbc].T
    return float(room.volume * (np.ptp(across, axis=0) + THICKNESS).prod())


def _overlap(
    numbers: np.ndarray, positions: np.ndarray, cell: np.ndarray, pbc: np.ndarray
) -> str | None:
    pair = _closest_within(positions, 0.1)
    if pair is None:
        radii = covalent_radii[numbers]
        i, j, distance = _pairs(positions, cell, pbc, 2 * OVERLAP * float(radii.max()))
        ratio = distance / (radii[i] + radii[j])
        if not len(ratio) or ratio.min() >= OVERLAP:
            return None
        closest = int(ratio.argmin())
        pair = int(i[closest]), int(j[closest]), float(distance[closest])
    i, j, distance = pair
    first, second = chemical_symbols[numbers[i]], chemical_symbols[numbers[j]]
    if i == j:
        return (
            f"has atom {i} ({first}) {distance:.3f} Ang from its own periodic image; give the true "
            "cell, or set pbc to F F F"
        )
    return (
        f"has atoms {min(i, j)} ({first if i < j else second}) and {max(i, j)} "
        f"({second if i < j else first}) {distance:.3f} Ang apart, less than {OVERLAP:g} times the "
        "sum of their covalent radii; repair the structure, its units or its cell, or remove it"
    )


def _closest_within(positions: np.ndarray, limit: float) -> tuple[int, int, float] | None:
    """Return the closest two atoms, without images, if they are closer than a limit in Å."""
    if len(positions) < 2:
        return None
    distances, nearest = cKDTree(positions).query(positions, k=2, distance_upper_bound=limit)
    i = int(distances[:, 1].argmin())
    if not np.isfinite(distances[i, 1]):
        return None
    j = next((int(k) for k in nearest[i] if k not in (i, len(positions))), None)
    return None if j is None else (i, j, float(distances[i, 1]))


def _pairs(positions, cell, pbc, cutoff) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return atoms i and j and distance in Å of all pairs below a cutoff."""
    if pbc.any():
        return neighbour_list("ijd", cutoff=cutoff, positions=positions, cell=cell, pbc=pbc)
    pairs = cKDTree(positions).query_pairs(cutoff, output_type="ndarray")
    i, j = pairs.T
    return i, j, np.linalg.norm(positions[i] - positions[j], axis=1)
