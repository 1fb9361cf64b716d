"""Results of single tasks on disk; each file appears complete or not at all.

A shard is an `.npz` file of arrays and a few facts (time step, cost, explosions). Its name contains
a fingerprint of everything that determines its content, so that shards of different settings are
never confused.
"""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from gpip_plugins.errors import InputError
from gpip_plugins.io.paths import whole_file

__all__ = ["read_facts", "read_shard", "write_shard"]

FACTS = "facts"


def write_shard(path: Path, arrays: dict[str, np.ndarray], facts: dict[str, Any]) -> None:
    """Write a complete shard or none; if several processes write one shard, the last one stays.

    Args:
        path: the file, ending in `.npz`.
        arrays: arrays by name; none may be called `facts`.
        facts: values that can be written as JSON.

    Raises:
        InputError: when the disk is full or the folder cannot be written.
    """
    with whole_file(path) as partial:
        np.savez(partial, **arrays, **{FACTS: np.array(json.dumps(facts))})


def read_shard(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Return the arrays and the facts of a shard.

    Args:
        path: the file.

    Raises:
        InputError: the file is damaged.
    """
    with _stored(path) as stored:
        arrays = {name: stored[name] for name in stored.files if name != FACTS}
        return arrays, json.loads(str(stored[FACTS]))


def read_facts(path: Path) -> dict[str, Any]:
    """Return the facts of a shard without reading its arrays.

    Args:
        path: the file.

    Raises:
        InputError: the file is damaged.
    """
    with _stored(path) as stored:
        return json.loads(str(stored[FACTS]))


@contextlib.contextmanager
def _stored(path: Path) -> Iterator[np.lib.npyio.NpzFile]:
    """Open a shard; name it if it cannot be read."""
    try:
        # np.load leaves a damaged file open, if it opens it itself.
        with open(path, "rb") as file, np.load(file) as stored:
            yield stored
    except Exception as error:  # damaged archives cause exceptions of many kinds
        raise InputError(
            f"{path}, the result of a finished trajectory, is damaged; delete it and start again."
        ) from error
