"""Turns labelled structures (extended XYZ, or anything that ASE reads) into a SchNetPack database.

The file is read once, frame by frame, and written in one transaction to a temporary file beside
the target, which takes its name only when everything was found right. The database is in eV, Å and
eV/Å whatever the file was in.
"""

import hashlib
import itertools
import os

from schnetpack.data import ASEAtomsData

from gpip_plugins.errors import InputError
from gpip_plugins.io.paths import check_target, existing, resolve, whole_file
from gpip_plugins.labels.frames import Frames, ImportReport, Labels
from gpip_plugins.labels.origin import origin_of
from gpip_plugins.labels.readers.sources import files_of, source_states_its_units
from gpip_plugins.labels.scalars import check_scalars
from gpip_plugins.units import energy_in_ev, forces_in_ev_per_angstrom, length_in_angstrom

__all__ = ["check_paths", "import_labels", "states_its_units"]

CHUNK = 500
ORBITALS = ("homo", "lumo", "gap")


def states_its_units(path: str) -> bool:
    """Tell whether the format of a file fixes the units of its labels, as ASE converts them.

    Extended XYZ has no field for units, and files in kcal/mol are as common as files in eV.

    Args:
        path: file that ASE reads, or folder of labels; relative to where the command was typed.
    """
    return source_states_its_units(resolve(path))


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

    Properties, unless `labels` has no names: `energy` (1,) in eV, `forces` (n_atoms, 3) in eV/Å,
    and where the file has it `stress` (1, 3, 3) in eV/Å^3; scalar properties (1,) in the unit that
    was named. Metadata: source, its SHA-256 and its units.

    Args:
        source: extended XYZ, also gzipped, any file that ASE reads, or a folder of VASP runs or in
            DeePMD-kit's format (see `gpip_plugins.labels.readers.sources`).
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
    report = ImportReport(units=units, scalars=dict(labels.scalars))

    metadata = _metadata(source, units)
    with whole_file(target) as partial:
        frames = Frames(source, labels, factors, skip_unlabelled, report, progress)
        _write(partial, frames, metadata)
        frames.refuse_faults()
        if not accept_implausible:
            report.compared = frames.plausibility.check(units)
            orbitals = {k: v for k, v in frames.scalar_values.items() if k in ORBITALS}
            check_scalars(orbitals, labels.scalars)
    return report


def check_paths(source: str, target: str, overwrite: bool = False) -> None:
    """Check what can be told from the names alone.

    Args:
        source: file with labelled structures.
        target: database to be written.
        overwrite: whether the target may exist.

    Raises:
        InputError: if the source or the target's folder is missing, or the target exists, does not
            end in .db or cannot be written.
    """
    source = existing("SOURCE", source, "name a file with labelled structures")
    check_target(resolve(target), (".db",), overwrite, source)


def _units(source: str, labels: Labels) -> tuple[dict[str, str], dict[str, float]]:
    """Return the units of the file, and what they are in eV, eV/Å and Å."""
    if not labels.wanted:
        distance = labels.distance_unit
        factor = length_in_angstrom(distance, "--distance-unit")
        return {"distance": distance}, {"distance": factor}
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
    digest = hashlib.sha256()
    for path in files_of(source):
        with open(path, "rb") as file:
            while chunk := file.read(1 << 20):
                digest.update(chunk)
    name = os.path.basename(source)
    return {"source": name, "source_sha256": digest.hexdigest(), "source_units": units}


def _write(path: str, frames: Frames, metadata: dict) -> None:
    """Write all frames in one transaction."""
    entries = iter(frames)
    first = next(entries, None)
    if first is None:
        return
    units = {"energy": "eV", "forces": "eV/Ang"} if frames.labels.wanted else {}
    units |= frames.labels.scalars
    if frames.report.stress:
        units["stress"] = "eV/Ang/Ang/Ang"
    database = ASEAtomsData.create(path, distance_unit="Ang", property_unit_dict=units)
    with database.conn:
        for chunk in itertools.batched(itertools.chain([first], entries), CHUNK):
            atoms, values = zip(*chunk, strict=True)
            database.add_systems(list(values), list(atoms), [origin_of(a) for a in atoms])
    database.update_metadata(**metadata)
