r"""Rotations that superimpose structures on others by least squares.

.. math:: R = \arg\min_R \sum_n \lVert R\, x_n - y_n \rVert^2 = U\, \mathrm{diag}(1, 1, d)\, V^T,
          \qquad \sum_n y_n x_n^T = U S V^T

(Kabsch, Acta Cryst. A 32, 922 (1976)); the sign d chooses between rotations and reflections.
SciPy's `Rotation.align_vectors` finds one proper rotation at a time; here one batched
decomposition handles many structures, and also reflections.
"""

import numpy as np

__all__ = ["best_rotations"]


def best_rotations(
    positions: np.ndarray, onto: np.ndarray, determinant: int | None = 1
) -> np.ndarray:
    """Return the rotations that superimpose centred structures on others.

    Args:
        positions: centred, shape (..., n_atoms, 3).
        onto: centred, shape (..., n_atoms, 3); leading dimensions broadcast against those of
            `positions`, so one structure can be used for many.
        determinant: 1 for proper rotations, -1 for rotations with a reflection, None for the one
            that fits better. For planar structures both fit equally well.

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
        # Reversing the direction of smallest extent increases the deviation least.
        u[..., 2] *= determinant * np.sign(np.linalg.det(u @ vt))[..., None]
    return u @ vt
