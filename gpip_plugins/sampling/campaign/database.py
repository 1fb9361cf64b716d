"""Frames as an ASE database in SchNetPack's format."""

import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
from ase import Atoms
from tqdm import tqdm

from gpip_plugins.io.ase_database import Row
from gpip_plugins.io.database_writer import DatabaseWriter
from gpip_plugins.io.paths import whole_file
from gpip_plugins.sampling.campaign.trajectory_task import TrajectoryTask
from gpip_plugins.sampling.dynamics.trajectory import Trajectory

__all__ = ["PROPERTY_UNITS", "bytes_needed", "write_database"]

PROPERTY_UNITS: Final[dict[str, str]] = {
    "energy": "eV",
    "forces": "eV/Ang",
    "temperature": "K",
    "kinetic_temperature": "K",
}


def write_database(
    datapath: str | Path,
    results: Iterable[tuple[TrajectoryTask, Trajectory]],
    metadata: dict[str, Any],
    cost: dict[str, dict[str, float]],
    progress: bool,
) -> None:
    """Write all frames in one transaction; the file appears complete or not at all.

    Every row holds `energy` (1,) in eV, `forces` (n_atoms, 3) in eV/Å, the thermostat's
    `temperature` (1,) and the `kinetic_temperature` (1,) in K, and the key-value pairs `system`,
    `force_field`, `replica` and `total_charge` in e. Boxes have their cell and are periodic in all
    directions.

    Args:
        datapath: the database, ending in `.db`; replaced if it exists.
        results: tasks with their trajectories, in the order of the rows.
        metadata: stored in addition to SchNetPack's metadata; `n_rows` is the number of frames.
        cost: stage -> `core_seconds` and `gpu_seconds`; the stage `writing` is added here, and the
            cost is stored in the metadata.
        progress: show a progress bar.

    Raises:
        InputError: when the disk is full or the folder cannot be written.
    """
    started = time.process_time()
    bar = tqdm(total=metadata["n_rows"], desc="writing", unit="frame", disable=not progress)
    with whole_file(datapath) as partial:
        store = DatabaseWriter(partial, PROPERTY_UNITS)
        with bar, store:
            for task, frames in results:
                for row in _rows(task, frames):
                    store.add(*row)
                bar.update(len(frames))
        seconds = round(time.process_time() - started, 3)
        cost["writing"] = {"core_seconds": seconds, "gpu_seconds": 0.0}
        store.update_metadata(**metadata, cost=cost)


def _rows(task: TrajectoryTask, frames: Trajectory) -> Iterator[Row]:
    """Yield structure, properties and key-value pairs of every frame of a trajectory."""
    place = {} if task.system.cell is None else {"cell": frames.cell, "pbc": True}
    temperature = np.array([task.temperature])
    keys = {
        "system": task.system.name,
        "force_field": task.force_field.name,
        "replica": task.replica,
        "total_charge": int(task.system.charge),
    }
    for k in range(len(frames)):
        properties = {
            "energy": frames.energy[k : k + 1],
            "forces": frames.forces[k],
            "temperature": temperature,
            "kinetic_temperature": frames.kinetic_temperature[k : k + 1],
        }
        yield Atoms(task.system.numbers, frames.positions[k], **place), properties, keys


def bytes_needed(n_frames: int, n_atoms: int) -> int:
    """Estimate the disk space of database and shards (measured: 1.3 kB per row besides arrays).

    Args:
        n_frames: number of frames.
        n_atoms: atoms of the largest molecule.

    Example:
        >>> bytes_needed(n_frames=1000, n_atoms=9)
        2236000
    """
    return n_frames * (1300 + n_atoms * (52 + 52))
