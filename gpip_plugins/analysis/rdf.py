r"""Radial distribution functions of periodic systems.

.. math:: g_{ab}(r) = \frac{\sum_\text{frames} V\, n_{ab}(r)}
                          {n_\text{frames}\, N_a (N_b - \delta_{ab})\, \frac{4\pi}{3}
                          \left[(r+\Delta)^3 - r^3\right]}

with :math:`n_{ab}` ordered pairs in the bin. The mean for an ideal gas of any size is exactly 1
(Allen and Tildesley, Computer Simulation of Liquids, 2nd ed., section 8.2).
"""

from dataclasses import dataclass

import numpy as np
from matscipy.neighbours import neighbour_list

from gpip_plugins.analysis.distances import pair_name

__all__ = ["RDF", "largest_radius", "radial_distribution"]

MAX_RADIUS = 8.0  # Å; little structure beyond, and the time grows with its cube
BIN = 0.02  # Å
FIT = 0.06  # Å; half width of the parabola that finds a peak


@dataclass(frozen=True)
class RDF:
    """Radial distribution functions of all pairs of elements.

    Args:
        r: middle of the bins in Å, shape (n_bins,).
        g: pair of elements -> function, each of shape (n_bins,).
        n_frames: number of frames in the average.
    """

    r: np.ndarray
    g: dict[str, np.ndarray]
    n_frames: int

    def peak(self, pair: str) -> tuple[float, float] | None:
        """Return position (Å) and height of the highest peak; None if it is at the edge.

        A parabola is fitted to the bins within 0.06 Å of the highest one, to reduce their noise.

        Args:
            pair: pair of elements, such as O-O.
        """
        g, half = self.g[pair], round(FIT / BIN)
        top = int(g.argmax())
        if g[top] == 0 or top < half or top + half >= len(g):
            return None
        part = slice(top - half, top + half + 1)
        a, b, c = np.polyfit(self.r[part] - self.r[top], g[part], 2)
        if a >= 0 or abs(b / (2 * a)) > FIT:
            return float(self.r[top]), float(g[top])
        return float(self.r[top] - b / (2 * a)), float(c - b**2 / (4 * a))


def largest_radius(cell: np.ndarray) -> float:
    """Return half the smallest height of a cell in Å; up to it every atom has only one image.

    Args:
        cell: three vectors in Å, shape (3, 3).

    Example:
        >>> round(largest_radius(np.diag([10.0, 12.0, 14.0])), 9)
        5.0
    """
    areas = np.linalg.norm(np.cross(np.roll(cell, -1, 0), np.roll(cell, -2, 0)), axis=1)
    return float(0.5 * abs(np.linalg.det(cell)) / areas.max())


def radial_distribution(
    numbers: np.ndarray, positions: np.ndarray, cells: np.ndarray, max_radius: float = MAX_RADIUS
) -> RDF:
    """Return the radial distribution functions, averaged over frames with the same atoms.

    Args:
        numbers: atomic numbers, shape (n_atoms,).
        positions: Å, periodic in three directions, shape (n_frames, n_atoms, 3).
        cells: Å, shape (n_frames, 3, 3); they may differ in shape and size.
        max_radius: largest distance in Å; reduced to half the smallest height of all cells.

    Raises:
        ValueError: when there is no frame, or a cell has no volume.
    """
    volumes = np.abs(np.linalg.det(cells))
    if not len(positions) or not (volumes > 0).all():
        raise ValueError("radial distribution functions need frames periodic in three directions")
    radius = min(max_radius, *(largest_radius(cell) for cell in cells))
    n_bins = max(1, int(radius / BIN))
    edges = BIN * np.arange(n_bins + 1)
    elements, kind = np.unique(numbers, return_inverse=True)
    n_kinds = len(elements)
    total = np.zeros((n_kinds * n_kinds, n_bins))
    for R, cell, volume in zip(positions, cells, volumes, strict=True):
        i, j, distance = neighbour_list(
            "ijd", cutoff=edges[-1], positions=R, cell=cell, pbc=np.ones(3, bool)
        )
        # Rounding may put a pair at the edge into a bin that does not exist.
        column = np.minimum((distance / BIN).astype(int), n_bins - 1)
        flat = (kind[i] * n_kinds + kind[j]) * n_bins + column
        histogram = np.bincount(flat, minlength=total.size).reshape(total.shape)
        total += histogram * volume
    shells = 4.0 / 3.0 * np.pi * np.diff(edges**3)
    counts = np.bincount(kind)
    g = {}
    for a in range(n_kinds):
        for b in range(a + 1):
            n_pairs = counts[a] * (counts[b] - (a == b))
            if n_pairs:
                pair = total[a * n_kinds + b] / (len(positions) * n_pairs * shells)
                g[pair_name(elements[a], elements[b])] = pair
    return RDF(edges[:-1] + 0.5 * BIN, g, len(positions))
