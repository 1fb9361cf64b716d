"""Read labelled or unlabelled structures from an ASE database or any file that ASE reads."""

import os
from collections.abc import Iterator

from ase import Atoms
from tqdm import tqdm

from gpip_plugins.analysis.structure_faults import check_structure
from gpip_plugins.errors import InputError
from gpip_plugins.io.ase_database import Database
from gpip_plugins.io.paths import existing
from gpip_plugins.io.structures import read_structures

__all__ = ["read_labelled", "structures_in"]

REMEDY = "name a file with structures"


def structures_in(
    path: str | os.PathLike, name: str, description: str = "reading", progress: bool = True
) -> Iterator[Atoms]:
    """Yield the structures of a file in Å, without their labels, after a check of each.

    Args:
        path: ASE database (in its stated unit of length), or any file that ASE reads.
        name: name of the parameter of the path.
        description: text in front of the progress bar.
        progress: show a progress bar.

    Raises:
        InputError: when the file is missing or cannot be read, or a structure cannot be real.
    """
    full = existing(name, path, REMEDY)
    if full.endswith(".db"):
        database = Database(path, name, REMEDY)
        frames = (database.structure(row) for row in database.rows(description, progress))
    else:
        frames = tqdm(read_structures(full), description, unit="frame", disable=not progress)
    for number, atoms in enumerate(frames):
        check_structure(atoms, f"Structure {number} of {name}={path} (counted from 0)")
        yield atoms


def read_labelled(labels: str | os.PathLike, progress: bool = True) -> list[Atoms]:
    """Read the structures of a labelled data set, without their labels.

    Args:
        labels: ASE database, or any file that ASE reads.
        progress: show a progress bar.

    Returns:
        The structures in Å, in the order of the file.

    Raises:
        InputError: when the file is empty, and as `structures_in`.
    """
    frames = list(structures_in(labels, "labels", "labelled", progress))
    if not frames:
        raise InputError(f"labels={labels} holds no structure; name another file.")
    return frames
