r"""How much of a periodic cell its atoms fill.

.. math:: \eta = \frac{1}{V} \sum_n \frac{4\pi}{3} r_n^3

with van der Waals radii r (Alvarez, Dalton Trans. 42, 8617 (2013)). Spheres of bonded atoms overlap
and are counted in full, so that :math:`\eta` may exceed 1: water and ethanol at room temperature
have 0.96 and 1.1, benzene 1.2, liquid argon 0.55. Half of water's density has 0.48, a gas next to
nothing.
"""

import numpy as np
from ase.data.vdw_alvarez import vdw_radii

__all__ = ["filled_fraction"]


def filled_fraction(numbers: np.ndarray, volume: float) -> float:
    """Return the volume of the atoms' van der Waals spheres over the volume of their cell.

    Args:
        numbers: atomic numbers, shape (n_atoms,).
        volume: volume of the cell in Å^3.

    Returns:
        The fraction; NaN if the radius of an element is not known.

    Example:
        >>> round(filled_fraction(np.array([8, 1, 1] * 64), 12.42**3), 2)  # water
        0.96
    """
    return float(4.0 / 3.0 * np.pi * (vdw_radii[numbers] ** 3).sum() / volume)
