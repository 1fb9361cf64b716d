"""Count the configurations that occur in two sets."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gpip_plugins.analysis.equal_structures import Structures, check_tolerance, shared_structures
from gpip_plugins.analysis.structure_faults import structure_fault
from gpip_plugins.errors import InputError
from gpip_plugins.io.paths import existing
from gpip_plugins.labels.report import listing
from gpip_plugins.report.settings import LEAKAGE_TOLERANCE
from gpip_plugins.report.structures import REMEDY, structures_in
from gpip_plugins.units import length_in_angstrom

if TYPE_CHECKING:
    from schnetpack.data import BaseAtomsData

__all__ = ["Leakage", "check_leakage", "leakage_of_files", "read_file", "structures_of"]


@dataclass
class Leakage:
    """Configurations that a test set shares with training sets.

    Args:
        test: name of the test set.
        total: number of its configurations.
        shared: name of every training set -> pairs of numbers, as returned by `shared_structures`.
    """

    test: str
    total: int
    shared: dict[str, list[tuple[int, int]]]

    @property
    def leaked(self) -> list[int]:
        """Numbers of the test configurations that occur in any training set."""
        return sorted({a for pairs in self.shared.values() for a, _ in pairs})

    def __str__(self) -> str:
        """Return a line for each set, and their union."""
        lines = []
        for name, pairs in self.shared.items():
            which = f" ({listing([a for a, _ in pairs])} of the test set)" if pairs else ""
            lines.append(f"{name}: {len(pairs)} of {self.total}{which}")
        return "\n".join(
            [
                f"{len(self.leaked)} of {self.total} configurations of {self.test} also occur in "
                "the training sets:",
                *(f"  {line}" for line in lines),
            ]
        )


def check_leakage(
    test: Structures, train: Iterable[Structures], tolerance: float = LEAKAGE_TOLERANCE
) -> Leakage:
    """Compare a test set with training sets.

    Args:
        test: set that should be independent.
        train: training sets.
        tolerance: see `shared_structures`.
    """
    shared = {other.name: shared_structures(test, other, tolerance) for other in train}
    return Leakage(test.name, len(test), shared)


def leakage_of_files(
    test: str, train: Sequence[str], tolerance: float = LEAKAGE_TOLERANCE, progress: bool = True
) -> Leakage:
    """Compare the configurations of a file with those of other files.

    Args:
        test: ASE database, or any file that ASE reads.
        train: ASE databases, or any files that ASE reads.
        tolerance: see `shared_structures`.
        progress: show progress bars.

    Raises:
        InputError: for files that are missing, cannot be read, or hold periodic structures.
    """
    check_tolerance(tolerance)
    paths = [existing("test", test, REMEDY), *(existing("train", path, REMEDY) for path in train)]
    if len(set(paths)) < len(paths):
        raise InputError(f"test={test} or another file is named twice; compare different files.")
    first = read_file(test, "test", progress)
    return check_leakage(first, [read_file(p, "train", progress) for p in train], tolerance)


def read_file(path: str, name: str, progress: bool = True) -> Structures:
    """Read all structures of a file.

    Args:
        path: ASE database, or any file that ASE reads.
        name: name of the parameter of the path.
        progress: show a progress bar.

    Raises:
        InputError: if it cannot be read, or holds periodic structures.
    """
    found = structures_in(path, name, progress=progress)
    return Structures(((a.numbers, a.positions, a.pbc) for a in found), path)


def structures_of(dataset: "BaseAtomsData", name: str) -> Structures:
    """Return the structures of a data set of SchNetPack, or of a subset of one.

    Args:
        dataset: data set that states its unit of length.
        name: name of the data set in messages.
    """
    return Structures(_rows(dataset), name)


def _rows(dataset: "BaseAtomsData") -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    # Imported here: files are compared without SchNetPack.
    from schnetpack import properties

    from gpip_plugins.data.memory import InMemoryAtomsData

    scale = length_in_angstrom(dataset.distance_unit or "Ang")
    if isinstance(dataset, InMemoryAtomsData):  # checked when it was read
        for numbers, R, pbc in dataset.structures():
            yield numbers, R * scale, pbc
        return
    for number, row in enumerate(dataset.iter_properties(load_properties=[], load_structure=True)):
        names = (properties.Z, properties.R, properties.cell, properties.pbc)
        numbers, R, cell, pbc = (row[name].numpy() for name in names)
        fault = structure_fault(numbers, R * scale, cell.reshape(3, 3) * scale, pbc)
        if fault is not None:
            raise InputError(f"configuration {number} (counted from 0) of the data {fault}.")
        yield numbers, R * scale, pbc
