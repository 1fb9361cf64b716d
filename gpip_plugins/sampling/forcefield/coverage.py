"""Coverage of a system by a force field, for every molecule and atom."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from gpip_plugins.errors import InputError

__all__ = ["NO_BOXES", "ComponentCoverage", "Coverage", "refuse_boxes", "summary"]

EXACT: Final = 1e-6  # e; charges that agree to this are equal

NO_BOXES: Final = "pairs in a periodic box"  # missing in force fields for isolated molecules


@dataclass(frozen=True)
class ComponentCoverage:
    """Coverage of one kind of molecule by a force field.

    Args:
        name: name of the molecule.
        atoms: type of every atom in the notation of the force field, shape (n_atoms,); empty text
            for an atom without a type.
        charge: formal charge of the molecule, e.
        residual_charge: sum of the atoms' charges minus the charge of the molecule, e.
        max_residual: residual charge that the force field spreads evenly over the atoms, e; a
            larger one is refused.
        estimated: bonded terms that were taken from similar ones.
        missing: bonded terms without similar ones.
        note: other facts that a user of the data must know.

    Example:
        >>> water = ComponentCoverage("water", ("O", "H", ""))
        >>> water.complete, water.problems()
        (False, 'no type for atom 2')
    """

    name: str
    atoms: tuple[str, ...]
    charge: int = 0
    residual_charge: float = 0.0
    max_residual: float = EXACT
    estimated: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    note: str = ""

    @property
    def untyped(self) -> tuple[int, ...]:
        """Indices of the atoms without a type."""
        return tuple(i for i, kind in enumerate(self.atoms) if not kind)

    @property
    def complete(self) -> bool:
        """Whether the molecule can be simulated; estimated terms are allowed."""
        return not self.problems()

    def problems(self) -> str:
        """Return what prevents a simulation in a few words, empty text if nothing does."""
        found = []
        if self.untyped:
            atoms = ", ".join(map(str, self.untyped))
            found.append(f"no type for atom{'s' * (len(self.untyped) > 1)} {atoms}")
        elif abs(self.residual_charge) > self.max_residual:
            found.append(
                f"its charges add up to {self.charge + self.residual_charge:+.3f} e, but the "
                f"molecule has {self.charge:+d} e"
            )
        if self.missing:
            found.append(f"no constants for {', '.join(self.missing)}")
        return "; ".join(found)


@dataclass(frozen=True)
class Coverage:
    """Coverage of a system by a force field, stored with the data.

    Args:
        force_field: name of the force field.
        components: one entry for each kind of molecule.
        instead_of: coverage by the requested force field, if this is the fall-back.
        note: other facts about the whole system that a user of the data must know.

    Example:
        >>> Coverage("opls", (ComponentCoverage("water", ("O", "H", "H")),)).complete
        True
    """

    force_field: str
    components: tuple[ComponentCoverage, ...]
    instead_of: "Coverage | None" = None
    note: str = ""

    @property
    def complete(self) -> bool:
        """Whether the whole system can be simulated."""
        return all(component.complete for component in self.components)

    def problems(self) -> str:
        """Return what prevents a simulation, for every molecule."""
        return "; ".join(f"{c.name}: {c.problems()}" for c in self.components if not c.complete)

    @property
    def estimated(self) -> bool:
        """Whether terms of a molecule are estimated."""
        return any(component.estimated for component in self.components)

    @property
    def notes(self) -> list[str]:
        """What a user of the data must know about the system and its molecules."""
        notes = [f"{c.name}: {c.note}" for c in self.components if c.note]
        return [*notes, self.note] if self.note else notes

    def sentence(self) -> str:
        """Return one line for a log: the force field, and what was changed or estimated.

        Example:
            >>> methane = ComponentCoverage("methane", ("C",), 0, 0.01, max_residual=0.05)
            >>> Coverage("opls", (methane,)).sentence()
            'opls: methane has a residual charge of +0.010 e spread over its atoms'
        """
        notes = []
        for c in self.components:
            if abs(c.residual_charge) > EXACT:
                charge = f"{c.residual_charge:+.3f} e"
                notes.append(f"{c.name} has a residual charge of {charge} spread over its atoms")
            if c.estimated:
                terms = f"{len(c.estimated)} estimated bonded term{'s' * (len(c.estimated) > 1)}"
                notes.append(f"{c.name} has {terms}")
        notes += self.notes
        if self.instead_of is not None:
            asked = self.instead_of
            notes.append(f"taken instead of {asked.force_field}, which lacks {asked.problems()}")
        return f"{self.force_field}: {'; '.join(notes) or 'all atoms and terms are covered'}"


def summary(force_field: str, coverages: Sequence[Coverage]) -> str:
    """Return how many systems the requested force field covers, and how many with estimated terms.

    Args:
        force_field: name of the requested force field.
        coverages: coverage of every system by the force field that was taken.

    Example:
        >>> ethylene_carbonate = ComponentCoverage("EC", ("C",), estimated=("angle OS-C~-OS",))
        >>> summary("opls", [Coverage("opls", (ethylene_carbonate,))])
        'force_field=opls covers 1 of 1 system(s), 1 of them with estimated bonded terms.'
    """
    taken = [coverage for coverage in coverages if coverage.instead_of is None]
    estimated = sum(coverage.estimated for coverage in taken)
    how = f", {estimated} of them with estimated bonded terms" if estimated else ""
    return f"force_field={force_field} covers {len(taken)} of {len(coverages)} system(s){how}."


def refuse_boxes(name: str, system) -> None:
    """Raise `InputError` if a force field for isolated molecules is used for a box.

    Args:
        name: name of the force field.
        system: the molecule or box.
    """
    if system.cell is not None:
        raise InputError(
            f"force_field={name!r} is for isolated molecules and {system.name} is a periodic box; "
            "choose force_field=opls, or tip3p for pure water."
        )
