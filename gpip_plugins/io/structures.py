"""Read structures with ASE, also from compressed files."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator

import ase.io
from ase import Atoms
from ase.io.formats import filetype, get_compression, open_with_compression

from gpip_plugins.errors import InputError

__all__ = ["read_structures", "structure_format"]


def structure_format(path: str) -> str:
    """Return ASE's name of the format of a file, for example `extxyz`.

    Args:
        path: absolute path of the file.

    Raises:
        InputError: if ASE does not recognise the format.
    """
    try:
        return filetype(path)
    except Exception as error:  # unknown type, damaged compression, empty file
        raise InputError(f"{path} cannot be read ({reason(error)}); give extended XYZ.") from None


def read_structures(path: str) -> Iterator[Atoms]:
    """Yield the structures of a file that ASE reads.

    ASE seeks back and forth between frames. In a compressed file every step back starts again at
    the beginning, so that the time grows with the square of the number of frames; such a file is
    therefore first unpacked to a temporary file.

    Args:
        path: absolute path of the file.

    Raises:
        InputError: when reading fails; the message states the frame.
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
            for frame in ase.io.iread(plain, index=":"):
                yield frame
                number += 1
        except (InputError, GeneratorExit):
            raise
        except Exception as error:  # ASE's readers raise exceptions of any kind
            raise InputError(
                f"{path} cannot be read at frame {number} ({reason(error)}); repair or convert it."
            ) from None


def reason(error: Exception) -> str:
    """Return type and text of an exception on one line."""
    text = " ".join(str(error).split()) or "no details"
    return f"{type(error).__name__}: {text}"
