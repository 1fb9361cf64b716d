"""Readers of labelled data, one file per format.

A new format is one file in this folder with a class of `Reader`, and one line in `READERS`.
"""

import itertools
import os
from collections.abc import Sequence
from typing import Final

from gpip_plugins.errors import InputError
from gpip_plugins.labels.readers.aims import AimsOutput
from gpip_plugins.labels.readers.containers import ArrayFile
from gpip_plugins.labels.readers.cp2k import Cp2k
from gpip_plugins.labels.readers.deepmd import DeepmdFolder
from gpip_plugins.labels.readers.orca import OrcaOutput
from gpip_plugins.labels.readers.outputs import OutputFolder
from gpip_plugins.labels.readers.reader import FAULT, Reader
from gpip_plugins.labels.readers.structure_file import StructureFile
from gpip_plugins.labels.readers.vasp import Vasp

__all__ = ["FAULT", "READERS", "Reader", "reader_of"]

#: The first that fits is taken; `StructureFile`, which takes every file, stays behind all others.
READERS: Final[tuple[type[Reader], ...]] = (
    DeepmdFolder,
    Vasp,
    OutputFolder,
    OrcaOutput,
    Cp2k,
    AimsOutput,
    ArrayFile,
    StructureFile,
)


def reader_of(path: str, elements: Sequence[str] = (), keys: Sequence[str] = ()) -> Reader:
    """Return the reader of a file or folder.

    Args:
        path: absolute path.
        elements: elements of the types 1, 2, ..., where the file numbers its types.
        keys: names that the user gave for energy and forces.

    Raises:
        InputError: for a folder in an unknown format or in several; for elements that are not used.

    Example:
        >>> reader_of(__file__).name
        'a file that ASE reads'
    """
    found = (reader for reader in READERS if reader.fits(path))
    # A folder may hold several formats; of a file the first one counts.
    fitting = list(found if os.path.isdir(path) else itertools.islice(found, 1))
    if not fitting:
        raise InputError(
            f"source={path} is in none of the formats that are read: "
            f"{'; '.join(reader.name for reader in READERS)}."
        )
    if len(fitting) > 1:
        raise InputError(
            f"source={path} holds {' and '.join(reader.name for reader in fitting)}; name a folder "
            "with one of them."
        )
    return fitting[0](elements, keys)
