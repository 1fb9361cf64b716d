r"""Configurations that occur in two sets, up to rotation, reflection and numbering of the atoms.

Two structures are the same if a rotation or reflection, a translation and an exchange of equal
atoms bring every atom to within a tolerance of its partner. They are found in two steps.

1. Distances between all atoms, sorted for each pair of elements, are invariant to all of these. If
   all atoms move by less than :math:`\delta`, no entry of the sorted list changes by more than
   :math:`2 \delta` (sorting does not enlarge the largest difference). So structures that differ by
   more do not match; a k-d tree of a few entries excludes almost all of them.
2. Candidates are superimposed: three atoms of one onto all fitting triples of the other and of its
   mirror image, then all atoms by least squares (Kabsch, Acta Cryst. A 32, 922 (1976), reflections
   allowed).
"""

from collections.abc import Iterable, Iterator

import numpy as np
from scipy.spatial import cKDTree

from gpip_plugins.analysis.superposition import best_rotations
from gpip_plugins.errors import InputError, check_number

__all__ = ["Structures", "check_tolerance", "same_structure", "shared_structures"]

N_ENTRIES = 12  # number of sorted distances in the tree
NEAREST = 0.3  # Å; atoms of one element are never so close: the nearest atom is the partner


class Structures:
    """Isolated structures, in groups of the same composition.

    Args:
        structures: for each structure atomic numbers, shape (n_atoms,), positions in Å, shape
            (n_atoms, 3), and periodic directions, shape (3,).
        name: name of the set in messages.

    Raises:
        InputError: for a periodic structure.

    Example:
        >>> one = (np.array([8, 1]), np.array([[0.0, 0, 0], [1.0, 0, 0]]), np.zeros(3, bool))
        >>> len(Structures([one, one], "a.db"))
        2
    """

    def __init__(self, structures: Iterable[tuple[np.ndarray, np.ndarray, np.ndarray]], name: str):
        self.name = name
        rows: dict[bytes, list[int]] = {}
        positions: dict[bytes, list[np.ndarray]] = {}
        self._n = 0
        for numbers, R, pbc in structures:
            if np.any(pbc):
                raise InputError(
                    f"configuration {self._n} of {name} is periodic; the search for equal "
                    "structures supports only isolated ones, so leave periodic data out."
                )
            order = np.argsort(numbers, kind="stable")
            key = np.asarray(numbers, np.int64)[order].tobytes()
            rows.setdefault(key, []).append(self._n)
            positions.setdefault(key, []).append(np.asarray(R, np.float64)[order])
            self._n += 1
        self.groups = {key: (np.array(rows[key]), np.stack(positions[key])) for key in rows}

    def __len__(self) -> int:
        """Return the number of structures."""
        return self._n


def shared_structures(
    test: Structures, train: Structures, tolerance: float
) -> list[tuple[int, int]]:
    """Return which structures of one set also occur in another, with the first match.

    Args:
        test: set that should be independent.
        train: training set.
        tolerance: largest distance of an atom from its partner after superposition, in Å.

    Returns:
        Pairs of (number in test, number in train), counted from 0, sorted.

    Raises:
        InputError: the tolerance is not between 0 and 0.1 Å.
    """
    check_tolerance(tolerance)
    found = []
    for key in test.groups.keys() & train.groups.keys():
        numbers = np.frombuffer(key, np.int64)
        (rows_a, R_a), (rows_b, R_b) = test.groups[key], train.groups[key]
        lists_a, lists_b = sorted_distances(numbers, R_a), sorted_distances(numbers, R_b)
        for a, candidates in enumerate(_candidates(lists_a, lists_b, 2.0 * tolerance)):
            for b in candidates:
                if same_structure(numbers, R_a[a], R_b[b], tolerance):
                    found.append((int(rows_a[a]), int(rows_b[b])))
                    break
    return sorted(found)


def sorted_distances(numbers: np.ndarray, R: np.ndarray) -> np.ndarray:
    """Return the distances between all atoms, sorted for each pair of elements.

    Args:
        numbers: atomic numbers, ascending, shape (n_atoms,).
        R: positions in Å, shape (n_structures, n_atoms, 3).

    Returns:
        Å, shape (n_structures, n_atoms (n_atoms - 1) / 2).
    """
    i, j = np.triu_indices(len(numbers), 1)
    lists = np.empty((len(R), len(i)))
    for start in range(0, len(R), 1000):
        part = R[start : start + 1000]
        lists[start : start + 1000] = np.linalg.norm(part[:, i] - part[:, j], axis=-1)
    kinds = numbers[i] * 1000 + numbers[j]
    for kind in np.unique(kinds):
        columns = np.flatnonzero(kinds == kind)
        lists[:, columns] = np.sort(lists[:, columns], axis=1)
    return lists


