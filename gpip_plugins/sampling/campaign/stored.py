"""Settings stored in a sampled database, and checks of the database and its folder."""

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from gpip_plugins.errors import InputError
from gpip_plugins.io.ase_database import Database
from gpip_plugins.sampling.campaign.database import bytes_needed
from gpip_plugins.sampling.campaign.plan import CoveredSystem, Plan
from gpip_plugins.sampling.seeds import fingerprint
from gpip_plugins.sampling.settings import SamplingSettings
from gpip_plugins.sampling.systems.box import Box

__all__ = ["check_folder", "compare", "record"]


def record(settings: SamplingSettings, covered: Sequence[CoveredSystem]) -> dict[str, Any]:
    """Return everything that determines the frames, by the names of the settings.

    Args:
        settings: settings of the sampling.
        covered: the systems with their force fields.
    """
    boxes = [system for system, *_ in covered if system.cell is not None]
    return {
        "systems": {system.name: system.source for system, *_ in covered},
        "force_field": settings.force_field,
        "force_fields": {system.name: force_field.name for system, force_field, _ in covered},
        "n_frames": settings.schedule.n_frames,
        "temperatures": list(settings.schedule.temperatures),
        "sampling_interval": settings.schedule.sampling_interval,
        "equilibration": settings.schedule.equilibration,
        "replicas": settings.schedule.replicas,
        "time_step": settings.dynamics.time_step,
        "friction": settings.dynamics.friction,
        "min_difference": settings.output.min_difference,
        "seed": settings.seed,
        "preparation": asdict(settings.preparation) if boxes else None,
        "cells": {box.name: _geometry(box) for box in boxes},
    }


def _geometry(box: Box) -> str:
    """Return what distinguishes boxes of one composition: edges and positions.

    Before packing all molecules are at the origin; then the seed determines the positions.
    """
    edges = " x ".join(f"{edge:.3f}" for edge in np.linalg.norm(box.cell, axis=1))
    structure = fingerprint(box.cell.round(6).tolist(), box.positions.round(6).tolist())
    return f"{edges} Å ({structure})"


def compare(datapath: Path, recorded: dict[str, Any]) -> None:
    """Check that a database was made with some settings.

    Args:
        datapath: the database.
        recorded: result of `record` for the settings.

    Raises:
        InputError: when it was made with other settings or another program, or rows are missing.
    """
    database = Database(datapath, remedy="delete it or choose another datapath")
    stored = database.metadata.get("sampling")
    if stored is None:
        raise InputError(
            f"datapath={str(datapath)!r} was not sampled by ClassicalMD; choose another datapath, "
            "or read it with data=custom."
        )
    for name, value in recorded.items():
        there = stored.get(name)
        if there != value:
            raise InputError(
                f"datapath={str(datapath)!r} was sampled with {name}={there}, but "
                f"{name}={value} is requested; choose another datapath, delete the file, or use "
                f"{name}={there}."
            )
    expected = database.metadata["n_rows"]
    if len(database) != expected:
        raise InputError(
            f"datapath={str(datapath)!r} holds {len(database)} rows instead of {expected}; delete "
            "the file to sample it again."
        )


def check_folder(folder: Path, plan: Plan) -> None:
    """Check that a folder can hold the data.

    Args:
        folder: folder of database and shards; it is created.
        plan: the tasks to be run.

    Raises:
        InputError: when the folder cannot be written, or the disk is too full.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise InputError(
            f"the folder {str(folder)!r} of datapath cannot be written ({error.strerror}); choose "
            "a datapath in another folder."
        ) from error
    n_frames = sum(task.n_frames for task in plan.trajectories)
    n_atoms = max(len(task.system.numbers) for task in plan.trajectories)
    needed = bytes_needed(n_frames, n_atoms)
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise InputError(
            f"n_frames={n_frames} needs about {needed / 1e6:.0f} MB in "
            f"{str(folder)!r}, where {free / 1e6:.0f} MB are free; free some space, choose another "
            "datapath or fewer frames."
        )
