"""Open, check, read and write ASE databases in Å.

SchNetPack stores data sets as ASE databases whose metadata hold the units. For other files ASE and
SQLite raise exceptions of many kinds; here they become one `InputError`.
"""

import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from ase import Atoms
from ase.db import connect
from ase.db.row import AtomsRow
from tqdm import tqdm

from gpip_plugins.errors import InputError
from gpip_plugins.io.database_writer import DatabaseWriter
from gpip_plugins.io.paths import existing
from gpip_plugins.units import length_in_angstrom

__all__ = ["Database", "Row", "is_schnetpack", "write_rows"]

#: A structure in Å, its labels in the units of the database, and its key-value pairs.
Row = tuple[Atoms, Mapping[str, np.ndarray], Mapping[str, Any]]


class Database:
    """An ASE database that was opened for reading.

    Rows are counted from 0, in the order in which they were written.

    Args:
        path: the file; relative to the folder in which the command was typed.
        name: name of the parameter of the path.
        remedy: what to do if the file is missing or unreadable, without a full stop.

    Attributes:
        path: absolute path.
        metadata: metadata of the database.
        scale: length of its unit of length in Å; 1 if it states none.
        property_units: unit of each label; None if SchNetPack did not write the file.

    Raises:
        InputError: for a file that is missing, is not a database, or has an unknown unit of length;
            while reading, for a row that cannot be read.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with connect(f"{folder}/a.db") as store:
        ...         _ = store.write(Atoms("H2", [[0, 0, 0], [0, 0, 0.74]]))
        ...     database = Database(f"{folder}/a.db")
        ...     len(database), database.structure(0).get_chemical_formula()
        (1, 'H2')
    """

    def __init__(
        self,
        path: str | os.PathLike,
        name: str = "datapath",
        remedy: str = "name an ASE database",
    ):
        self.path = existing(name, path, remedy)
        self._name, self._remedy = name, remedy
        with self._reading():
            self._store = connect(self.path, use_lock_file=False)
            self.metadata: dict[str, Any] = self._store.metadata
            self._length: int = self._store.count()
            self.property_units: dict[str, str] | None = self.metadata.get("_property_unit_dict")
            unit = self.metadata.get("_distance_unit") or "Ang"
        self.scale = length_in_angstrom(unit, f"the distance unit of {self.path}")

    def __len__(self) -> int:
        """Return the number of rows."""
        return self._length

    def rows(self, description: str = "reading", progress: bool = False) -> Iterator[AtomsRow]:
        """Yield all rows without conversion, in one pass.

        Args:
            description: text in front of the progress bar.
            progress: show a progress bar.
        """
        with self._reading(), self._store as store:
            yield from tqdm(
                store.select(), description, len(self), unit="frame", disable=not progress
            )

    def row(self, index: int) -> AtomsRow:
        """Return one row without conversion.

        Args:
            index: counted from 0.

        Raises:
            IndexError: when the row does not exist.
        """
        if not 0 <= index < len(self):
            raise IndexError(index)
        with self._reading():
            return self._store.get(id=int(index) + 1)

    def positions(self, row: AtomsRow) -> np.ndarray:
        """Return the positions of a row in Å, shape (n_atoms, 3)."""
        return row.positions * self.scale

    def cell(self, row: AtomsRow) -> np.ndarray:
        """Return the cell vectors of a row in Å, shape (3, 3)."""
        return np.array(row.cell) * self.scale

    def structure(self, row: AtomsRow | int) -> Atoms:
        """Return the structure of a row in Å, without its labels.

        Args:
            row: the row, or its number.
        """
        if not isinstance(row, AtomsRow):
            row = self.row(row)
        return Atoms(row.numbers, self.positions(row), cell=self.cell(row), pbc=row.pbc.tolist())

    @contextlib.contextmanager
    def _reading(self) -> Iterator[None]:
        """Convert exceptions of ASE and SQLite to an `InputError`."""
        try:
            yield
        except (InputError, IndexError, GeneratorExit):
            raise
        except Exception as error:  # sqlite3.Error, OSError, KeyError, AttributeError, ...
            raise InputError(
                f"{self._name}={self.path} cannot be read as an ASE database "
                f"({type(error).__name__}: {error}); {self._remedy}."
            ) from error


def is_schnetpack(path: str, name: str = "datapath") -> bool:
    """Return whether a file is a database written by SchNetPack.

    Args:
        path: absolute path of a file.
        name: name of the parameter of the path.

    Raises:
        InputError: for a file that ends in .db and cannot be read.
    """
    return path.endswith(".db") and Database(path, name).property_units is not None


def write_rows(
    path: str, rows: Iterable[Row], property_units: Mapping[str, str], **metadata: Any
) -> int:
    """Make a SchNetPack database in one transaction.

    Args:
        path: file to be created.
        rows: structures with labels and key-value pairs; they need not fit into memory together.
        property_units: unit of each label.
        **metadata: metadata of the database other than the units.

    Returns:
        Number of rows.

    Example:
        >>> import tempfile
        >>> row = Atoms("He", [[0, 0, 0]]), {"energy": np.array([-79.0])}, {"source_row": 7}
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_rows(f"{folder}/a.db", [row], {"energy": "eV"}, method="exact")
        ...     database = Database(f"{folder}/a.db")
        ...     database.property_units, database.metadata["method"], database.row(0).source_row
        1
        ({'energy': 'eV'}, 'exact', 7)
    """
    store = DatabaseWriter(path, property_units)
    n_rows = 0
    with store:
        for structure, labels, pairs in rows:
            store.add(structure, labels, pairs)
            n_rows += 1
    if metadata:
        store.update_metadata(**metadata)
    return n_rows
