"""Energies and forces of chosen configurations with an ASE calculator, resumable.

Every finished label is committed to a file beside the target; an interrupted run continues after
the last one, and the target appears when all labels are finished.
"""

import copy
import hashlib
import json
import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import fasteners
import numpy as np
from ase import Atoms
from ase.calculators.calculator import BaseCalculator
from tqdm import tqdm

from gpip_plugins import __version__
from gpip_plugins.errors import InputError
from gpip_plugins.io.ase_database import Database
from gpip_plugins.io.database_writer import DatabaseWriter
from gpip_plugins.io.paths import writing
from gpip_plugins.labels.origin import origin_of

__all__ = ["label_frames"]

log = logging.getLogger(__name__)

UNITS = {"energy": "eV", "forces": "eV/Ang"}
#: What a frame may state -> the name under which calculators that take it have it.
STATES = {"total_charge": "charge", "spin_multiplicity": "multiplicity"}


def label_frames(
    frames: Sequence[Atoms],
    calculator: BaseCalculator,
    target: str,
    settings: dict[str, Any],
    progress: bool = True,
) -> dict[str, Any]:
    """Compute and store energy (eV) and forces (eV/Å) of every configuration.

    Every configuration is computed by a new copy of the calculator, so that its label does not
    depend on the configurations before it: a calculator may start from its last density or wave
    function. Total charge and spin multiplicity of a frame (`total_charge` and `spin_multiplicity`
    in its `info`) are given to a calculator that has these parameters.

    A configuration for which the calculator fails, has another charge, or gives numbers that are
    not finite, is left out and reported. Rows hold their origin (see `gpip_plugins.labels.origin`)
    and `seconds`, the core-seconds of the label, including processes that the calculator started.

    Args:
        frames: structures in Å.
        calculator: an ASE calculator of energies and forces, as its constructor returned it. One
            that cannot be copied is reset before every frame, with a warning.
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
            fresh = _source(calculator)
            bar = tqdm(frames, desc="labelling", unit="frame", disable=not progress)
            for number, frame in enumerate(bar):
                if number < done:
                    continue
                failure = _label(store, frame, fresh)
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


def _begun(part: Path, target: str, fingerprint: str) -> DatabaseWriter:
    """Return the database of an interrupted run, or a new one."""
    if part.exists():
        try:
            found = Database(part).metadata.get("fingerprint")
        except InputError:
            found = None  # interrupted while it was created: it holds nothing
        if found == fingerprint:
            return DatabaseWriter(part)
        if found is not None:
            raise InputError(
                f"{part} holds the labels of another selection or calculator, started earlier; "
                f"repeat that command to finish it, delete the file, or give another name than "
                f"{target}."
            )
        part.unlink()
    store = DatabaseWriter(part, UNITS)
    store.update_metadata(fingerprint=fingerprint, failed=[])
    return store


def _core_seconds() -> float:
    """Return the processor time of this process, its threads and its finished children."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _source(calculator: BaseCalculator) -> Callable[[], BaseCalculator]:
    """Return a function that returns a calculator without memory of other frames."""
    try:
        copy.deepcopy(calculator)
        return lambda: copy.deepcopy(calculator)
    except Exception as error:  # open files, processes and libraries raise errors of any kind
        log.warning(
            "%s cannot be copied (%s) and is reset before every frame: its labels depend on the "
            "frames before if it keeps more than results.",
            type(calculator).__name__,
            " ".join(str(error).split()),
        )

    def again() -> BaseCalculator:
        calculator.reset()
        return calculator

    return again


def _set_state(atoms: Atoms, calculator: BaseCalculator) -> None:
    """Give charge and multiplicity of a frame to its calculator.

    Raises:
        ValueError: the calculator was made for another charge or multiplicity.
    """
    parameters = getattr(calculator, "parameters", {})
    for name, parameter in STATES.items():
        if name not in atoms.info or parameter not in parameters:
            continue
        stated, given = int(atoms.info[name]), parameters[parameter]
        if given is None:
            calculator.set(**{parameter: stated})
        elif given != stated:
            raise ValueError(f"its {name} is {stated}, and the calculator has {parameter}={given}")


def _label(store: DatabaseWriter, frame: Atoms, fresh: Callable[[], BaseCalculator]) -> str:
    """Add a row, or return why there is none."""
    atoms = frame.copy()
    start = _core_seconds()
    try:
        atoms.calc = fresh()
        _set_state(atoms, atoms.calc)
        # Forces first: some calculators then have the energy without further cost.
        forces, energy = atoms.get_forces(), atoms.get_potential_energy()
    except Exception as error:  # ASE calculators raise exceptions of any kind
        return " ".join(f"{type(error).__name__}: {error}".split())
    if not (np.isfinite(forces).all() and np.isfinite(energy)):
        return "energy or forces are not finite"
    seconds = _core_seconds() - start
    bare = Atoms(frame.numbers, frame.positions, cell=frame.cell, pbc=frame.pbc)
    store.add(
        bare,
        {"energy": np.array([energy], dtype=float), "forces": np.array(forces, dtype=float)},
        {**origin_of(frame), "seconds": seconds},
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
    seconds = store.sum_of("seconds")
    report = {**settings, "n_labels": n_labels, "failed": failed, "core_seconds": seconds}
    metadata = store.metadata
    del metadata["fingerprint"], metadata["failed"]
    store.metadata = {
        **metadata,
        "labelling": report,
        "level_of_theory": " ".join([settings["teacher"], *settings.get("options", [])]),
        "generator": f"gpip_plugins {__version__}",
    }
    os.replace(part, target)
    return report