def _candidates(lists_a: np.ndarray, lists_b: np.ndarray, radius: float) -> Iterator[np.ndarray]:
    """Yield for every row of the first the rows of the second within a bound in every entry."""
    n_entries = lists_a.shape[1]
    if n_entries == 0:  # single atoms
        yield from [np.arange(len(lists_b))] * len(lists_a)
        return
    # The entries that differ most between structures distinguish them best.
    chosen = np.argsort(-lists_b.std(axis=0), kind="stable")[:N_ENTRIES]
    tree = cKDTree(lists_b[:, chosen])
    near = tree.query_ball_point(lists_a[:, chosen], radius + 1e-9, p=np.inf)
    for row, found in zip(lists_a, near, strict=True):
        found = np.array(sorted(found), dtype=int)
        yield found[np.abs(lists_b[found] - row).max(axis=1, initial=0.0) <= radius + 1e-9]


def check_tolerance(tolerance: float) -> None:
    """Refuse a tolerance in Å for which no structures, or all, would be equal."""
    check_number("tolerance", tolerance, above=0.0, most=0.1, unit="Å", example=1e-3)


def same_structure(numbers: np.ndarray, R_a: np.ndarray, R_b: np.ndarray, tolerance: float) -> bool:
    """Return whether two structures are equal up to rotation, reflection and numbering.

    Args:
        numbers: atomic numbers of both, shape (n_atoms,).
        R_a: positions in Å, shape (n_atoms, 3).
        R_b: positions in Å, shape (n_atoms, 3).
        tolerance: largest distance of an atom from its partner, in Å.

    Example:
        >>> water = np.array([[0.0, 0, 0.1], [0, 0.8, -0.5], [0, -0.8, -0.5]])
        >>> same_structure(np.array([8, 1, 1]), water, -water[[0, 2, 1]], 1e-3)
        True
    """
    a, b = R_a - R_a.mean(0), R_b - R_b.mean(0)
    d_a = np.linalg.norm(a[:, None] - a, axis=-1)
    d_b = np.linalg.norm(b[:, None] - b, axis=-1)
    fits = _fitting_atoms(numbers, d_a, d_b, 2.0 * tolerance + 1e-9)
    if not fits.any(axis=1).all():
        return False
    anchors = _anchors(d_a, fits)
    for images in _images(anchors, fits, d_a, d_b, 2.0 * tolerance + 1e-9):
        for placed in _both_hands(a, anchors, b[images]):
            partner = _partners(placed, b, numbers)
            if partner is None:
                continue
            turned = a @ best_rotations(a, b[partner], determinant=None).T
            if np.linalg.norm(turned - b[partner], axis=1).max() <= tolerance:
                return True
    return False


def _fitting_atoms(numbers, d_a, d_b, radius) -> np.ndarray:
    """Return which atoms have the same sorted distances to the others, element by element."""
    fits = numbers[:, None] == numbers
    for z in np.unique(numbers):
        of_z = numbers == z
        one, other = np.sort(d_a[:, of_z], axis=1), np.sort(d_b[:, of_z], axis=1)
        fits &= np.abs(one[:, None] - other).max(axis=-1) <= radius
    return fits


def _anchors(d_a: np.ndarray, fits: np.ndarray) -> np.ndarray:
    """Choose up to three atoms, far apart and not on a line, that few other atoms resemble."""
    first = int(np.lexsort((-d_a.max(axis=1), fits.sum(axis=1)))[0])
    second = int(d_a[first].argmax())
    if second == first:
        return np.array([first])
    # Heron: the triangle with the largest area.
    sides = d_a[first], d_a[second], d_a[first, second]
    half = sum(sides) / 2.0
    area = half * (half - sides[0]) * (half - sides[1]) * (half - sides[2])
    third = int(area.argmax())
    if area[third] < 1e-4:  # a linear molecule
        return np.array([first, second])
    return np.array([first, second, third])


def _images(anchors, fits, d_a, d_b, radius) -> Iterator[np.ndarray]:
    """Yield atoms of the other structure that have the mutual distances of the anchors."""
    for i in np.flatnonzero(fits[anchors[0]]):
        if len(anchors) == 1:
            yield np.array([i])
            continue
        near = np.abs(d_b[i] - d_a[anchors[0], anchors[1]]) <= radius
        for j in np.flatnonzero(fits[anchors[1]] & near):
            if len(anchors) == 2:
                yield np.array([i, j])
                continue
            near = np.abs(d_b[i] - d_a[anchors[0], anchors[2]]) <= radius
            near &= np.abs(d_b[j] - d_a[anchors[1], anchors[2]]) <= radius
            for k in np.flatnonzero(fits[anchors[2]] & near):
                yield np.array([i, j, k])


def _both_hands(a: np.ndarray, anchors: np.ndarray, onto: np.ndarray) -> Iterator[np.ndarray]:
    """Yield a structure with up to three atoms superimposed on others, and its mirror image."""
    centre, target = a[anchors].mean(0), onto.mean(0)
    for determinant in (1, -1):
        rotation = best_rotations(a[anchors] - centre, onto - target, determinant)
        yield (a - centre) @ rotation.T + target


def _partners(placed: np.ndarray, b: np.ndarray, numbers: np.ndarray) -> np.ndarray | None:
    """Return the nearest atom of the same element for every atom, None if two share one."""
    distance = np.linalg.norm(placed[:, None] - b, axis=-1)
    distance[numbers[:, None] != numbers] = np.inf
    partner = distance.argmin(axis=1)
    if distance.min(axis=1).max() > NEAREST or len(set(partner.tolist())) < len(partner):
        return None
    return partner
