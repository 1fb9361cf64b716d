"""Read structures with ASE, also from compressed files."""

import contextlib
import os
import re
import tempfile
import warnings
from collections.abc import Iterator, Sequence

import ase.io
from ase import Atoms
from ase.io.formats import filetype, get_compression, open_with_compression

from gpip_plugins.errors import InputError
from gpip_plugins.io.elements import check_elements, element_options
from gpip_plugins.io.text import open_text
from gpip_plugins.io.xyz import read_xyz

__all__ = ["read_structures", "structure_format"]

XYZ = ("extxyz", "xyz")
MOST_PACKED, LEAST_LIMIT = 100, 1 << 28  # factor; bytes that are unpacked in any case


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

    XYZ is cut into frames by `io.xyz`, also while it is unpacked. Of other formats ASE seeks back
    and forth between frames; in a compressed file every step back starts again at the beginning, so
    such a file is first unpacked to a temporary file.

    Args:
        path: absolute path of the file; `@` in its name has no meaning.
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
            kind = structure_format(path)
            options = element_options(path, kind, elements)
            if kind in XYZ:
                file = stack.enter_context(open_text(path))
                yield from read_xyz(file, path)
                return
            plain = path
            if compression is not None:
                folder = stack.enter_context(tempfile.TemporaryDirectory())
                plain = os.path.join(folder, os.path.basename(inner))
                _unpack(path, plain)
            for frame in _quietly(
                ase.io.iread(plain, index=":", format=kind, do_not_split_by_at_sign=True, **options)
            ):
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


def _unpack(path: str, target: str) -> None:
    """Unpack a file.

    Raises:
        InputError: if it becomes improbably large.
    """
    limit = max(LEAST_LIMIT, MOST_PACKED * os.path.getsize(path))
    written = 0
    with open_with_compression(path, "rb") as packed, open(target, "wb") as unpacked:
        while chunk := packed.read(1 << 20):
            written += len(chunk)
            if written > limit:
                raise InputError(
                    f"{path} is more than {MOST_PACKED} times larger when unpacked, which no file "
                    "of structures is; unpack it yourself if it is right."
                )
            unpacked.write(chunk)


def reason(error: Exception) -> str:
    """Return type and text of an exception on one line."""
    text = " ".join(str(error).split()) or "no details"
    return f"{type(error).__name__}: {text}"
