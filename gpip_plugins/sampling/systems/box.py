"""Periodic boxes of molecules."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import ase
import numpy as np
from ase import units
from ase.cell import Cell

from gpip_plugins.errors import InputError
from gpip_plugins.sampling.systems.molecule import MolecularSystem, check_name
from gpip_plugins.sampling.systems.perception import find_components
from gpip_plugins.sampling.systems.structures import first_structure
from gpip_plugins.units import density

__all__ = ["Box", "reduced_cell"]

LITRE: Final = 1e27  # Å^3


@dataclass(frozen=True)
class Box:
    """A periodic, neutral box of whole molecules.

    The atoms are ordered component by component, molecule by molecule, and inside a molecule as in
    its `MolecularSystem`. Molecules are whole: bonded atoms are neighbours without the help of
    periodic images.

    Args:
        name: name of the system in the database; letters, digits, `_`, `-`.
        components: molecules or ions with their numbers.
        positions: Å, shape (n_atoms, 3).
        cell: rows are the cell vectors in Å, shape (3, 3); lower triangular and reduced, as
            OpenMM needs it (see `reduced_cell`).
        molarity_asked: component -> requested concentration in mol/L, to be compared with
            `molarity` after the equilibration.
        assumed: what the input left open about the whole box, printed and stored.

    Raises:
        InputError: when the box is charged or empty, or its shapes do not match.

    Example:
        >>> sodium, chloride = (MolecularSystem.from_smiles(s) for s in ("[Na+]", "[Cl-]"))
        >>> salt = Box(
        ...     "salt", ((sodium, 1), (chloride, 1)), np.eye(2, 3) * 3.0, np.eye(3) * 10.0
        ... )
        >>> salt.charge, round(salt.density, 4), round(salt.molarity["[Na+]"], 4)
        (0, 0.097, 1.6605)
    """

    name: str
    components: tuple[tuple[MolecularSystem, int], ...]
    positions: np.ndarray = field(repr=False)
    cell: np.ndarray = field(repr=False)
    molarity_asked: Mapping[str, float] = field(default_factory=dict)
    assumed: str = ""

    def __post_init__(self):
        """Raise `InputError` for a box that cannot be simulated or stored."""
        check_name(self.name)
        if not self.components or any(count < 1 for _, count in self.components):
            counts = {part.name: count for part, count in self.components}
            raise InputError(f"{self.name}: composition={counts} is empty; name its molecules.")
        shape = (len(self.numbers), 3)
        if self.positions.shape != shape or not np.isfinite(self.positions).all():
            raise InputError(
                f"{self.name}: the positions are not {shape} finite numbers; repair the structure."
            )
        lengths = np.diag(self.cell)
        if self.cell.shape != (3, 3) or np.triu(self.cell, 1).any() or not (lengths > 0).all():
            raise InputError(
                f"{self.name}: cell={self.cell.tolist()} is not lower triangular with positive "
                "lengths; turn it with reduced_cell."
            )
        if self.charge != 0:
            raise InputError(
                f"{self.name}: the composition has the charge {self.charge:+d} e, but a periodic "
                f"box must be neutral ({self._charges()}); add or remove ions, or correct their "
                "charges."
            )

    @classmethod
    def from_file(
        cls, path: str | Path, name: str | None = None, charges: Mapping[str, int] | None = None
    ) -> "Box":
        """Read the first structure of a file; its molecules are found as in `from_atoms`.

        All structures of a file: `.files.read_systems`.

        Args:
            path: any file that ASE reads.
            name: name of the system; the file's name without its suffix if None.
            charges: as for `from_atoms`.

        Raises:
            InputError: when the file cannot be read, and as `from_atoms`.
        """
        atoms = first_structure(path)
        name = name or Path(str(path).removesuffix(".gz")).stem
        return cls.from_atoms(atoms, name, f"structure={str(path)!r}", charges)

    @classmethod
    def from_atoms(
        cls, atoms: ase.Atoms, name: str, where: str, charges: Mapping[str, int] | None = None
    ) -> "Box":
        """Make a box of a periodic structure; its molecules are found from the geometry.

        Two atoms are bonded as defined in `gpip_plugins.analysis.bonds`; metals of the groups 1 and
        2 are ions without bonds. Molecules with the same bonds form one component. If a preset
        (`gpip_plugins.sampling.systems.presets.PRESETS`) has these bonds, it is used with its
        charge, which `MolecularSystem.assumed` states for monatomic ions; otherwise bond orders are
        found as for an isolated molecule. Atoms are sorted into the order of a `Box`, and cell and
        atoms are rotated so that the cell is lower triangular.

        Args:
            atoms: the structure, periodic in three directions.
            name: name of the system.
            where: file and number of the structure, the beginning of messages.
            charges: charge in e of charged molecules that are not presets, by formula in Hill's
                order without charge, for example `{"Cl": -1}`.

        Raises:
            InputError: when the structure has no cell in three dimensions, a molecule extends over
                all periodic images (solids), or no bond orders fit the charge.
        """
        if not atoms.pbc.all() or atoms.cell.rank < 3:
            raise InputError(
                f"{where} has no cell that is periodic in three directions, which "
                "a box needs; give the cell in the file."
            )
        cell, turn = reduced_cell(np.array(atoms.cell))
        atoms = ase.Atoms(atoms.numbers, atoms.positions @ turn, cell=cell, pbc=True)
        found = find_components(atoms, charges or {}, where)
        components = tuple((part, len(positions)) for part, positions in found)
        positions = np.concatenate([p for _, positions in found for p in positions])
        return cls(name, components, positions, cell)

    @property
    def source(self) -> str:
        """Composition of the box, stored with the data."""
        return " + ".join(f"{count} x {part.source}" for part, count in self.components)

    @property
    def numbers(self) -> np.ndarray:
        """Atomic numbers, shape (n_atoms,)."""
        return np.concatenate([np.tile(part.numbers, count) for part, count in self.components])

    @property
    def masses(self) -> np.ndarray:
        """Atomic masses in u, shape (n_atoms,)."""
        return np.concatenate([np.tile(part.masses, count) for part, count in self.components])

    @property
    def molecule_index(self) -> np.ndarray:
        """Number of the molecule that every atom belongs to, shape (n_atoms,)."""
        sizes = [len(part.numbers) for part, count in self.components for _ in range(count)]
        return np.repeat(np.arange(len(sizes)), sizes)

    @property
    def bonds(self) -> np.ndarray:
        """Pairs of bonded atoms, shape (n_bonds, 2)."""
        bonds, start = [np.empty((0, 2), dtype=int)], 0
        for part, count in self.components:
            for _ in range(count):
                bonds.append(part.bonds + start)
                start += len(part.numbers)
        return np.concatenate(bonds)

    @property
    def charge(self) -> int:
        """Total charge in e."""
        return sum(part.charge * count for part, count in self.components)

    def _charges(self) -> str:
        """Return the charged components in words."""
        charged = ((part, count) for part, count in self.components if part.charge)
        return ", ".join(f"{count} {part.name} of {part.charge:+d} e" for part, count in charged)

    @property
    def volume(self) -> float:
        """Volume of the cell in Å^3."""
        return float(np.prod(np.diag(self.cell)))

    @property
    def density(self) -> float:
        """Mass density in g/cm^3."""
        return density(self.masses.sum(), self.volume)

    @property
    def molarity(self) -> dict[str, float]:
        """Concentration of every component in mol/L."""
        moles = 1.0 / units.mol / (self.volume / LITRE)
        return {part.name: count * moles for part, count in self.components}

    def centres(self) -> np.ndarray:
        """Return the centres of mass of the molecules in Å, shape (n_molecules, 3)."""
        index, masses = self.molecule_index, self.masses
        sums = np.zeros((index[-1] + 1, 3))
        np.add.at(sums, index, masses[:, None] * self.positions)
        return sums / np.bincount(index, masses)[:, None]

    def scaled_to(self, volume: float) -> "Box":
        """Return the box at another volume: the centres of the molecules move, their shape is kept.

        Args:
            volume: Å^3.
        """
        factor = (volume / self.volume) ** (1 / 3)
        shift = (factor - 1.0) * self.centres()
        return replace(
            self, positions=self.positions + shift[self.molecule_index], cell=factor * self.cell
        )


def reduced_cell(cell: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the lattice as a lower triangular, reduced cell, and the rotation into it.

    Reduced means |b_x| <= a_x/2, |c_x| <= a_x/2 and |c_y| <= b_y/2, as OpenMM requires.

    Args:
        cell: rows are the cell vectors, shape (3, 3).

    Returns:
        The new cell, shape (3, 3), and the matrix Q, shape (3, 3): new positions = positions @ Q.

    Example:
        >>> cell, turn = reduced_cell(np.array([[0.0, 4, 0], [-4, 3, 0], [0, 0, 5]]))
        >>> cell.round(6).tolist()
        [[4.0, 0.0, 0.0], [-1.0, 4.0, 0.0], [0.0, 0.0, 5.0]]
    """
    if np.linalg.det(cell) < 0:  # the same lattice, right-handed
        cell = -cell
    standard, rotation = Cell(cell).standard_form()
    a, b, c = np.array(standard)
    c = c - b * np.round(c[1] / b[1])
    c = c - a * np.round(c[0] / a[0])
    b = b - a * np.round(b[0] / a[0])
    return np.tril([a, b, c]), rotation.T
