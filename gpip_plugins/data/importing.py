"""Turns labelled structures (extended XYZ, or anything that ASE reads) into a SchNetPack database.

The file is read once, frame by frame, and written in one transaction to a temporary file beside
the target, which takes its name only when everything was found right. The database is in eV, Å and
eV/Å whatever the file was in.
"""

import hashlib
import itertools
import os
import sqlite3
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from ase import Atoms
from ase.stress import voigt_6_to_full_3x3_stress
from schnetpack.data import ASEAtomsData
from tqdm import tqdm

from gpip_plugins.data.plausibility import Plausibility
from gpip_plugins.data.structures import read_structures, structure_format
from gpip_plugins.errors import InputError
from gpip_plugins.paths import resolve
from gpip_plugins.units import energy_in_ev, forces_in_ev_per_angstrom, length_in_angstrom

__all__ = ["ImportReport", "Labels", "check_paths", "import_labels", "states_its_units"]

# Formats that leave the units to whoever wrote the file; ASE converts all others to eV and Å.
WITHOUT_UNITS = ("extxyz", "xyz")
CHUNK = 500


@dataclass(frozen=True)
class Labels:
    """Where the labels stand in the file and in which units.

    Args:
        energy_key: name of the energy, in the results of ASE's calculator or in `info`.
        forces_key: name of the forces, in the results of ASE's calculator or in `arrays`.
        energy_unit: None takes the unit that the file states, see `states_its_units`.
        forces_unit: None is energy unit per distance unit.
        distance_unit: unit of the positions and the cell; Å by the definition of the XYZ format.
        stress: whether to import a stress; taken to be in energy unit per cubed distance unit.
    """

    energy_key: str = "energy"
    forces_key: str = "forces"
    energy_unit: str | None = None
    forces_unit: str | None = None
    distance_unit: str = "Ang"
    stress: bool = True


@dataclass
class ImportReport:
    """What an import did: number of frames written and left out, and the units that were read."""

    written: int = 0
    skipped: dict[str, list[int]] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)
    stress: bool = False

    def __str__(self) -> str:
        """Return what the user is told at the end."""
        units = f"{self.units['energy']}, {self.units['forces']}, {self.units['distance']}"
        text = f"{self.written} frames written in eV, eV/Ang, Ang (the file was in {units})"
        text += ", with stress" if self.stress else ""
        for reason, numbers in self.skipped.items():
            text += f"; {len(numbers)} left out because they have {reason} ({listing(numbers)})"
        return text + "."


def states_its_units(path: str) -> bool:
    """Tell whether the format of a file fixes the units of its labels, as ASE converts them.

    Extended XYZ has no field for units, and files in kcal/mol are as common as files in eV.

    Args:
        path: file that ASE reads; relative to where the command was typed.
    """
    return structure_format(resolve(path)) not in WITHOUT_UNITS


def import_labels(
    source: str,
    target: str,
    labels: Labels | None = None,
    skip_unlabelled: bool = False,
    accept_implausible: bool = False,
    overwrite: bool = False,
    progress: bool = True,
) -> ImportReport:
    """Write the structures and labels of a file as a SchNetPack database.

    Properties: `energy` (1,) in eV, `forces` (n_atoms, 3) in eV/Å, and where the file has it
    `stress` (1, 3, 3) in eV/Å^3. Metadata: source, its SHA-256 and its units.

    Args:
        source: extended XYZ, also gzipped, or any file that ASE reads.
        target: name of the database, ending in .db.
        labels: names and units of the labels.
        skip_unlabelled: leave out frames whose labels are missing or not finite, instead of
            refusing the file.
        accept_implausible: write the database although its numbers look like other units.
        overwrite: replace an existing database.
        progress: show a progress bar (only on a terminal).

    Raises:
        InputError: for a file that cannot be read, missing units, missing or non-finite labels,
            a periodic cell without volume, implausible numbers, an existing target.
    """
    labels = labels or Labels()
    source, target = resolve(source), resolve(target)
    check_paths(source, target, overwrite)
    units, factors = _units(source, labels)
    report = ImportReport(units=units)

    partial = _temporary_beside(target)
    try:
        frames = Frames(source, labels, factors, skip_unlabelled, report, progress)
        _write(partial, frames, _metadata(source, units))
        frames.refuse_faults()
        if not accept_implausible:
            frames.plausibility.check(units)
        os.replace(partial, target)
    except (OSError, sqlite3.Error) as error:
        raise InputError(
            f"Writing {target} failed ({error}); mend the space or the permissions of its folder."
        ) from None
    finally:
        for leftover in (partial, f"{partial}-journal", f"{partial}.lock"):
            if os.path.exists(leftover):
                os.remove(leftover)
    return report


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
        self.n_frames = 0
        self.found_names: str = ""

    def __iter__(self) -> Iterator[tuple[Atoms, dict[str, np.ndarray]]]:
        """Yield structures and their properties as `ASEAtomsData.add_systems` takes them."""
        bar = tqdm(
            read_structures(self.source),
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
            self.plausibility.add(number, atoms, float(values["energy"][0]), values["forces"])
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
                f"frame carries {self.found_names}: name the labels with --energy-key and "
                "--forces-key."
            )
        if faults and not self.skip:
            n_faulty = sum(len(numbers) for numbers in faults.values())
            raise InputError(
                f"{n_faulty} of the {self.n_frames} frames of {name} cannot be used: {found}; "
                "repair them or leave them out with --skip-unlabelled."
            )

    def _structure(self, number: int, frame: Atoms) -> Atoms:
        """Return the bare structure in Å."""
        where = f"Frame {number} of {os.path.basename(self.source)} (counted from 0)"
        scale = self.factors["distance"]
        if not len(frame):
            raise InputError(f"{where} has no atoms; remove it from the file.")
        if not np.isfinite(frame.positions).all():
            raise InputError(f"{where} has positions that are not finite; repair or remove it.")
        if frame.pbc.any() and frame.cell.volume < 1e-6:
            raise InputError(
                f"{where} is periodic, but its cell has a dimension of zero; give all three cell "
                "vectors or set pbc to F F F."
            )
        cell = frame.cell.array * scale
        return Atoms(frame.numbers, frame.positions * scale, cell=cell, pbc=frame.pbc)

    def _values(self, number: int, frame: Atoms) -> tuple[dict[str, np.ndarray], str]:
        """Return the labels in eV and Å, or what is wrong with them."""
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
    names = [*results, *frame.info, *(n for n in frame.arrays if n not in ("numbers", "positions"))]
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


