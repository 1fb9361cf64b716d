"""Formats of chosen configurations, for programs that label them.

A new format is one file in this folder with a function of frames and target, and one line in
`WRITERS`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from ase import Atoms
from hydra.utils import get_method

__all__ = ["WRITERS", "Writer"]


@dataclass(frozen=True)
class Writer:
    """One format.

    Args:
        function: import path of a function of frames (structures in Å), the path of the target, and
            `settings`.
        target: default name of the file or folder.
        endings: allowed suffixes of the name; none for a folder.
        text: message after writing; `{chosen}` is replaced by the number of configurations.
        settings: names of further parameters that the user may set.
    """

    function: str
    target: str
    endings: tuple[str, ...]
    text: str = "{chosen}, without labels (Ang)"
    settings: tuple[str, ...] = ()

    def write(self, frames: Sequence[Atoms], target: str, **settings: Any) -> None:
        """Write a complete file or folder of structures, or none."""
        get_method(self.function)(frames, target, **settings)


_HERE = __name__
WRITERS: Final[dict[str, Writer]] = {
    "extxyz": Writer(f"{_HERE}.structures.write_extxyz", "selected.xyz", (".xyz", ".extxyz")),
    "db": Writer(f"{_HERE}.structures.write_database", "selected.db", (".db",)),
    "vasp": Writer(
        f"{_HERE}.vasp.write_vasp",
        "selected_vasp",
        (),
        "VASP input of {chosen}; its README says what to do",
        ("vacuum",),
    ),
}
