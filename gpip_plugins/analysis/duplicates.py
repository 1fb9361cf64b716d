r"""Near-duplicates: frames of one system that differ by less than a tolerance.

Two frames are compared by the distances between their atoms, which are invariant to translation,
rotation and reflection:

.. math:: d(A, B) = \sqrt{\frac{1}{P} \sum_{p=1}^{P} (r_p^A - r_p^B)^2}

over all pairs of atoms, or in larger systems over 256 pairs drawn once. The order of atoms matters:
frames that differ by the exchange of equal atoms count as different.

Candidates are searched in a projection on the directions in which the frames differ most (principal
components). A distance in this projection never exceeds the true one, so no duplicate is missed;
candidates are then compared in full. Hundreds of thousands of frames take seconds to minutes.
"""

import numpy as np
from scipy.spatial import cKDTree
from tqdm import tqdm

from gpip_plugins.analysis.distances import pair_distances

__all__ = ["fingerprints", "near_duplicates"]

MAX_PAIRS = 256
N_DIRECTIONS = 8


def fingerprints(
    positions: np.ndarray, cells: np.ndarray | None, pbc: np.ndarray, seed: int = 0
) -> np.ndarray:
    """Return the distances between atoms by which frames are compared.

    Args:
        positions: frames of one system in Å, shape (n_frames, n_atoms, 3).
        cells: Å, shape (n_frames, 3, 3); None without periodicity.
        pbc: directions in which the frames are periodic, shape (3,) bool.
        seed: seed of the choice of pairs of atoms if there are more than 256.

    Returns:
        Minimum-image distances in Å, shape (n_frames, n_pairs).
    """
    pairs = np.stack(np.triu_indices(positions.shape[1], 1), axis=1)
    if len(pairs) > MAX_PAIRS:
        chosen = np.random.default_rng(seed).choice(len(pairs), MAX_PAIRS, replace=False)
        pairs = pairs[np.sort(chosen)]
    return pair_distances(positions, cells, pbc, pairs)


def near_duplicates(vectors: np.ndarray, tolerance: float, progress: bool = False) -> np.ndarray:
    """Return which frames are near-duplicates of an earlier frame that is kept.

    Args:
        vectors: fingerprints in Å, shape (n_frames, n_pairs).
        tolerance: Å; frames are near-duplicates when the root mean square difference of their
            distances is at most this. Thermal frames of a molecule are 0.03 Å and more apart.
        progress: show a progress bar.

    Returns:
        True for frames that can be dropped, shape (n_frames,).

    Example:
        >>> near_duplicates(np.array([[1.0, 2.0], [1.5, 2.0], [1.001, 2.0]]), 0.02).tolist()
        [False, False, True]
    """
    n_frames, n_pairs = vectors.shape
    if n_pairs == 0:  # single atoms
        return np.arange(n_frames) > 0
    radius = tolerance * np.sqrt(n_pairs)
    centred = vectors - vectors.mean(axis=0)
    _, directions = np.linalg.eigh(centred.T @ centred)
    projected = centred @ directions[:, ::-1][:, :N_DIRECTIONS]
    tree = cKDTree(projected)
    dropped = np.zeros(n_frames, bool)
    bar = tqdm(range(n_frames), "duplicates", unit="frame", leave=False, disable=not progress)
    for index in bar:
        if dropped[index]:
            continue
        # With a tolerance of zero, exact duplicates must be found in spite of rounding.
        near = np.array(tree.query_ball_point(projected[index], radius + 1e-9))
        near = near[(near > index) & ~dropped[near]]
        if len(near):
            distance = np.linalg.norm(vectors[near] - vectors[index], axis=1)
            dropped[near[distance <= radius + 1e-9]] = True
    return dropped
