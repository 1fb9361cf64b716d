"""Coverage of a system by a force field, for every molecule and atom."""

from dataclasses import dataclass
from typing import Final

from gpip_plugins.errors import InputError

__all__ = ["NO_BOXES", "ComponentCoverage", "Coverage", "refuse_boxes"]

NO_BOXES: Final = "pairs in a periodic box"  # missing in force fields for isolated molecules


@dataclass(frozen=True)
class ComponentCoverage:
    """Coverage of one kind of molecule by a force field.

    Args:
        name: name of the molecule.
        atoms: type of every atom in the notation of the force field, shape (n_atoms,); empty text
            for an atom without a type.
        residual_charge: sum of the atoms' charges minus the charge of the molecule, e. A small
            residual charge is spread evenly over the atoms.
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
    residual_charge: float = 0.0
    estimated: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    note: str = ""

    MAX_RESIDUAL = 0.05  # e for the whole molecule

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
        elif abs(self.residual_charge) > self.MAX_RESIDUAL:
            found.append(f"charges that miss the total by {self.residual_charge:+.3f} e")
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

    Example:
        >>> Coverage("opls", (ComponentCoverage("water", ("O", "H", "H")),)).complete
        True
    """

    force_field: str
    components: tuple[ComponentCoverage, ...]
    instead_of: "Coverage | None" = None

    @property
    def complete(self) -> bool:
        """Whether the whole system can be simulated."""
        return all(component.complete for component in self.components)

    def problems(self) -> str:
        """Return what prevents a simulation, for every molecule."""
        return "; ".join(f"{c.name}: {c.problems()}" for c in self.components if not c.complete)

    def sentence(self) -> str:
        """Return one line for a log: the force field, and what was changed or estimated.

        Example:
            >>> methane = ComponentCoverage("methane", ("C",), residual_charge=0.01)
            >>> Coverage("opls", (methane,)).sentence()
            'opls: methane has a residual charge of +0.010 e spread over its atoms'
        """
        notes = []
        for c in self.components:
            if abs(c.residual_charge) > 1e-6:
                charge = f"{c.residual_charge:+.3f} e"
                notes.append(f"{c.name} has a residual charge of {charge} spread over its atoms")
            if c.estimated:
                notes.append(f"{c.name} has {len(c.estimated)} estimated bonded terms")
            if c.note:
                notes.append(f"{c.name}: {c.note}")
        if self.instead_of is not None:
            asked = self.instead_of
            notes.append(f"taken instead of {asked.force_field}, which lacks {asked.problems()}")
        return f"{self.force_field}: {'; '.join(notes) or 'all atoms and terms are covered'}"


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
