"""What a file holds beside the labels that are stored, and labels that contradict each other."""

from collections import Counter, defaultdict
from collections.abc import Collection

import numpy as np
from ase import Atoms

from gpip_plugins.labels.keys_and_units import Labels
from gpip_plugins.labels.lookup import label_of, names_of
from gpip_plugins.labels.origin import ORIGIN
from gpip_plugins.labels.report import listing
from gpip_plugins.labels.stress import key_of
from gpip_plugins.labels.values import OPTIONAL, WHOLE

__all__ = ["Inventory"]

SAME_GEOMETRY = 1e-3  # Å
SAME_ENERGY = 1e-3  # eV
MOST_GEOMETRIES = 500_000  # that are remembered, about 100 bytes each
FREE = "free_energy"
MOST_NAMES = 12  # in one sentence


class Inventory:
    """Counts the data of all frames of a file.

    Args:
        labels: names of the labels that are read.
        properties: names of the properties that are stored.
    """

    def __init__(self, labels: Labels, properties: Collection[str]):
        self.labels, self.properties = labels, frozenset(properties)
        self.n_frames = 0
        self.unused: Counter[str] = Counter()
        self.optional: Counter[str] = Counter()
        self.states: dict[str, Counter] = defaultdict(Counter)
        self.geometries: dict[int, float] = {}
        self.contradictions: list[int] = []
        self.free_energy = 0.0  # largest difference from the energy, in the unit of the file

    def add(self, frame: Atoms, values: dict[str, np.ndarray]) -> None:
        """Count the data of one frame as it was read, and its converted values."""
        self.n_frames += 1
        used = set(self.labels.scalars) | set(ORIGIN)
        for name, key in self.labels.wanted.items():
            if name in self.properties:
                used.add(key)
        for name in OPTIONAL:
            self.optional[name] += name in values
        for name, keys in WHOLE.items():
            if name in values:
                used.add(next(key for key in keys if label_of(frame, key) is not None))
        if "stress" in values:
            used |= {key_of(frame, self.labels)}
        free, energy = label_of(frame, FREE), label_of(frame, self.labels.energy_key or "")
        if FREE not in used and isinstance(free, float) and isinstance(energy, float):
            self.free_energy = max(self.free_energy, abs(free - energy))
        self.unused.update(name for name in names_of(frame) if name not in used)

    def add_usable(self, number: int, atoms: Atoms, values: dict[str, np.ndarray]) -> None:
        """Compare a frame that is stored with those before it.

        Args:
            number: its number in the file.
            atoms: structure in Å.
            values: its labels.
        """
        state = tuple(int(values[name][0]) for name in WHOLE if name in values)
        if state:
            self.states[atoms.get_chemical_formula()][state] += 1
        if "energy" not in values or len(self.geometries) >= MOST_GEOMETRIES:
            return
        centred = (atoms.positions - atoms.positions[0]) / SAME_GEOMETRY
        places = np.rint(np.concatenate([centred, atoms.cell.array / SAME_GEOMETRY])) + 0.0
        key = hash((atoms.numbers.tobytes(), places.tobytes(), state))
        energy = float(values["energy"][0])
        if abs(self.geometries.setdefault(key, energy) - energy) > SAME_ENERGY:
            self.contradictions.append(number)

    def sentences(self) -> list[str]:
        """Return what was found and is not stored, and what contradicts itself."""
        text = []
        for name in OPTIONAL:
            n = self.optional[name]
            if n and name not in self.properties:
                text.append(
                    f"{n} of {self.n_frames} frames have a {name}; it is left out, because "
                    "training needs it in every frame" + _remedy(name)
                )
        if self.unused:
            listed = [
                f"{name} ({n} frame{'s' * (n > 1)})"
                for name, n in self.unused.most_common(MOST_NAMES)
            ]
            more = len(self.unused) - MOST_NAMES
            listed += [f"{more} more"] if more > 0 else []
            text.append(f"Found and not imported: {', '.join(listed)}.")
        if self.free_energy > SAME_ENERGY and {"energy", "forces"} <= self.properties:
            text.append(
                f"The file also has a {FREE}, which differs from the energy by up to "
                f"{self.free_energy:.3g} (unit of the file); forces of a calculation with smeared "
                f"electrons belong to it, and energy_key={FREE} imports it."
            )
        for formula, states in self.states.items():
            if len(states) > 1:
                text.append(
                    f"The frames of {formula} have labels of {len(states)} electronic states "
                    f"({self._states(states)}): a network that sees only positions and elements "
                    "cannot tell them apart; train on one of them, or on a network that reads the "
                    "charge."
                )
        if self.contradictions:
            n = len(self.contradictions)
            text.append(
                f"{n} frame{'s have' if n > 1 else ' has'} the geometry of an earlier one and "
                f"another energy ({listing(self.contradictions)}): one of them is wrong, or "
                "belongs to another state or method."
            )
        return text

    def _states(self, states: Counter) -> str:
        """Return charges and multiplicities with their numbers of frames."""
        names = [name.replace("_", " ") for name in WHOLE if self.optional[name]]
        parts = []
        for state, n in sorted(states.items()):
            if len(state) == len(names):
                shown = " and ".join(f"{a} {b}" for a, b in zip(names, state, strict=True))
            else:
                shown = f"of {' or '.join(names)} only {state[0]}"
            parts.append(f"{shown} in {n} frames")
        return ", ".join(parts)


def _remedy(name: str) -> str:
    if name != "stress":
        return "."
    return "; require_stress=True with skip_unlabelled=True keeps only the frames that have it."
