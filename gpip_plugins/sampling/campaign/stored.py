"""Checks of where a sampled database is, or will be."""

import shutil
import tempfile
from pathlib import Path
from typing import Any

from ase.db import connect

from gpip_plugins.errors import InputError
from gpip_plugins.sampling.campaign.database import bytes_needed
from gpip_plugins.sampling.campaign.plan import Sampler

__all__ = ["check_folder", "compare"]


def compare(datapath: Path, settings: dict[str, Any]) -> None:
    """Raise `InputError` when a database was not made with these settings.

    Args:
        datapath: the database.
        settings: what was asked for, by the names that the user knows.
    """
    try:
        with connect(datapath, use_lock_file=False) as database:
            metadata = database.metadata
            n_rows = database.count()
    except Exception as error:  # sqlite3, OSError or KeyError, depending on what the file is
        raise InputError(
            f"datapath={str(datapath)!r} is not a readable ASE database "
            f"({type(error).__name__}: {error}); delete it or choose another datapath."
        ) from error
    stored = metadata.get("sampling")
    if stored is None:
        raise InputError(
            f"datapath={str(datapath)!r} was not sampled by ClassicalMD; choose another datapath, "
            "or read it with data=custom."
        )
    stored = _up_to_date(stored)
    for key, value in settings.items():
        there = stored.get(key)
        if there != value:
            raise InputError(
                f"datapath={str(datapath)!r} was sampled with {key}={there}, but "
                f"{key}={value} is asked for; choose another datapath, delete the file, or ask for "
                "what it holds."
            )
    expected = metadata.get("n_rows", settings["n_frames"])
    if n_rows != expected:
        raise InputError(
            f"datapath={str(datapath)!r} holds {n_rows} rows instead of {expected}; delete the "
            "file, and it is sampled again."
        )


def _up_to_date(stored: dict[str, Any]) -> dict[str, Any]:
    """Return settings in today's form; earlier databases had fewer of them."""
    stored = {"min_difference": 0.0} | stored
    if stored.get("preparation") is None:
        stored = {"cells": {}} | stored
    if "molecules" not in stored:
        return stored
    systems = stored["molecules"]
    force_fields = dict.fromkeys(systems, stored["force_field"])
    since = {"force_fields": force_fields, "replicas": 1, "preparation": None}
    return stored | {"systems": systems} | since


def check_folder(folder: Path, sampler: Sampler) -> None:
    """Raise `InputError` when a folder cannot take the data.

    Args:
        folder: where database and shards go; it is created.
        sampler: what will be run.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise InputError(
            f"the folder {str(folder)!r} of datapath cannot be written ({error.strerror}); choose "
            "a datapath in a folder of yours."
        ) from error
    n_atoms = max(len(system.numbers) for system in sampler.systems)
    needed = bytes_needed(sampler.schedule.n_frames, n_atoms)
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise InputError(
            f"n_frames={sampler.schedule.n_frames} needs about {needed / 1e6:.0f} MB in "
            f"{str(folder)!r}, where {free / 1e6:.0f} MB are free; free some space, choose another "
            "datapath or fewer frames."
        )
