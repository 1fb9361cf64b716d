"""Parameters of one molecule in a force field with point charges and Lennard-Jones terms.

    E = sum_bonds k (r - r0)^2 + sum_angles k (t - t0)^2 + sum_torsions k [1 + cos(n w - d)]
      + sum_pairs f { 4 eps_ij [(sigma_ij/r)^12 - (sigma_ij/r)^6] + 332.06 q_i q_j / r }

Pairs one or two bonds apart are left out, pairs three bonds apart are scaled by f. Note that bonds
and angles have no factor 1/2, as in the papers of OPLS-AA (Jorgensen, Maxwell, Tirado-Rives,
J. Am. Chem. Soc. 118, 11225 (1996)) and in LAMMPS.
"""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

__all__ = ["ParameterTable", "Terms"]


@dataclass(frozen=True)
class Terms:
    """Terms of one kind between fixed groups of atoms.

    Args:
        atoms: indices of the atoms, shape (n_terms, 2) for bonds, 3 for angles, 4 for torsions.
        values: one row of constants for each term: bonds (k in kcal/mol/Å^2, r0 in Å), angles
            (k in kcal/mol/rad^2, t0 in degrees), torsions (k in kcal/mol, n, d in degrees).

    Example:
        >>> bonds = Terms([[0, 1]], [[450.0, 0.9572]])
        >>> len(bonds), bonds.atoms.shape
        (1, (1, 2))
    """

    atoms: np.ndarray
    values: np.ndarray

    def __post_init__(self):
        """Convert the given sequences to arrays."""
        object.__setattr__(self, "atoms", np.array(self.atoms, dtype=int))
        object.__setattr__(self, "values", np.array(self.values, dtype=float))

    @classmethod
    def none(cls, size: int) -> "Terms":
        """Return an empty set of terms between `size` atoms."""
        return cls(np.empty((0, size)), np.empty((0, size if size < 4 else 3)))

    def __len__(self) -> int:
        """Return the number of terms."""
        return len(self.atoms)

    def __iter__(self):
        """Yield (atoms, constants) as plain numbers."""
        return zip(self.atoms.tolist(), self.values.tolist(), strict=True)


@dataclass(frozen=True)
class ParameterTable:
    """All parameters of one molecule (or ion) in a force field.

    Args:
        charges: e, shape (n_atoms,).
        sigma: Å, shape (n_atoms,).
        epsilon: kcal/mol, shape (n_atoms,).
        bonds: harmonic bonds; they also define which pairs are one, two or three bonds apart.
        angles: harmonic angles.
        torsions: proper torsions.
        impropers: torsions that keep three-coordinated atoms flat, same form as `torsions`.
        scale14: factor f of pairs three bonds apart, for Lennard-Jones and charges (OPLS: 0.5).
        mixing: sigma_ij of unlike atoms is the arithmetic mean if both tables take it (water and
            its ions), else the geometric mean (OPLS); eps_ij is always the geometric mean.

    Example:
        >>> ion = ParameterTable([1.0], [2.126], [0.018279])
        >>> ion.charge, len(ion.bonds), ion.excluded
        (1.0, 0, set())
        >>> ion.scaled(0.8).charge
        0.8
    """

    charges: np.ndarray
    sigma: np.ndarray
    epsilon: np.ndarray
    bonds: Terms = field(default_factory=lambda: Terms.none(2))
    angles: Terms = field(default_factory=lambda: Terms.none(3))
    torsions: Terms = field(default_factory=lambda: Terms.none(4))
    impropers: Terms = field(default_factory=lambda: Terms.none(4))
    scale14: float = 0.5
    mixing: Literal["geometric", "arithmetic"] = "geometric"

    def __post_init__(self):
        """Convert the given sequences to arrays."""
        for name in ("charges", "sigma", "epsilon"):
            object.__setattr__(self, name, np.array(getattr(self, name), dtype=float))

    def __len__(self) -> int:
        """Return the number of atoms."""
        return len(self.charges)

    @property
    def charge(self) -> float:
        """Total charge in e."""
        return float(self.charges.sum())

    @property
    def excluded(self) -> set[tuple[int, int]]:
        """Pairs (i < j) one or two bonds apart, which have no non-bonded energy."""
        return self._apart(1) | self._apart(2)

    @property
    def pairs14(self) -> set[tuple[int, int]]:
        """Pairs (i < j) exactly three bonds apart, whose energy is scaled."""
        return self._apart(3)

    def scaled(self, factor: float) -> "ParameterTable":
        """Return the table with all charges multiplied by a factor."""
        return ParameterTable(**(vars(self) | {"charges": self.charges * factor}))

    def _apart(self, steps: int) -> set[tuple[int, int]]:
        """Return the pairs whose shortest path has the given number of bonds."""
        neighbours = [set() for _ in range(len(self))]
        for i, j in self.bonds.atoms.tolist():
            neighbours[i].add(j)
            neighbours[j].add(i)
        pairs = set()
        for i in range(len(self)):
            seen, shell = {i}, {i}
            for _ in range(steps):
                shell = set().union(*(neighbours[j] for j in shell)) - seen
                seen |= shell
            pairs |= {(i, j) for j in shell if i < j}
        return pairs
