"""The result of an import as text."""

from dataclasses import dataclass, field

__all__ = ["ImportReport", "listing"]


@dataclass
class ImportReport:
    """Result of an import: numbers of frames written and left out, and the units of the file."""

    written: int = 0
    skipped: dict[str, list[int]] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)
    stress: bool = False
    scalars: dict[str, str] = field(default_factory=dict)
    compared: bool = False  # energies with the work of the forces

    def __str__(self) -> str:
        """Return the message to the user at the end."""
        if "energy" not in self.units:
            what = "energies and forces" if self.scalars else "labels"
            text = f"{self.written} frames written in Ang, without {what}"
        else:
            units = ", ".join(self.units[key] for key in ("energy", "forces", "distance"))
            text = f"{self.written} frames written in eV, eV/Ang, Ang (the file was in {units})"
        text += ", with stress" if self.stress else ""
        if self.scalars:
            listed = ", ".join(f"{name} ({unit})" for name, unit in self.scalars.items())
            text += f", with {listed}"
        for reason, numbers in self.skipped.items():
            text += f"; {len(numbers)} left out because they have {reason} ({listing(numbers)})"
        if "energy" in self.units and not self.compared:
            text += (
                "; the consistency of energies and forces was not checked, which needs 20 or more "
                "similar frames of one isolated molecule"
            )
        return text + "."


def listing(numbers: list[int], limit: int = 10) -> str:
    """Return frame numbers for a message.

    Example:
        >>> listing([3, 5]), listing(list(range(12)))
        ('frames 3, 5', 'frames 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2 more')
    """
    shown = ", ".join(str(number) for number in numbers[:limit])
    more = f" and {len(numbers) - limit} more" if len(numbers) > limit else ""
    return f"frame{'s' if len(numbers) > 1 else ''} {shown}{more}"
