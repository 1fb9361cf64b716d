"""Single frames whose labels are far off those of all others."""

from collections import defaultdict

import numpy as np

from gpip_plugins.errors import InputError
from gpip_plugins.labels.report import listing
from gpip_plugins.labels.work_evidence import Labelled

__all__ = ["Outliers"]

LARGEST_FORCE = 1000.0  # eV/Å; two hydrogen atoms 0.3 Å apart repel each other with 100
ENERGY_RANGE = 20.0  # eV an atom; breaking all bonds takes less than 10
FAR = 30.0  # times the largest force of half of the frames


class Outliers:
    """Collect sizes of labels of all frames.

    Args:
        name: of the file, for messages.
    """

    def __init__(self, name: str):
        self.name = name
        self.forces: list[tuple[int, float, float, int]] = []
        self.energies: dict[bytes, list[tuple[int, float]]] = defaultdict(list)

    def add(self, frame: Labelled) -> None:
        """Add one frame."""
        n_atoms = len(frame.atoms)
        if frame.forces is not None:
            sizes = np.linalg.norm(frame.forces, axis=1)
            self.forces.append((frame.number, float(sizes.sum()), float(sizes.max()), n_atoms))
        if frame.energy is not None:
            key = np.sort(frame.atoms.numbers).astype(np.uint8).tobytes()
            self.energies[key].append((frame.number, frame.energy / n_atoms))

    @property
    def mean_force(self) -> float:
        """Mean force on an atom, eV/Å."""
        _, total, _, n_atoms = np.array(self.forces).T
        return float(total.sum() / n_atoms.sum())

    def check(self) -> None:
        """Check the collected frames.

        Raises:
            InputError: naming the frames that are far off.
        """
        usual = np.median([largest for _, _, largest, _ in self.forces]) if self.forces else 0.0
        limit = max(LARGEST_FORCE, FAR * usual)  # in a wrong unit, all forces are large
        large = [number for number, _, largest, _ in self.forces if largest > limit]
        if large:
            self._refuse(large, f"forces of more than {LARGEST_FORCE:g} eV/Ang")
        off = []
        for entries in self.energies.values():
            values = np.array([value for _, value in entries])
            far = np.abs(values - np.median(values)) > ENERGY_RANGE
            if len(entries) > 2:
                off += [entries[k][0] for k in np.flatnonzero(far)]
        if off:
            self._refuse(
                sorted(off),
                f"an energy that is more than {ENERGY_RANGE:g} eV an atom off that of other frames "
                "of the same composition",
            )

    def _refuse(self, numbers: list[int], what: str) -> None:
        raise InputError(
            f"{self.name} has {what} in {listing(numbers)} (counted from 0); repair or remove "
            f"{'it' if len(numbers) == 1 else 'them'}, or give accept_implausible=True."
        )

    def sentences(self) -> list[str]:
        """Return what looks like placeholders."""
        zero = [number for number, total, _, n_atoms in self.forces if total == 0 and n_atoms > 1]
        if not zero:
            return []
        return [
            f"All forces are zero in {listing(zero)}: right for a perfect crystal; otherwise a "
            "program wrote zeros for forces that it did not compute."
        ]
