"""Read structures with ASE, also from compressed files, and check them."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator

import ase.io
import numpy as np
from ase import Atoms
from ase.io.formats import filetype, get_compression, open_with_compression

from gpip_plugins.errors import InputError

__all__ = ["check_structure", "flat_cells", "read_structures", "structure_format"]


def flat_cells(cells: np.ndarray, pbc: np.ndarray) -> np.ndarray:
    """Return which systems are periodic but have no cell of three vectors that span a volume.

    Systems with one or two periodic directions also need all three vectors: SchNetPack's search for
    neighbours (`MatScipyNeighborList`) replaces a cell without volume by the box around the atoms,
    keeps it periodic, and so finds wrong pairs.

    Args:
        cells: cell vectors in Å, shape (n_systems, 3, 3).
        pbc: periodic directions, shape (n_systems, 3).

    Returns:
        True for systems with such a cell, shape (n_systems,).

    Example:
        >>> slab = np.diag([4.0, 4.0, 0.0])
        >>> flat_cells(np.stack([slab, slab]), np.array([[True, True, False], [False] * 3]))
        array([ True, False])
    """
    with np.errstate(invalid="ignore"):  # vectors that are not finite span no volume
        volumes = np.abs(np.linalg.det(cells))
    lengths = np.linalg.norm(cells, axis=2).prod(axis=1)
    # 1e-6 Å^3 is SchNetPack's bound; the other bound finds vectors that are almost parallel.
    flat = ~((volumes > 1e-6) & (volumes > 1e-6 * lengths))
    return flat & pbc.any(axis=1)


#: Message about such systems.
FLAT_CELL = (
    "is periodic, but its three cell vectors span no volume (one is zero or lies along others); "
    "give all three vectors, also where only one or two directions are periodic, or set pbc to "
    "F F F"
)


def check_structure(atoms: Atoms, where: str) -> None:
    """Check that energy and forces of a structure can be computed.

    Args:
        atoms: the structure, in Å.
        where: file and number of the structure, the beginning of the sentence.

    Raises:
        InputError: for a structure without atoms, with positions that are not finite, or periodic
            without a cell of three vectors that span a volume.
    """
    if not len(atoms):
        raise InputError(f"{where} has no atoms; remove it from the file.")
    finite = np.isfinite(atoms.positions).all(axis=1)
    if not finite.all():
        raise InputError(
            f"{where} has a position that is not finite, of atom {int(finite.argmin())}; repair or "
            "remove the structure."
        )
    if flat_cells(atoms.cell.array[None], atoms.pbc[None])[0]:
        raise InputError(f"{where} {FLAT_CELL}.")


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
