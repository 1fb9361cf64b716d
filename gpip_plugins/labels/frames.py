"""The labelled frames of a file, checked one by one and turned into eV and Å."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from ase import Atoms
from ase.stress import voigt_6_to_full_3x3_stress
from tqdm import tqdm

from gpip_plugins.errors import InputError
from gpip_plugins.io.structures import check_structure
from gpip_plugins.labels.origin import origin_of
from gpip_plugins.labels.plausibility import Plausibility
from gpip_plugins.labels.readers.sources import read_labelled
from gpip_plugins.labels.readers.vasp import FAULT

__all__ = ["Frames", "ImportReport", "Labels", "label_of"]


@dataclass(frozen=True)
class Labels:
    """Where the labels stand in the file and in which units.

    Args:
        energy_key: name of the energy, in the results of ASE's calculator or in `info`. None for
            structures without labels; then no label is read.
        forces_key: name of the forces, in the results of ASE's calculator or in `arrays`; None
            likewise.
        energy_unit: None takes the unit that the file states, see `states_its_units`.
        forces_unit: None is energy unit per distance unit.
        distance_unit: unit of the positions and the cell; Å by the definition of the XYZ format.
        stress: whether to import a stress; taken to be in energy unit per cubed distance unit.
        scalars: names and units of scalar properties, one number per structure each, such as
            `{"homo": "eV"}`; they keep their unit.
    """

    energy_key: str | None = "energy"
    forces_key: str | None = "forces"
    energy_unit: str | None = None
    forces_unit: str | None = None
    distance_unit: str = "Ang"
    stress: bool = True
    scalars: dict[str, str] = field(default_factory=dict)

    @property
    def wanted(self) -> bool:
        """Whether energies and forces are read."""
        return self.energy_key is not None and self.forces_key is not None


@dataclass
class ImportReport:
    """What an import did: number of frames written and left out, and the units that were read."""

    written: int = 0
    skipped: dict[str, list[int]] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)
    stress: bool = False
    scalars: dict[str, str] = field(default_factory=dict)
    compared: bool = False  # energies with the work of the forces

    def __str__(self) -> str:
        """Return what the user is told at the end."""
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
                "; whether energies and forces belong together was not checked, which takes 20 or "
                "more similar frames of one isolated molecule"
            )
        return text + "."


class Frames:
    """The usable frames of a file, in eV and Å, one after the other; what is not usable is noted.

    Args:
        source: absolute path.
        labels: names of the labels.
        factors: what one energy, forces and distance unit of the file is in eV, eV/Å and Å.
        skip: leave faulty frames out; otherwise `refuse_faults` raises.
        report: filled in on the way.
        progress: show a progress bar.
    """

    def __init__(self, source, labels, factors, skip, report, progress):
        self.source, self.labels, self.factors = source, labels, factors
        self.skip, self.report, self.progress = skip, report, progress
        self.plausibility = Plausibility()
        self.scalar_values: dict[str, list[float]] = {name: [] for name in labels.scalars}
        self.n_frames = 0
        self.found_names: str = ""

    def __iter__(self) -> Iterator[tuple[Atoms, dict[str, np.ndarray]]]:
        """Yield structures and their properties as `ASEAtomsData.add_systems` takes them."""
        bar = tqdm(
            read_labelled(self.source),
            desc="importing",
            unit=" frames",
            disable=None if self.progress else True,
        )
        for number, frame in enumerate(bar):
            self.n_frames += 1
            atoms = self._structure(number, frame)
            values, fault = self._values(number, frame)
            if fault:
                self.found_names = self.found_names or names_in(frame)
                self.report.skipped.setdefault(fault, []).append(number)
                continue
            if self.labels.wanted:
                energy, forces = float(values["energy"][0]), values["forces"]
            else:
                energy, forces = None, None
            self.plausibility.add(number, atoms, energy, forces)
            for name, seen in self.scalar_values.items():
                seen.append(float(values[name][0]))
            self.report.written += 1
            yield atoms, values

    def refuse_faults(self) -> None:
        """Raise what the faulty frames call for, once all frames are read.

        Raises:
            InputError: if frames are faulty and shall not be left out, or no frame is usable.
        """
        name, faults = os.path.basename(self.source), self.report.skipped
        if self.n_frames == 0:
            raise InputError(f"{name} holds no frames; name a file with labelled structures.")
        found = "; ".join(f"{reason} ({listing(n)})" for reason, n in faults.items())
        if not self.report.written:
            raise InputError(
                f"None of the {self.n_frames} frames of {name} can be used: {found}; its first "
                f"frame carries {self.found_names}: name the labels with "
                + ("--energy-key and --forces-key." if self.labels.wanted else "--property.")
            )
        if faults and not self.skip:
            n_faulty = sum(len(numbers) for numbers in faults.values())
            raise InputError(
                f"{n_faulty} of the {self.n_frames} frames of {name} cannot be used: {found}; "
                "repair them or leave them out with --skip-unlabelled."
            )

    def _structure(self, number: int, frame: Atoms) -> Atoms:
        """Return the bare structure in Å."""
        scale = self.factors["distance"]
        cell = frame.cell.array * scale
        atoms = Atoms(
            frame.numbers,
            frame.positions * scale,
            cell=cell,
            pbc=frame.pbc,
            info=origin_of(frame),
        )
        name = os.path.basename(self.source)
        check_structure(atoms, f"Frame {number} of {name} (counted from 0)")
        return atoms

    def _values(self, number: int, frame: Atoms) -> tuple[dict[str, np.ndarray], str]:
        """Return the labels in eV and Å, or what is wrong with them."""
        if FAULT in frame.info:
            return {}, frame.info[FAULT]
        scalars, fault = self._scalars(frame)
        if fault or not self.labels.wanted:
            return scalars, fault
        values, fault = self._energetic_values(number, frame)
        return values | scalars, fault

    def _scalars(self, frame: Atoms) -> tuple[dict[str, np.ndarray], str]:
        """Return the scalar properties in their own units, or what is wrong with one."""
        values = {}
        for name in self.labels.scalars:
            value = label_of(frame, name)
            if value is None:
                return {}, f"no {name}"
            try:
                value = np.asarray(value, dtype=float).reshape(1)
            except (TypeError, ValueError):
                return {}, f"a {name} that is not one number"
            if not np.isfinite(value).all():
                return {}, f"a {name} that is not finite"
            values[name] = value
        return values, ""

    def _energetic_values(self, number: int, frame: Atoms) -> tuple[dict[str, np.ndarray], str]:
        """Return energy, forces and stress in eV and Å, or what is wrong with them."""
        energy = label_of(frame, self.labels.energy_key)
        forces = label_of(frame, self.labels.forces_key)
        if energy is None or forces is None:
            missing = [n for n, v in (("energy", energy), ("forces", forces)) if v is None]
            return {}, "no " + " and no ".join(missing)
        try:
            energy = np.asarray(energy, dtype=float).reshape(1)
            forces = np.asarray(forces, dtype=float).reshape(len(frame), 3)
        except (TypeError, ValueError):
            return {}, "labels of a wrong shape"
        if not np.isfinite(energy).all():
            return {}, "an energy that is not finite"
        if not np.isfinite(forces).all():
            return {}, "forces that are not finite or missing on some atoms"
        values = {
            "energy": energy * self.factors["energy"],
            "forces": forces * self.factors["forces"],
        }
        stress = label_of(frame, "stress") if self.labels.stress else None
        if number == 0:
            self.report.stress = stress is not None
        if self.report.stress:
            if stress is None or not np.isfinite(stress).all():
                return {}, "no finite stress, which frame 0 has (--no-stress imports without)"
            stress = np.asarray(stress, dtype=float)
            full = stress.reshape(3, 3) if stress.size == 9 else voigt_6_to_full_3x3_stress(stress)
            scale = self.factors["energy"] / self.factors["distance"] ** 3
            values["stress"] = full[None] * scale
        return values, ""


def label_of(frame: Atoms, key: str) -> np.ndarray | float | None:
    """Return a label by name: from the results of the calculator, `info` or `arrays`."""
    results = getattr(frame.calc, "results", {})
    for holder in (results, frame.info, frame.arrays):
        if holder.get(key) is not None:
            return holder[key]
    return None


def names_in(frame: Atoms) -> str:
    """Return the names of all that a frame carries, for a message."""
    results = getattr(frame.calc, "results", {})
    info = [name for name in frame.info if name != FAULT]
    names = [*results, *info, *(n for n in frame.arrays if n not in ("numbers", "positions"))]
    return ", ".join(names) or "no labels at all"


def listing(numbers: list[int], limit: int = 10) -> str:
    """Return frame numbers for a message.

    Example:
        >>> listing([3, 5]), listing(list(range(12)))
        ('frames 3, 5', 'frames 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2 more')
    """
    shown = ", ".join(str(number) for number in numbers[:limit])
    more = f" and {len(numbers) - limit} more" if len(numbers) > limit else ""
    return f"frame{'s' if len(numbers) > 1 else ''} {shown}{more}"
