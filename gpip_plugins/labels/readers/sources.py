"""What labels can be read from: a file, a folder of VASP runs, a folder of DeePMD-kit."""

import os
from collections.abc import Iterator
from pathlib import Path

from ase import Atoms

from gpip_plugins.io.structures import read_structures, structure_format
from gpip_plugins.labels.readers.deepmd import is_deepmd_folder, read_deepmd_folder
from gpip_plugins.labels.readers.vasp import read_vasp_folder, result_files

__all__ = ["files_of", "read_labelled", "source_states_its_units"]

# Formats that leave the units to whoever wrote the file; ASE converts all others to eV and Å.
WITHOUT_UNITS = ("extxyz", "xyz")


def source_states_its_units(path: str) -> bool:
    """Tell whether a source fixes the units of its labels.

    Args:
        path: absolute path of a file or folder.

    Raises:
        InputError: for a file in no format that ASE knows.
    """
    return os.path.isdir(path) or structure_format(path) not in WITHOUT_UNITS


def read_labelled(path: str) -> Iterator[Atoms]:
    """Yield the frames of a source, in the units of the source (folders: eV and Å).

    Args:
        path: absolute path of a file or folder.

    Raises:
        InputError: when it cannot be read.
    """
    if is_deepmd_folder(path):
        return read_deepmd_folder(path)
    return read_vasp_folder(path) if os.path.isdir(path) else read_structures(path)


def files_of(path: str) -> list[Path]:
    """Return the files from which `read_labelled` reads, in its order.

    Args:
        path: absolute path of a file or folder.
    """
    if is_deepmd_folder(path):
        return [Path(path) / "type.raw", *sorted(Path(path).glob("set.*/*.npy"))]
    return result_files(path) if os.path.isdir(path) else [Path(path)]
