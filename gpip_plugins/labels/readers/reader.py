"""Interface of the readers of labelled data."""

import lzma
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, ClassVar

from ase import Atoms
from ase.io.formats import open_with_compression

from gpip_plugins.errors import InputError
from gpip_plugins.io.elements import check_names
from gpip_plugins.io.text import open_text

__all__ = ["FAULT", "Reader", "TextOutput", "head_of", "unusable"]

#: Key of `Atoms.info` for the reason why the labels of a frame cannot be used.
FAULT = "_fault"
#: Units of converted frames.
OURS = {"energy_unit": "eV", "forces_unit": "eV/Ang", "distance_unit": "Ang"}


class Reader(ABC):
    """Reader of one format of labelled data; paths are absolute.

    Frames have their labels in the results of an ASE calculator, in `info` or in `arrays`. Their
    origin (see `gpip_plugins.labels.origin`) and `FAULT` are in `info`.

    Args:
        elements: elements of the types 1, 2, ... of a format that numbers its types.
        keys: names that the user gave for energy and forces, for formats with names of their own.

    Attributes:
        notes: sentences for the user about what was left out or chosen; complete after the last
            frame.

    Raises:
        InputError: if `elements` holds a word that is no element, or the format states its
            elements.
    """

    #: Name of the format in messages.
    name: ClassVar[str]
    #: Whether the format numbers the types of its atoms.
    numbers_types: ClassVar[bool] = False

    #: Whether `frames` converts stated units, so that another unit would be a second conversion.
    converts: ClassVar[bool] = True

    def __init__(self, elements: Sequence[str] = (), keys: Sequence[str] = ()):
        self.elements, self.keys = tuple(elements), tuple(keys)
        self.notes: list[str] = []
        check_names(self.elements)
        if self.elements and not self.numbers_types:
            raise InputError(
                f"elements={','.join(self.elements)} is not used: {self.name} states the elements "
                "itself; leave elements out."
            )

    @classmethod
    @abstractmethod
    def fits(cls, path: str) -> bool:
        """Return whether a file or folder is in this format."""

    @abstractmethod
    def frames(self, path: str) -> Iterator[Atoms]:
        """Yield the frames, in eV and Å if the format states its units.

        Raises:
            InputError: when they cannot be read.
        """

    def files(self, path: str) -> list[Path]:
        """Return the files that are read, in a fixed order; the checksum is computed from them."""
        return [Path(path)]

    def states_units(self, path: str) -> bool:
        """Return whether the format defines the units, so that `frames` gives eV and Å."""
        return True

    def check_units(self, path: str, **units: str | None) -> None:
        """Check that no unit is given for a file that states its units.

        Args:
            path: the file or folder.
            units: energy_unit, forces_unit and distance_unit; None is not given.

        Raises:
            InputError: for a unit other than eV, eV/Ang and Ang.
        """
        other = [name for name, unit in units.items() if unit not in (None, OURS[name])]
        if other and self.converts and self.states_units(path):
            raise InputError(
                f"{other[0]}={units[other[0]]} is not used: {os.path.basename(path)} states its "
                f"units and is converted to eV and Ang; leave {other[0]} out."
            )


class TextOutput(Reader):
    """Reader of the output of one program, which is known by a text at its beginning."""

    #: This text.
    mark: ClassVar[bytes]

    @classmethod
    def fits(cls, path: str) -> bool:
        """Return whether the file begins as an output of the program."""
        return cls.mark in head_of(path)

    def frames(self, path: str) -> Iterator[Atoms]:
        """Yield the steps of the output, in eV and Å.

        Raises:
            InputError: when they cannot be read.
        """
        with open_text(path) as file:
            yield from self.steps(file, path)

    @staticmethod
    @abstractmethod
    def steps(file: IO[str], path: str) -> Iterator[Atoms]:
        """Yield the steps of an opened output; its path is for messages."""


def head_of(path: str, size: int = 4000) -> bytes:
    """Return the first bytes of a file, unpacked; empty for a folder or a damaged file.

    Example:
        >>> head_of("missing.xyz")
        b''
    """
    try:
        with open_with_compression(path, "rb") as file:
            return file.read(size)
    except (OSError, EOFError, lzma.LZMAError):
        return b""


def unusable(fault: str) -> Atoms:
    """Return a frame that stands for one without usable labels; its structure has no meaning.

    Args:
        fault: what is wrong, the end of "they have ...".

    Example:
        >>> unusable("an OUTCAR that breaks off").info[FAULT]
        'an OUTCAR that breaks off'
    """
    return Atoms("H", info={FAULT: fault})
