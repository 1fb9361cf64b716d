r"""Coverage of a labelled data set by a sampled one.

A labelled frame is covered if its nearest sampled frame is as close as sampled frames are to each
other:

.. math:: \min_{s \in S} |x - s| \le q_{95}\{\min_{s' \ne s} |s - s'| : s \in S\}

in descriptor space. Of labelled frames from the sampled ensemble 95 % would be covered. The
coverage of single atoms is defined in the same way for every element. A frame or an atom's
environment counts as never sampled if its distance to the nearest sampled one exceeds all
nearest-neighbour distances among the sampled ones.
"""

from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols

from gpip_plugins.analysis.soap import Described, Descriptor

__all__ = ["MIN_SAMPLED", "QUANTILE", "Coverage", "Neighbours", "compare", "nearest"]

QUANTILE = 0.95
CHUNK = 1000
MIN_SAMPLED = 20  # needed for a 95 % quantile


def nearest(
    queries: np.ndarray, reference: np.ndarray, same: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Return distance and index of the nearest vector of a reference set.

    Args:
        queries: shape (n_queries, n_features).
        reference: shape (n_reference, n_features).
        same: whether the two sets are identical; a vector is then not its own neighbour.

    Returns:
        Distances (n_queries,) and indices (n_queries,).

    Example:
        >>> nearest(np.array([[0.0], [2.0]]), np.array([[0.5], [3.0]]))
        (array([0.5, 1. ]), array([0, 1]))
    """
    indices = np.empty(len(queries), int)
    squares = (reference**2).sum(axis=1)
    for start in range(0, len(queries), CHUNK):
        part = queries[start : start + CHUNK]
        distances = squares - 2.0 * part @ reference.T
        if same:
            row = np.arange(len(part))
            distances[row, start + row] = np.inf
        indices[start : start + CHUNK] = distances.argmin(axis=1)
    # Computed again: the differences of large squares above lose half of the digits.
    return np.linalg.norm(queries - reference[indices], axis=1), indices


@dataclass(frozen=True)
class Neighbours:
    """Nearest-neighbour distances of a labelled set in a sampled one.

    Args:
        labelled: from each labelled vector to the nearest sampled one, shape (n_labelled,).
        sampled: from each sampled vector to the nearest other sampled one, shape (n_sampled,).
        nearest: index of the sampled vector nearest to each labelled one, shape (n_labelled,).
    """

    labelled: np.ndarray
    sampled: np.ndarray
    nearest: np.ndarray

    @classmethod
    def between(cls, labelled: np.ndarray, sampled: np.ndarray) -> "Neighbours":
        """Compare two sets of vectors, shapes (n_labelled, n_features), (n_sampled, n_features)."""
        distances, indices = nearest(labelled, sampled)
        return cls(distances, nearest(sampled, sampled, same=True)[0], indices)

    @property
    def threshold(self) -> float:
        """Largest distance at which a labelled vector is covered."""
        return float(np.quantile(self.sampled, QUANTILE))

    @property
    def covered(self) -> float:
        """Fraction of the labelled vectors that are covered; 0.95 for equal distributions."""
        return float((self.labelled <= self.threshold).mean())

    @property
    def never_sampled(self) -> np.ndarray:
        """Indices of the labelled vectors that were never sampled, the furthest first."""
        outside = np.flatnonzero(self.labelled > self.sampled.max())
        return outside[np.argsort(-self.labelled[outside], kind="stable")]


@dataclass(frozen=True)
class Coverage:
    """Coverage of a labelled set by a sampled one.

    Args:
        frames: neighbours among whole structures.
        environments: element -> neighbours among its atoms, for elements in both sets.
        missing: labelled element that was never sampled -> frames that contain it.
        sampled: descriptors of the sampled structures, for the picture.
        labelled: descriptors of the labelled structures.
    """

    frames: Neighbours
    environments: dict[str, Neighbours]
    missing: dict[str, list[int]]
    sampled: Described
    labelled: Described


def compare(
    sampled: list[Atoms], labelled: list[Atoms], seed: int = 0, progress: bool = True
) -> Coverage:
    """Compare two sets of structures in descriptor space.

    Args:
        sampled: structures in Å.
        labelled: structures in Å.
        seed: seed of the choice of atoms that are compared individually.
        progress: show a progress bar.

    Raises:
        ValueError: when fewer than 20 structures were sampled.
    """
    if len(sampled) < MIN_SAMPLED:
        raise ValueError(f"{len(sampled)} sampled structures are too few; {MIN_SAMPLED} are needed")
    elements = [set(np.concatenate([a.numbers for a in s]).tolist()) for s in (sampled, labelled)]
    describe = Descriptor(sorted(elements[0] | elements[1]))
    first = describe(sampled, seed=seed, progress=progress)
    second = describe(labelled, seed=seed, progress=progress)
    return Coverage(
        Neighbours.between(second.structures, first.structures),
        {
            chemical_symbols[number]: Neighbours.between(
                second.environments[number], first.environments[number]
            )
            for number in sorted(elements[0] & elements[1])
        },
        {
            chemical_symbols[number]: [
                index for index, atoms in enumerate(labelled) if number in atoms.numbers
            ]
            for number in sorted(elements[1] - elements[0])
        },
        first,
        second,
    )
