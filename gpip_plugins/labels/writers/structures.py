"""Chosen configurations as extended XYZ or as a SchNetPack database, without labels."""

from collections.abc import Sequence

from ase import Atoms
from ase.io import write

from gpip_plugins.io.ase_database import write_rows
from gpip_plugins.io.paths import whole_file
from gpip_plugins.labels.origin import origin_of

__all__ = ["write_database", "write_extxyz"]


def write_extxyz(frames: Sequence[Atoms], target: str) -> None:
    """Write a complete extended XYZ file or none; the origin is in the comment lines.

    Args:
        frames: structures in Å.
        target: file to be written.
    """
    with whole_file(target) as part:
        write(part, list(frames), format="extxyz")


def write_database(frames: Sequence[Atoms], target: str) -> None:
    """Write a complete database or none; the origin is in the key-value pairs.

    Args:
        frames: structures in Å.
        target: database to be written, ending in .db.
    """
    bare = (Atoms(f.numbers, f.positions, cell=f.cell, pbc=f.pbc) for f in frames)
    rows = ((atoms, {}, origin_of(f)) for atoms, f in zip(bare, frames, strict=True))
    with whole_file(target) as part:
        write_rows(part, rows, {})
