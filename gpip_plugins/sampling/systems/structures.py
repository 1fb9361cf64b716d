"""Structures from files: each must be one that can be real."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import ase

from gpip_plugins.analysis.structure_faults import check_structure
from gpip_plugins.errors import InputError
from gpip_plugins.io.paths import existing
from gpip_plugins.io.structures import read_structures

__all__ = ["first_structure", "read_structures_of"]


def first_structure(path: str | Path) -> ase.Atoms:
    """Read the first structure of a file; the others are not read.

    Args:
        path: as for `read_structures_of`.

    Raises:
        InputError: as `read_structures_of`.
    """
    return next(_structures(path))


def read_structures_of(path: str | Path, most: int) -> list[ase.Atoms]:
    """Read the structures of a file, each of which must be one that can be real.

    Args:
        path: any file that ASE reads; relative to the folder in which the command was typed.
        most: largest number of structures.

    Raises:
        InputError: when the file is missing, empty or unreadable, holds more structures, or holds
            one that cannot be real (`gpip_plugins.analysis.structure_faults`).
    """
    found = list(islice(_structures(path), most + 1))
    if len(found) > most:
        raise InputError(
            f"structure={str(path)!r} holds more than {most} structures; give a file with only "
            "those that shall be sampled."
        )
    return found


def _structures(path: str | Path) -> Iterator[ase.Atoms]:
    """Yield the structures of a file, each checked."""
    full = existing("structure", path, "give an existing file")
    number = -1
    for number, atoms in enumerate(read_structures(full)):
        check_structure(atoms, f"structure={str(path)!r} (frame {number})")
        yield atoms
    if number < 0:
        raise InputError(f"structure={str(path)!r} holds no structure; give for example XYZ.")
