"""Interface of the readers of labelled data."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from ase import Atoms

__all__ = ["FAULT", "Reader"]

#: Key of `Atoms.info` for the reason why the labels of a frame cannot be used.
FAULT = "_fault"


class Reader(ABC):
    """Reader of one format of labelled data; paths are absolute.

    Frames have their labels in the results of an ASE calculator, in `info` or in `arrays`. Their
    origin (see `gpip_plugins.labels.origin`) and `FAULT` are in `info`.
    """

    #: Name of the format in messages.
    name: ClassVar[str]

    @abstractmethod
    def fits(self, path: str) -> bool:
        """Return whether a file or folder is in this format."""

    @abstractmethod
    def frames(self, path: str) -> Iterator[Atoms]:
        """Yield the frames, in eV and Å if the format states its units.

        Raises:
            InputError: when they cannot be read.
        """

    @abstractmethod
    def files(self, path: str) -> list[Path]:
        """Return the files that are read, in a fixed order; the checksum is computed from them."""

    def states_units(self, path: str) -> bool:
        """Return whether the format defines the units, so that `frames` gives eV and Å."""
        return True
