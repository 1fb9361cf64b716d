"""Structures from files: each must be one that can be real."""

from pathlib import Path

import ase

from gpip_plugins.analysis.structure_faults import check_structure
from gpip_plugins.errors import InputError
from gpip_plugins.io.paths import existing
from gpip_plugins.io.structures import read_structures

__all__ = ["read_structures_of"]


def read_structures_of(path: str | Path, most: int) -> list[ase.Atoms]:
    """Read the structures of a file, each of which must be one that can be real.

    Args:
        path: any file that ASE reads; relative to the folder in which the command was typed.
        most: largest number of structures.

    Raises:
        InputError: when the file is missing, empty or unreadable, holds more structures, or holds
            one that cannot be real (`gpip_plugins.analysis.structure_faults`).
    """
    full = existing("structure", path, "give an existing file")
    found = []
    for atoms in read_structures(full):
        where = f"structure={str(path)!r}"
        if len(found) == most:
            raise InputError(
                f"{where} holds more than {most} structure{'s' * (most > 1)}; give a file with "
                "only those that shall be sampled."
            )
        check_structure(atoms, f"{where} (frame {len(found)})")
        found.append(atoms)
    if not found:
        raise InputError(f"structure={str(path)!r} holds no structure; give for example XYZ.")
    return found
