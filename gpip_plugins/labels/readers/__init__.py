"""Readers of labelled data, one file per format.

A new format is one file in this folder with a class of `Reader`, and one line in `READERS`.
"""

from typing import Final

from gpip_plugins.errors import InputError
from gpip_plugins.labels.readers.deepmd import DeepmdFolder
from gpip_plugins.labels.readers.reader import FAULT, Reader
from gpip_plugins.labels.readers.structure_file import StructureFile
from gpip_plugins.labels.readers.vasp import VaspFolder

__all__ = ["FAULT", "READERS", "Reader", "reader_of"]

#: The first that fits is taken; `StructureFile`, which takes every file, stays behind all others.
READERS: Final[tuple[Reader, ...]] = (
    DeepmdFolder(),
    VaspFolder(),
    StructureFile(),
)


def reader_of(path: str) -> Reader:
    """Return the reader of a file or folder.

    Args:
        path: absolute path.

    Raises:
        InputError: for a folder in an unknown format.

    Example:
        >>> reader_of(__file__).name
        'a file that ASE reads'
    """
    for reader in READERS:
        if reader.fits(path):
            return reader
    raise InputError(
        f"source={path} is in none of the formats that are read: "
        f"{'; '.join(reader.name for reader in READERS)}."
    )