def check_paths(source: str, target: str, overwrite: bool = False) -> None:
    """Check what can be told from the names alone.

    Args:
        source: file with labelled structures.
        target: database to be written.
        overwrite: whether the target may exist.

    Raises:
        InputError: if the source or the target's folder is missing, or the target exists or does
            not end in .db.
    """
    source, target = resolve(source), resolve(target)
    if not os.path.isfile(source):
        raise InputError(f"{source} does not exist; name a file with labelled structures.")
    if not target.endswith(".db"):
        raise InputError(f"{target} must end in .db, the ending of an ASE database; rename it.")
    if os.path.exists(target) and (not overwrite or os.path.samefile(source, target)):
        raise InputError(f"{target} exists already; name another target or add --force.")
    if not os.path.isdir(os.path.dirname(target)):
        raise InputError(f"The folder of {target} does not exist; make it or name another target.")


def _units(source: str, labels: Labels) -> tuple[dict[str, str], dict[str, float]]:
    """Return the units of the file, and what they are in eV, eV/Å and Å."""
    energy_unit = labels.energy_unit
    if energy_unit is None:
        if not states_its_units(source):
            raise InputError(
                f"{os.path.basename(source)} does not say in which units it is; name them, for "
                "example --energy-unit eV or --energy-unit kcal/mol."
            )
        energy_unit = "eV"
    distance = labels.distance_unit
    units = {
        "energy": energy_unit,
        "distance": distance,
        "forces": labels.forces_unit or f"{energy_unit}/{distance}",
    }
    factors = {
        "energy": energy_in_ev(energy_unit, "--energy-unit"),
        "distance": length_in_angstrom(distance, "--distance-unit"),
        "forces": forces_in_ev_per_angstrom(units["forces"], "--forces-unit"),
    }
    return units, factors


def _metadata(source: str, units: dict[str, str]) -> dict:
    """Return what the database shall say about its origin."""
    with open(source, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"source": os.path.basename(source), "source_sha256": digest, "source_units": units}


def _temporary_beside(target: str) -> str:
    """Return the name of a new file in the folder of the target."""
    folder, name = os.path.split(target)
    try:
        handle, path = tempfile.mkstemp(".db", f".{name}.", folder)
    except OSError as error:
        raise InputError(
            f"The folder {folder} cannot be written ({error.strerror}); name another target or "
            "mend its permissions or space."
        ) from None
    os.close(handle)
    os.remove(path)
    return path


def _write(path: str, frames: Frames, metadata: dict) -> None:
    """Write all frames in one transaction."""
    entries = iter(frames)
    first = next(entries, None)
    if first is None:
        return
    units = {"energy": "eV", "forces": "eV/Ang"}
    if frames.report.stress:
        units["stress"] = "eV/Ang/Ang/Ang"
    database = ASEAtomsData.create(path, distance_unit="Ang", property_unit_dict=units)
    with database.conn:
        for chunk in itertools.batched(itertools.chain([first], entries), CHUNK):
            atoms, values = zip(*chunk, strict=True)
            database.add_systems(list(values), list(atoms))
    database.update_metadata(**metadata)
