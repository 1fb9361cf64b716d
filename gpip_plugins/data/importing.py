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

from schnetpack.data import ASEAtomsData

from gpip_plugins.data.labelled_frames import Frames, ImportReport, Labels
from gpip_plugins.data.structures import structure_format
from gpip_plugins.errors import InputError
from gpip_plugins.paths import resolve
from gpip_plugins.units import energy_in_ev, forces_in_ev_per_angstrom, length_in_angstrom

__all__ = ["check_paths", "import_labels", "states_its_units"]

# Formats that leave the units to whoever wrote the file; ASE converts all others to eV and Å.
WITHOUT_UNITS = ("extxyz", "xyz")
CHUNK = 500


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
