"""Convert labelled structures to a SchNetPack database in eV, Å and eV/Å.

The file is read once, frame by frame, and written in one transaction to a temporary file beside
the target, which is renamed to the target only when all checks have passed.
"""

import hashlib
import itertools
import os
from collections.abc import Iterable
from pathlib import Path

from gpip_plugins.io.ase_database import write_rows
from gpip_plugins.io.paths import check_target, existing, resolve, whole_file
from gpip_plugins.labels.frames import LabelledFrames, OtherProperties
from gpip_plugins.labels.keys_and_units import Labels, factors
from gpip_plugins.labels.readers import FAULT
from gpip_plugins.labels.report import ImportReport
from gpip_plugins.labels.values import OPTIONAL, values_of

__all__ = ["check_paths", "import_labels"]


def import_labels(
    source: str,
    target: str,
    labels: Labels | None = None,
    skip_unlabelled: bool = False,
    accept_implausible: bool = False,
    overwrite: bool = False,
    level_of_theory: str | None = None,
    progress: bool = True,
) -> ImportReport:
    """Write the structures and labels of a file as a SchNetPack database.

    Properties, unless `labels` has no names: `energy` (1,) in eV and `forces` (n_atoms, 3) in eV/Å,
    or one of them if no frame has the other; `stress` (1, 3, 3) in eV/Å^3, `total_charge` (1,) in
    e and `spin_multiplicity` (1,) if every frame has them; scalar properties (1,) in the given
    unit. Metadata: source, its SHA-256, its units and the level of theory. What else the file
    holds is in the report.

    Args:
        source: a file or folder for one of `gpip_plugins.labels.readers`: extended XYZ, also
            gzipped, any other format that ASE reads, folders of VASP runs or of DeePMD-kit.
        target: name of the database, ending in .db.
        labels: names and units of the labels; None takes the defaults.
        skip_unlabelled: leave out frames whose labels are missing or not finite, instead of
            refusing the file.
        accept_implausible: write the database although its numbers look like other units.
        overwrite: replace an existing database.
        level_of_theory: of the labels, such as `PBE0+MBD`; a model that is trained on them has it
            on its card. None if it is not known.
        progress: show a progress bar (only on a terminal).

    Raises:
        InputError: for a file that cannot be read, missing units, missing or non-finite labels,
            a periodic cell without volume, implausible numbers, an existing target.
    """
    labels = labels or Labels()
    source, target = resolve(source), resolve(target)
    check_paths(source, target, overwrite)
    reader = labels.reader(source)
    units = labels.units(source, reader)
    origin = {
        "source": os.path.basename(source),
        "source_sha256": _sha256(reader.files(source)),
        "source_units": units,
    }
    if level_of_theory is not None:
        origin["level_of_theory"] = level_of_theory
    properties = first_properties(source, labels, units)
    while True:
        frames = LabelledFrames(
            source, labels, skip_unlabelled, accept_implausible, progress, properties
        )
        try:
            with whole_file(target, overwrite) as partial:
                rows = iter(frames)
                first = next(rows)  # a file without usable frames raises here
                stored = labels.property_units(properties)
                write_rows(partial, itertools.chain([first], rows), stored, **origin)
            return frames.report
        except OtherProperties as found:
            # A database has the same properties in all rows; start again with those of all frames.
            properties = found.properties


def first_properties(source: str, labels: Labels, units: dict[str, str]) -> frozenset[str]:
    """Return which properties the first labelled frame of a file has.

    A property with a name of its own is taken to be in the file.

    Args:
        source: absolute path.
        labels: names and units of the labels.
        units: units of the file, see `Labels.units`.
    """
    if not labels.wanted:
        return frozenset()
    known = set(labels.wanted) | set(OPTIONAL)
    for frame in labels.reader(source).frames(source):
        found, faults = values_of(frame, labels, units, factors(units))
        there = {name for name in labels.wanted if faults.get(name, "") != f"no {name}"}
        if there and FAULT not in faults:
            if labels.require_stress and "stress" not in found:
                continue
            return frozenset((there | labels.named | set(found)) & known)
    return frozenset(labels.wanted)


def check_paths(source: str, target: str, overwrite: bool = False) -> None:
    """Check source and target by their names, before anything is read.

    Args:
        source: file with labelled structures.
        target: database to be written.
        overwrite: whether the target may exist.

    Raises:
        InputError: if the source or the target's folder is missing, or the target exists, does not
            end in .db or cannot be written.
    """
    source = existing("source", source, "name a file with labelled structures")
    check_target(resolve(target), (".db",), overwrite, source)


def _sha256(files: Iterable[Path]) -> str:
    """Return the SHA-256 of the content of some files in their order."""
    digest = hashlib.sha256()
    for path in files:
        with open(path, "rb") as file:
            while chunk := file.read(1 << 20):
                digest.update(chunk)
    return digest.hexdigest()
