"""Read structures with ASE, also from compressed files."""

import contextlib
import os
import re
import shutil
import tempfile
import warnings
from collections.abc import Iterator, Sequence

import ase.io
from ase import Atoms
from ase.io.formats import filetype, get_compression, open_with_compression

from gpip_plugins.errors import InputError
from gpip_plugins.io.elements import check_elements, element_options

__all__ = ["read_structures", "structure_format"]


def structure_format(path: str) -> str:
    """Return ASE's name of the format of a file, for example `extxyz`.

    Args:
        path: absolute path of the file.

    Raises:
        InputError: if ASE does not recognise the format.
    """
    try:
        return _format(path)
    except Exception as error:  # unknown type, damaged compression, empty file
        raise InputError(f"{path} cannot be read ({reason(error)}); give extended XYZ.") from None


def read_structures(path: str, elements: Sequence[str] | None = None) -> Iterator[Atoms]:
    """Yield the structures of a file that ASE reads.

    ASE seeks back and forth between frames. In a compressed file every step back starts again at
    the beginning, so that the time grows with the square of the number of frames; such a file is
    therefore first unpacked to a temporary file.

    Args:
        path: absolute path of the file.
        elements: elements of the types of LAMMPS, from type 1 on; None if the caller has no such
            setting.

    Raises:
        InputError: when reading fails; the message states the frame. For a file that does not state
            its elements.
    """
    number = 0
    with contextlib.ExitStack() as stack:
        try:
            inner, compression = get_compression(path)
            if compression is not None:
                folder = stack.enter_context(tempfile.TemporaryDirectory())
                plain = os.path.join(folder, os.path.basename(inner))
                with open_with_compression(path, "rb") as packed, open(plain, "wb") as unpacked:
                    shutil.copyfileobj(packed, unpacked)
            else:
                plain = path
            kind = _format(plain)
            options = element_options(path, kind, elements)
            for frame in _quietly(ase.io.iread(plain, index=":", format=kind, **options)):
                check_elements(frame, kind, elements, f"Frame {number} of {path}")
                yield frame
                number += 1
        except (InputError, GeneratorExit):
            raise
        except Exception as error:  # ASE's readers raise exceptions of any kind
            raise InputError(
                f"{path} cannot be read at frame {number} ({reason(error)}); repair or convert it."
            ) from None


def _quietly(frames: Iterator[Atoms]) -> Iterator[Atoms]:
    """Yield frames without ASE's announcements to programmers, as for FHI-aims."""
    while True:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            warnings.simplefilter("ignore", DeprecationWarning)
            frame = next(frames, None)
        if frame is None:
            return
        yield frame


def _format(path: str) -> str:
    """Return ASE's name of a format; ASE does not recognise data files of LAMMPS."""
    with open_with_compression(path, "rb") as file:
        head = file.read(2000)
    lammps = all(re.search(rb"(?m)^\s*\d+\s+" + w, head) for w in (rb"atoms\b", rb"atom types\b"))
    kind = "lammps-data" if lammps else filetype(path)
    if kind == "espresso-out" and b"PWSCF" not in head:  # ASE takes any file in .out for it
        raise ValueError("an output of none of the known programs")
    return kind


def reason(error: Exception) -> str:
    """Return type and text of an exception on one line."""
    text = " ".join(str(error).split()) or "no details"
    return f"{type(error).__name__}: {text}"
