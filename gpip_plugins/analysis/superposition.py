r"""Rotations that bring structures closest to others, by least squares.

.. math:: R = \arg\min_R \sum_n \lVert R\, x_n - y_n \rVert^2 = U\, \mathrm{diag}(1, 1, d)\, V^T,
          \qquad \sum_n y_n x_n^T = U S V^T

(Kabsch, Acta Cryst. A 32, 922 (1976)); the sign d chooses between rotations and reflections.
SciPy's `Rotation.align_vectors` finds one proper rotation at a time; here one batched
decomposition serves many structures, and reflections.
"""

import numpy as np

__all__ = ["best_rotations"]


def best_rotations(
    positions: np.ndarray, onto: np.ndarray, determinant: int | None = 1
) -> np.ndarray:
    """Return the rotations that bring centred structures closest to others.

    Args:
        positions: centred, shape (..., n_atoms, 3).
        onto: centred, shape (..., n_atoms, 3); leading dimensions broadcast against those of
            `positions`, so one structure serves for many.
        determinant: 1 for proper rotations, -1 for those with a reflection, None for whichever
            comes closer. Of planar structures both come equally close.

    Returns:
        Matrices R, shape (..., 3, 3); the rotated structure is
        `positions @ np.swapaxes(R, -1, -2)`.

    Example:
        >>> R = np.array([[1.0, 0, 0], [-1.0, 0, 0], [0, 2.0, 0], [0, 0, 3.0]])
        >>> quarter_turn = np.array([[0, -1, 0], [1, 0, 0], [0, 0, 1.0]])
        >>> best_rotations(R, R @ quarter_turn.T).round(6) + 0.0
        array([[ 0., -1.,  0.],
               [ 1.,  0.,  0.],
               [ 0.,  0.,  1.]])
    """
    u, _, vt = np.linalg.svd(np.swapaxes(onto, -1, -2) @ positions)
    if determinant is not None:
        # The direction in which the structures extend least costs least when it is turned round.
        u[..., 2] *= determinant * np.sign(np.linalg.det(u @ vt))[..., None]
    return u @ vt
