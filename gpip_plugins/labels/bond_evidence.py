r"""Whether forces hold bonds together: a test of their sign and of their size.

A bond that is longer than its mean pulls its atoms together, a shorter one pushes them apart. With
the bond length d between atoms i and j, the unit vector u from i to j, and the mean over the bonds
of one kind,

.. math:: \tfrac12 (F_j - F_i) \cdot u - \langle\cdot\rangle \approx -k\, (d - \langle d \rangle),

with a positive stiffness k. Real data (revised MD17, 3BPA, liquid water, QM7-X) have correlations
of -0.4 to -0.9 between both sides, from five frames on, and bonds with hydrogen have k of 30 to 45
eV/Å^2. The test needs no energies and no similar frames.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms

from gpip_plugins.analysis.bonds import bonded_neighbours

__all__ = ["BondEvidence", "bond_evidence"]

MOST_ATOMS = 6_000  # examined; more do not make the test surer
FEWEST = 3  # bonds of one kind
MANY_FRAMES = 10


@dataclass(frozen=True)
class BondEvidence:
    """What the forces on bonds say.

    Args:
        n_bonds: number of bonds that were examined.
        correlation: of the force along a bond with its length; negative for right forces.
        z: the correlation in its standard errors.
        stiffness: of bonds with hydrogen, eV/Å^2; None if there are too few.
    """

    n_bonds: int
    correlation: float
    z: float
    stiffness: float | None


def bond_evidence(frames: Sequence[tuple[Atoms, np.ndarray]]) -> BondEvidence | None:
    """Correlate the forces along bonds with the lengths of the bonds.

    Bonds are of one kind if both atoms have the same elements and numbers of bonds, and in
    frames of one composition and order of atoms if they are between the same two atoms.

    Args:
        frames: structures in Å, with forces in eV/Å of shape (n_atoms, 3).

    Returns:
        None without enough bonds that differ in length.

    Example:
        >>> pull = np.array([[1.0, 0, 0], [-1.0, 0, 0]])
        >>> lengths = (0.70, 0.72, 0.74, 0.76, 0.78)
        >>> molecules = [Atoms("H2", [[0, 0, 0], [d, 0, 0]]) for d in lengths]
        >>> frames = [(m, 36 * (d - 0.74) * pull) for m, d in zip(molecules, lengths)]
        >>> found = bond_evidence(frames)
        >>> round(found.correlation, 6), round(found.stiffness, 6)
        (-1.0, 36.0)
    """
    step = max(1, sum(len(atoms) for atoms, _ in frames) // MOST_ATOMS)
    frames = frames[::step]
    first = frames[0][0].numbers if frames else []
    fixed = all(np.array_equal(atoms.numbers, first) for atoms, _ in frames) and len(frames) > 4
    found = [_bonds(atoms, forces, fixed) for atoms, forces in frames]
    counts = [len(lengths) for _, lengths, _ in found]
    if sum(counts) < FEWEST:
        return None
    kinds, length, force = (np.concatenate(parts) for parts in zip(*found, strict=True))
    frame = np.repeat(np.arange(len(frames)), counts)
    _, kind, size = np.unique(kinds, axis=0, return_inverse=True, return_counts=True)
    kind = kind.ravel()
    used = (size >= FEWEST)[kind]
    x, y = (values - (np.bincount(kind, values) / size)[kind] for values in (length, force))
    x, y, frame, hydrogen = x[used], y[used], frame[used], (kinds[:, 0] == 1)[used]
    if len(x) < FEWEST or not x.any() or not y.any():
        return None
    products = x * y / np.sqrt((x @ x) * (y @ y))
    place_of, place = np.unique(frame, return_inverse=True)
    # Bonds of one frame are not independent; of few frames, single bonds are counted nevertheless.
    parts = np.bincount(place, products)
    parts = parts if len(parts) >= MANY_FRAMES else products
    r = float(products.sum())
    z = r / (np.sqrt(len(parts)) * max(parts.std(), 1e-12))
    # A nearly perfect correlation over frames is sure, however much the amplitudes differ.
    fisher = np.arctanh(np.clip(r, -0.9999, 0.9999)) * np.sqrt(max(len(place_of) - 3, 0))
    z = float(max(z, fisher, key=abs))
    xh, yh = x[hydrogen], y[hydrogen]
    stiffness = float(-(xh @ yh) / (xh @ xh)) if len(xh) >= FEWEST and xh.any() else None
    return BondEvidence(len(x), r, z, stiffness)


def _bonds(
    atoms: Atoms, forces: np.ndarray, fixed: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return kind, length and force along every bond of one frame."""
    numbers = atoms.numbers
    i, j, vectors = bonded_neighbours(atoms)
    degree = np.bincount(i, minlength=len(atoms))
    # Every bond once; an atom that is bonded to its own image feels no force from it.
    once = (i < j) & (vectors != 0).any(axis=1)
    i, j, vectors = i[once], j[once], vectors[once]
    lengths = np.linalg.norm(vectors, axis=1)
    along = 0.5 * ((forces[j] - forces[i]) * vectors).sum(axis=1) / lengths
    swap = numbers[i] > numbers[j]
    i, j = np.where(swap, j, i), np.where(swap, i, j)
    places = (i, j) if fixed else (degree[i], degree[j])
    return np.stack([numbers[i], numbers[j], *places], axis=1), lengths, along
