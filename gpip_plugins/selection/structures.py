"""Chosen configurations as extended XYZ or as a SchNetPack database, without labels."""

import os
from collections.abc import Sequence
from pathlib import Path

from ase import Atoms
from ase.io import write
from schnetpack.data import ASEAtomsData

from gpip_plugins.data.origin import origin_of

__all__ = ["write_database", "write_extxyz"]


def write_extxyz(frames: Sequence[Atoms], target: str) -> None:
    """Write extended XYZ whole or not at all; the origin stands in the comment lines.

    Args:
        frames: structures in Å.
        target: file to be written.
    """
    part = Path(target).with_name(f".{Path(target).name}.part")
    try:
        write(part, list(frames), format="extxyz")
        os.replace(part, target)
    finally:
        part.unlink(missing_ok=True)


def write_database(frames: Sequence[Atoms], target: str) -> None:
    """Write a database whole or not at all; the origin stands in the key-value pairs.

    Args:
        frames: structures in Å.
        target: database to be written, ending in .db.
    """
    part = Path(target).with_name(f".{Path(target).stem}.frames.part.db")
    part.unlink(missing_ok=True)
    try:
        store = ASEAtomsData.create(str(part), distance_unit="Ang", property_unit_dict={})
        bare = [Atoms(f.numbers, f.positions, cell=f.cell, pbc=f.pbc) for f in frames]
        with store.conn:
            store.add_systems([{} for _ in bare], bare, [origin_of(frame) for frame in frames])
        os.replace(part, target)
    finally:
        part.unlink(missing_ok=True)
