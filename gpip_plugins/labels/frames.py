"""The labelled frames of a file, checked one by one and converted to eV and Å."""

import os
from collections.abc import Iterator

import numpy as np
from ase import Atoms
from ase.stress import voigt_6_to_full_3x3_stress
from tqdm import tqdm

from gpip_plugins.analysis.structure_faults import check_structure
from gpip_plugins.errors import InputError
from gpip_plugins.io.ase_database import Row
from gpip_plugins.labels.keys_and_units import Labels, factors
from gpip_plugins.labels.origin import origin_of
from gpip_plugins.labels.plausibility import Plausibility
from gpip_plugins.labels.readers import FAULT
from gpip_plugins.labels.report import ImportReport, listing
from gpip_plugins.labels.scalars import check_scalars

__all__ = ["LabelledFrames", "label_of"]


class LabelledFrames:
    """The frames of a file as rows of a database, in eV and Å.

    Frames that cannot be used are recorded; whether the file is accepted is decided after its last
    frame.

    Args:
        source: absolute path of a file or folder.
        labels: names and units of the labels.
        skip_unlabelled: leave out frames whose labels are missing or not finite, instead of
            refusing the file.
        accept_implausible: accept numbers that look like other units.
        progress: show a progress bar (only on a terminal).

    Attributes:
        report: result of the import; complete after the last frame.

    Raises:
        InputError: at once for missing or unknown units; while reading for a structure without
            atoms, with positions that are not finite, or with a periodic cell without volume; at
            the end for frames that cannot be used, and for numbers that look like other units.
    """

    def __init__(
        self,
        source: str,
        labels: Labels,
        skip_unlabelled: bool = False,
        accept_implausible: bool = False,
        progress: bool = True,
    ):
        self.source, self.labels, self.progress = source, labels, progress
        self.skip_unlabelled, self.accept_implausible = skip_unlabelled, accept_implausible
        self.report = ImportReport(units=labels.units(source), scalars=dict(labels.scalars))
        self.factors = factors(self.report.units)
        self.reader = labels.reader(source)

    def __iter__(self) -> Iterator[Row]:
        """Yield structure, labels and origin of every usable frame."""
        plausibility = Plausibility()
        scalars: dict[str, list[float]] = {name: [] for name in self.labels.scalars}
        carried, n_frames = "", 0
        frames = self.reader.frames(self.source)
        disabled = None if self.progress else True
        for number, frame in enumerate(tqdm(frames, "importing", unit=" frames", disable=disabled)):
            n_frames += 1
            atoms = self._structure(number, frame)
            values, fault = self._values(number, frame)
            if fault:
                carried = carried or names_in(frame)
                self.report.skipped.setdefault(fault, []).append(number)
                continue
            if self.labels.wanted:
                plausibility.add(number, atoms, float(values["energy"][0]), values["forces"])
            else:
                plausibility.add(number, atoms, None, None)
            for name, seen in scalars.items():
                seen.append(float(values[name][0]))
            self.report.written += 1
            yield atoms, values, origin_of(frame)
        self._refuse_faults(n_frames, carried)
        if not self.accept_implausible:
            self.report.compared = plausibility.check(self.report.units)
            check_scalars(scalars, self.labels.scalars)

    def _refuse_faults(self, n_frames: int, carried: str) -> None:
        """Raise `InputError` for an empty file, or for unusable frames that may not be skipped."""
        name, faults = os.path.basename(self.source), self.report.skipped
        if n_frames == 0:
            raise InputError(f"{name} holds no frames; name a file with labelled structures.")
        found = "; ".join(f"{reason} ({listing(n)})" for reason, n in faults.items())
        if not self.report.written:
            keys = "energy_key and forces_key" if self.labels.wanted else "scalars=NAME:UNIT"
            raise InputError(
                f"None of the {n_frames} frames of {name} can be used: {found}; its first frame "
                f"carries {carried}: name the labels with {keys}."
            )
        if faults and not self.skip_unlabelled:
            n_faulty = sum(len(numbers) for numbers in faults.values())
            raise InputError(
                f"{n_faulty} of the {n_frames} frames of {name} cannot be used: {found}; repair "
                "them or leave them out with skip_unlabelled=True."
            )

    def _structure(self, number: int, frame: Atoms) -> Atoms:
        """Return the structure without labels in Å."""
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
        """Return the scalar properties in their given units, or what is wrong with one."""
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
                return {}, "no finite stress, which frame 0 has (stress=False imports without)"
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
    """Return the names of all data of a frame, for a message."""
    results = getattr(frame.calc, "results", {})
    info = [name for name in frame.info if name != FAULT]
    names = [*results, *info, *(n for n in frame.arrays if n not in ("numbers", "positions"))]
    return ", ".join(names) or "no labels at all"
