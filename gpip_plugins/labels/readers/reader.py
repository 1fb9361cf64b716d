"""What a reader of labelled data does."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from ase import Atoms

__all__ = ["FAULT", "Reader"]

#: Key of `Atoms.info` under which a frame says why its labels cannot be used.
FAULT = "_fault"


class Reader(ABC):
    """Reads one format of labelled data; paths are absolute.

    Frames carry their labels in the results of an ASE calculator, in `info` or in `arrays`. Where
    they come from (see `gpip_plugins.labels.origin`) and `FAULT` stand in `info`.
    """

    #: what messages call the format
    name: ClassVar[str]

    @abstractmethod
    def fits(self, path: str) -> bool:
        """Tell whether a file or folder is in this format."""

    @abstractmethod
    def frames(self, path: str) -> Iterator[Atoms]:
        """Yield the frames, in eV and Å if the format states its units.

        Raises:
            InputError: when they cannot be read.
        """

    @abstractmethod
    def files(self, path: str) -> list[Path]:
        """Return the files that are read, in a fixed order; the labels' checksum is theirs."""

    def states_units(self, path: str) -> bool:
        """Tell whether the format fixes the units, so that `frames` gives eV and Å."""
        return True
