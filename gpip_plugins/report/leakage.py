"""Reads two sets of configurations, and says how many occur in both."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from ase.db import connect
from schnetpack import properties
from schnetpack.data import BaseAtomsData
from tqdm import tqdm

from gpip_plugins.analysis.equal_structures import Structures, check_tolerance, shared_structures
from gpip_plugins.data.checks import check_database
from gpip_plugins.data.memory import InMemoryAtomsData
from gpip_plugins.errors import InputError
from gpip_plugins.io.ase_database import Database
from gpip_plugins.io.paths import existing, resolve
from gpip_plugins.io.structures import read_structures
from gpip_plugins.labels.frames import listing
from gpip_plugins.units import length_in_angstrom

__all__ = ["Leakage", "check_leakage", "leakage_of_files", "read_file", "structures_of"]


@dataclass
class Leakage:
    """What a test set shares with sets that were learned from.

    Args:
        test: name of the test set.
        total: its configurations.
        shared: name of every other set to pairs of numbers, as `shared_structures` returns them.
    """

    test: str
    total: int
    shared: dict[str, list[tuple[int, int]]]

    @property
    def leaked(self) -> list[int]:
        """Numbers of the test configurations that occur in any of the other sets."""
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
                "what was learned from:",
                *(f"  {line}" for line in lines),
            ]
        )


def check_leakage(
    test: Structures, others: Iterable[Structures], tolerance: float = 1e-3
) -> Leakage:
    """Compare a test set with others.

    Args:
        test: set that shall be independent.
        others: sets that were learned from.
        tolerance: see `shared_structures`.
    """
    shared = {other.name: shared_structures(test, other, tolerance) for other in others}
    return Leakage(test.name, len(test), shared)


def leakage_of_files(
    test: str, others: Sequence[str], tolerance: float = 1e-3, progress: bool = True
) -> Leakage:
    """Compare the configurations of a file with those of others.

    Args:
        test: database of SchNetPack, or any file that ASE reads.
        others: likewise.
        tolerance: see `shared_structures`.
        progress: show progress bars.

    Raises:
        InputError: for files that are missing, cannot be read, or hold periodic structures.
    """
    check_tolerance(tolerance)
    paths = [existing("DATA", path, "name a file with structures") for path in (test, *others)]
    if len(set(paths)) < len(paths):
        raise InputError(f"{test} or another file is named twice; compare different files.")
    first, *rest = (read_file(path, progress) for path in paths)
    return check_leakage(first, rest, tolerance)


def read_file(path: str, progress: bool = True) -> Structures:
    """Read all structures of a file.

    Args:
        path: database of SchNetPack, or any file that ASE reads.
        progress: show a progress bar.

    Raises:
        InputError: if it cannot be read, or holds periodic structures.
    """
    full = resolve(path)
    if full.endswith(".db"):
        check_database(full, None, None)
        scale = Database(full).scale
        with connect(full, use_lock_file=False) as database:
            bar = tqdm(database.select(), "reading", database.count(), disable=not progress)
            found = ((row.numbers, row.positions * scale, row.pbc) for row in bar)
            return Structures(found, path)
    bar = tqdm(read_structures(full), "reading", disable=not progress)
    return Structures(((a.numbers, a.positions, a.pbc) for a in bar), path)


def structures_of(dataset: BaseAtomsData, name: str) -> Structures:
    """Return the structures of a data set of SchNetPack, or of a part of one.

    Args:
        dataset: in any unit of length that it states.
        name: what messages call it.
    """
    return Structures(_rows(dataset), name)


def _rows(dataset: BaseAtomsData) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    scale = length_in_angstrom(dataset.distance_unit or "Ang")
    if isinstance(dataset, InMemoryAtomsData):
        for numbers, R, pbc in dataset.structures():
            yield numbers, R * scale, pbc
        return
    for row in dataset.iter_properties(load_properties=[], load_structure=True):
        numbers, R, pbc = (row[k].numpy() for k in (properties.Z, properties.R, properties.pbc))
        yield numbers, R * scale, pbc
