"""Energies and forces of chosen configurations with an ASE calculator, resumable.

Every finished label is committed to a file beside the target; an interrupted run continues after
the last one, and the target appears when all labels are finished.
"""

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import fasteners
import numpy as np
from ase import Atoms
from ase.calculators.calculator import BaseCalculator
from schnetpack.data import ASEAtomsData
from tqdm import tqdm

from gpip_plugins import __version__
from gpip_plugins.errors import InputError
from gpip_plugins.io.ase_database import Database
from gpip_plugins.io.paths import writing
from gpip_plugins.labels.origin import origin_of

__all__ = ["label_frames"]

UNITS = {"energy": "eV", "forces": "eV/Ang"}


def label_frames(
    frames: Sequence[Atoms],
    calculator: BaseCalculator,
    target: str,
    settings: dict[str, Any],
    progress: bool = True,
) -> dict[str, Any]:
    """Compute and store energy (eV) and forces (eV/Å) of every configuration.

    A configuration for which the calculator fails, or gives numbers that are not finite, is left
    out and reported. Rows hold their origin (see `gpip_plugins.labels.origin`) and `seconds`, the
    core-seconds of the label, including processes that the calculator started.

    Args:
        frames: structures in Å.
        calculator: an ASE calculator of energies and forces.
        target: database to be written, ending in .db.
        settings: `teacher` and `options` of the calculator, and how the frames were chosen, for the
            metadata; an interrupted run is taken up only with the same settings and frames.
        progress: show a progress bar.

    Returns:
        The entry `labelling` of the metadata: the settings, `n_labels`, `failed` (origin and reason
        of every configuration left out) and `core_seconds`.

    Raises:
        InputError: when another selection was started under this name, another process writes it,
            the disk is full, or the calculator fails for every configuration.
    """
    part = Path(target).with_name(f".{Path(target).stem}.part.db")
    lock = fasteners.InterProcessLock(part.with_suffix(".lock"))
    if not lock.acquire(blocking=False):
        raise InputError(f"{target} is being written by another process; wait or choose another.")
    try:
        with writing(target):
            store = _begun(part, target, _fingerprint(frames, settings))
            failed: list[dict[str, Any]] = store.metadata["failed"]
            done = len(store) + len(failed)
            bar = tqdm(frames, desc="labelling", unit="frame", disable=not progress)
            for number, frame in enumerate(bar):
                if number < done:
                    continue
                failure = _label(store, frame, calculator)
                if failure:
                    failed.append({**origin_of(frame), "reason": failure})
                    store.update_metadata(failed=failed)
            return _finish(store, part, target, settings, failed)
    finally:
        lock.release()
        Path(lock.path.decode()).unlink(missing_ok=True)


def _fingerprint(frames: Sequence[Atoms], settings: dict[str, Any]) -> str:
    """Return a fingerprint of the frames and the calculator."""
    digest = hashlib.blake2b(json.dumps(settings, sort_keys=True, default=repr).encode())
    for frame in frames:
        for array in (frame.numbers, frame.positions, frame.cell.array, frame.pbc):
            digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _begun(part: Path, target: str, fingerprint: str) -> ASEAtomsData:
    """Return the database of an interrupted run, or a new one."""
    if part.exists():
        try:
            found = Database(part).metadata.get("fingerprint")
        except InputError:
            found = None  # interrupted while it was created: it holds nothing
        if found == fingerprint:
            return ASEAtomsData(str(part))
        if found is not None:
            raise InputError(
                f"{part} holds the labels of another selection or calculator, started earlier; "
                f"repeat that command to finish it, delete the file, or give another name than "
                f"{target}."
            )
        part.unlink()
    store = ASEAtomsData.create(str(part), distance_unit="Ang", property_unit_dict=UNITS)
    store.update_metadata(fingerprint=fingerprint, failed=[])
    return store


def _core_seconds() -> float:
    """Return the processor time of this process, its threads and its finished children."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _label(store: ASEAtomsData, frame: Atoms, calculator: BaseCalculator) -> str:
    """Add a row, or return why there is none."""
    atoms = frame.copy()
    atoms.calc = calculator
    start = _core_seconds()
    try:
        # Forces first: some calculators then have the energy without further cost.
        forces, energy = atoms.get_forces(), atoms.get_potential_energy()
    except Exception as error:  # ASE calculators raise exceptions of any kind
        return " ".join(f"{type(error).__name__}: {error}".split())
    if not (np.isfinite(forces).all() and np.isfinite(energy)):
        return "energy or forces are not finite"
    seconds = _core_seconds() - start
    bare = Atoms(frame.numbers, frame.positions, cell=frame.cell, pbc=frame.pbc)
    store.add_systems(
        [{"energy": np.array([energy], dtype=float), "forces": np.array(forces, dtype=float)}],
        [bare],
        [{**origin_of(frame), "seconds": seconds}],
    )
    return ""


def _finish(store, part: Path, target: str, settings, failed) -> dict[str, Any]:
    """Complete the metadata and rename the database to the target."""
    n_labels = len(store)
    if not n_labels:
        part.unlink()
        raise InputError(
            f"the calculator failed at all {len(failed)} configurations, first with "
            f"{failed[0]['reason']!r}; correct its options or choose another."
        )
    seconds = sum(row.key_value_pairs["seconds"] for row in store.conn.select(include_data=False))
    report = {**settings, "n_labels": n_labels, "failed": failed, "core_seconds": seconds}
    metadata = store.metadata
    del metadata["fingerprint"], metadata["failed"]
    store.conn.metadata = {
        **metadata,
        "labelling": report,
        "level_of_theory": " ".join([settings["teacher"], *settings.get("options", [])]),
        "generator": f"gpip_plugins {__version__}",
    }
    os.replace(part, target)
    return report
