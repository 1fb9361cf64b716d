"""The result of an import as text."""

from dataclasses import dataclass, field

__all__ = ["ImportReport", "listing"]

WORDS = {"total_charge": "total charge", "spin_multiplicity": "spin multiplicity"}


@dataclass
class ImportReport:
    """Result of an import.

    Args:
        written: number of frames written.
        skipped: frames left out, by reason.
        units: units of the file.
        properties: energy, forces and further ones that all frames have, without scalars.
        scalars: scalar properties and their units.
        findings: sentences on what was checked and on what was found and not imported.
    """

    written: int = 0
    skipped: dict[str, list[int]] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)
    properties: frozenset[str] = frozenset()
    scalars: dict[str, str] = field(default_factory=dict)
    findings: list[str] = field(default_factory=list)

    @property
    def stress(self) -> bool:
        """Whether a stress was written."""
        return "stress" in self.properties

    def __str__(self) -> str:
        """Return the message to the user at the end."""
        text = self._written()
        if self.scalars:
            listed = ", ".join(f"{name} ({unit})" for name, unit in self.scalars.items())
            text += f", with {listed}"
        for reason, numbers in self.skipped.items():
            text += f"; {len(numbers)} left out because they have {reason} ({listing(numbers)})"
        return "\n  ".join([text + ".", *self.findings])

    def next_step(self, target: str) -> str | None:
        """Return the command that trains on the database, or None if no recipe does.

        Args:
            target: path of the database.

        Example:
            >>> print(ImportReport(properties=frozenset({"energy"})).next_step("my labels.db"))
            spktrain experiment=gpip_finetune data.datapath='"my labels.db"' 'labels=[energy]'
        """
        read = [name for name in ("energy", "forces", "stress") if name in self.properties]
        if not read:
            return None
        # Imported here: Hydra, which the import itself does not need.
        from gpip_plugins.io.overrides import as_override_value

        command = f"spktrain experiment=gpip_finetune data.datapath={as_override_value(target)}"
        return command + ("" if read == ["energy", "forces"] else f" 'labels=[{','.join(read)}]'")

    def _written(self) -> str:
        """Return what was written, without scalars."""
        read = [name for name in ("energy", "forces") if name in self.properties]
        if not read:
            what = "energies and forces" if self.scalars else "labels"
            return f"{self.written} frames written in Ang, without {what}"
        into = {"energy": "eV", "forces": "eV/Ang"}
        here = ", ".join([*(into[name] for name in read), "Ang"])
        there = ", ".join(self.units[key] for key in (*read, "distance"))
        alone = {"energy": ", energies alone", "forces": ", forces alone"}
        text = f"{self.written} frames written in {here} (the file was in {there})"
        text += alone[read[0]] if len(read) == 1 else ""
        others = sorted(self.properties - set(read))
        return text + (", with " * bool(others)) + " and ".join(WORDS.get(n, n) for n in others)


def listing(numbers: list[int], limit: int = 10) -> str:
    """Return frame numbers for a message.

    Example:
        >>> listing([3, 5]), listing(list(range(12)))
        ('frames 3, 5', 'frames 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2 more')
    """
    shown = ", ".join(str(number) for number in numbers[:limit])
    more = f" and {len(numbers) - limit} more" if len(numbers) > limit else ""
    return f"frame{'s' if len(numbers) > 1 else ''} {shown}{more}"
