r"""Whether energies change as forces and stresses say they do.

Between two similar frames a and b of one composition, superimposed on each other,

.. math:: E_b - E_a \approx -\tfrac12 (F_a + F_b) \cdot \Delta R
          + \tfrac12 (V_a \sigma_a + V_b \sigma_b) : \varepsilon,

the trapezoidal rule, which is exact for a quadratic energy. In periodic cells the displacements are
those of the fractional coordinates to the nearest image, times the mean cell, and the strain
:math:`\varepsilon` takes cell a to cell b. The terms on the right are the work of the forces and of
the stress; both are compared with the energies by regression.

The further apart two frames are, the worse the rule: single pairs are weighted by the inverse of
their squared distance. If both sides had errors, the true slope lies between the regression of one
side on the other and the reverse, :math:`r\,s_y/s_x` and :math:`s_y/(r\,s_x)`.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms

from gpip_plugins.analysis.superposition import best_rotations

__all__ = ["Labelled", "Slope", "slopes"]

MOST_FRAMES = 200  # of one composition; the time grows with the square
SAME_CELL = 1e-3  # strain below which two cells count as the same


@dataclass(frozen=True)
class Labelled:
    """One frame in Å, eV, eV/Å and eV/Å^3 (tension positive); labels may be missing."""

    number: int
    atoms: Atoms
    energy: float | None = None
    forces: np.ndarray | None = None
    stress: np.ndarray | None = None


@dataclass(frozen=True)
class Slope:
    """Energy differences over work.

    Args:
        n_pairs: number of pairs of frames.
        correlation: between both sides.
        low: lower bound of the slope.
        high: upper bound of the slope.
    """

    n_pairs: int
    correlation: float
    low: float
    high: float

    @property
    def z(self) -> float:
        """Fisher's transform of the correlation in its standard errors."""
        r = np.clip(self.correlation, -0.999999, 0.999999)
        return float(np.arctanh(r) * np.sqrt(max(self.n_pairs - 3, 0)))


def slopes(frames: Sequence[Labelled]) -> tuple[Slope | None, Slope | None]:
    """Compare energies with the work of the forces, and with that of the stress.

    Args:
        frames: frames with energies and forces.

    Returns:
        For the forces and for the stress; None where no pair of frames shows it.
    """
    groups = defaultdict(list)
    for frame in frames:
        if len(frame.atoms) > 1 or frame.stress is not None:
            key = frame.atoms.numbers.tobytes(), frame.atoms.pbc.tobytes(), frame.stress is None
            groups[key].append(frame)
    pairs = [row for group in groups.values() for row in _pairs(group[:MOST_FRAMES])]
    if not pairs:
        return None, None
    difference, by_forces, by_stress, distance = np.array(pairs).T
    weight = 1 / (distance + 0.1 * np.median(distance) + 1e-12)
    y, x, s = (values * weight for values in (difference, by_forces, by_stress))
    strained = by_stress != 0
    forces = _slope(_without(y, s), _without(x, s))
    stress = _slope(_without(y, x)[strained], _without(s, x)[strained])
    return forces, stress


def _without(y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Return y less its regression on x."""
    return y - x * (x @ y) / (x @ x) if x.any() else y


def _slope(y: np.ndarray, x: np.ndarray) -> Slope | None:
    """Return the slope of y over x through the origin, or None for less than four pairs."""
    if len(x) < 4 or not x.any() or not y.any():
        return None
    ratio = float(np.sqrt((y @ y) / (x @ x)))
    r = float(x @ y / np.sqrt((x @ x) * (y @ y)))
    low, high = sorted((r * ratio, ratio / r)) if r else (-np.inf, np.inf)
    return Slope(len(x), r, low, high)


def _pairs(group: Sequence[Labelled]) -> list[tuple[float, float, float, float]]:
    """Return energy difference, work of forces and of stress (eV), and squared distance (Å^2).

    Each frame is paired with its nearest one; two that are nearest to each other make one pair.
    """
    rows, done = [], set()
    change = _periodic if group[0].atoms.pbc.any() else _isolated
    for a, (moved, forces, strains) in enumerate(change(group)):
        size = np.linalg.det(group[a].atoms.cell.array) ** (2 / 3) if strains.any() else 0.0
        distance = (moved**2).sum((1, 2)) + abs(size) * (strains**2).sum((1, 2))
        distance[a] = np.inf
        if group[a].stress is None:
            distance[np.abs(strains).max((1, 2)) > SAME_CELL] = np.inf
        b = int(distance.argmin())
        if not np.isfinite(distance[b]) or (min(a, b), max(a, b)) in done:
            continue
        done.add((min(a, b), max(a, b)))
        work = -0.5 * ((group[a].forces + forces[b]) * moved[b]).sum()
        strain_work = 0.0
        if np.abs(strains[b]).max() > SAME_CELL:
            tension = sum(0.5 * f.atoms.get_volume() * f.stress for f in (group[a], group[b]))
            strain_work = (tension * strains[b]).sum()
        difference = group[b].energy - group[a].energy
        rows.append((difference, work, strain_work, distance[b]))
    return rows


def _isolated(group: Sequence[Labelled]):
    """Yield, for every frame, displacements to all frames turned onto it, and turned forces."""
    positions = np.array([f.atoms.positions - f.atoms.positions.mean(0) for f in group])
    forces = np.array([frame.forces for frame in group])
    for onto in positions:
        turns = best_rotations(positions, onto).swapaxes(1, 2)
        yield positions @ turns - onto, forces @ turns, np.zeros((len(group), 3, 3))


def _periodic(group: Sequence[Labelled]):
    """Yield, for every frame, displacements to all frames, their forces, and strains."""
    cells = np.array([frame.atoms.cell.array for frame in group])
    fractions = np.array(
        [frame.atoms.positions @ np.linalg.inv(frame.atoms.cell) for frame in group]
    )
    forces = np.array([frame.forces for frame in group])
    pbc = group[0].atoms.pbc
    for cell, fraction in zip(cells, fractions, strict=True):
        middle = 0.5 * (cells + cell)
        step = fractions - fraction
        step -= np.where(pbc, np.rint(step), 0)
        step -= step.mean(axis=1, keepdims=True)
        strains = np.linalg.solve(middle, cells - cell)
        yield step @ middle, forces, 0.5 * (strains + strains.swapaxes(1, 2))
