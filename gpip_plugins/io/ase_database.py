"""Open, check, read and write ASE databases in Å.

SchNetPack stores data sets as ASE databases whose metadata hold the units. For other files, and for
rows that are damaged, ASE and SQLite raise exceptions of many kinds or return nonsense; here they
become one `InputError` that names the row.
"""

import contextlib
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
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

CHUNK = 500  # rows in memory at a time


class Database:
    """An ASE database that was opened for reading.

    Rows are counted from 0, in the order in which they were written, also where rows were deleted.
    Every row that is returned was checked: its arrays exist and belong together, and its labels
    (those with a unit) are numbers. Whether its structure can be real is not looked at here.

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
            units = self.metadata.get("_property_unit_dict")
            self.property_units: dict[str, str] | None = None if units is None else dict(units)
            unit = self.metadata.get("_distance_unit") or "Ang"
        self._identities: Sequence[int] | None = None  # of all rows, once one was asked for
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
        last, number = None, 0
        shown = {"unit": "frame", "leave": False, "disable": not progress}
        with tqdm(desc=description, total=len(self), **shown) as bar:
            # A page at a time: ASE would fetch all rows before it returns the first.
            while page := self._page(last, number):
                for row in page:
                    yield row
                    bar.update()
                last, number = page[-1].id, number + len(page)

    def row(self, index: int) -> AtomsRow:
        """Return one row without conversion.

        Args:
            index: counted from 0.

        Raises:
            IndexError: when the row does not exist.
        """
        if not 0 <= index < len(self):
            raise IndexError(index)
        with self._reading(index):
            identity = self._identity(int(index))
            with self._store as store:
                return self._checked(store.get(id=identity), index)

    def _page(self, last: int | None, first: int) -> list[AtomsRow]:
        """Return the next rows after that of an identity; the first of them has this number."""
        page: list[AtomsRow] = []
        with self._reading(), self._store as store:
            wanted = [] if last is None else [("id", ">", last)]
            found = store.select(wanted, limit=CHUNK)
            while len(page) < CHUNK:
                number = first + len(page)
                with self._reading(number):
                    if (row := next(found, None)) is None:
                        break
                    page.append(self._checked(row, number))
        return page

    def _identity(self, index: int) -> int:
        """Return the identity of a row; identities have gaps where rows were deleted."""
        if self._identities is None:
            few = {"include_data": False, "columns": ("id",)}
            with self._store as store:
                last = next(store.select(sort="-id", limit=1, **few)).id
                self._identities = (
                    range(1, last + 1)
                    if last == len(self)
                    else [row.id for row in store.select(sort="id", **few)]
                )
        return self._identities[index]

    def _checked(self, row: AtomsRow, number: int) -> AtomsRow:
        """Return a row with its labels as arrays, or refuse it."""
        fault = _fault_of_arrays(row)
        for name in [] if fault else self.property_units or {}:
            if row.data.get(name) is None:
                row._data.pop(name, None)
                continue
            value = np.asarray(row.data[name])
            if value.dtype.kind not in "biuf":
                fault = f"has a label '{name}' that is no array of numbers"
                break
            row._data[name] = value
        if fault:
            raise InputError(
                f"row {number} (counted from 0) of {self._name}={self.path} {fault}; repair or "
                "remove it."
            )
        return row

    def positions(self, row: AtomsRow) -> np.ndarray:
        """Return the positions of a row in Å, shape (n_atoms, 3)."""
        return row.positions * self.scale

    def cell(self, row: AtomsRow) -> np.ndarray:
        """Return the cell vectors of a row in Å, shape (3, 3)."""
        return np.array(row.cell) * self.scale

    def number(self, row: AtomsRow, index: int, name: str) -> float | None:
        """Return a label that is one number, or None if the row does not have it.

        Args:
            row: the row.
            index: its number, for the message.
            name: name of the label.

        Raises:
            InputError: for a label of several values, or of no number.
        """
        value = row.data.get(name)
        if value is None:
            return None
        value = np.asarray(value)
        if value.size != 1 or value.dtype.kind not in "biuf":
            raise InputError(
                f"row {index} (counted from 0) of {self._name}={self.path} has a '{name}' that is "
                "not one number; repair or remove it."
            )
        return float(value.item())

    def structure(self, row: AtomsRow | int) -> Atoms:
        """Return the structure of a row in Å, without its labels.

        Args:
            row: the row, or its number.
        """
        if not isinstance(row, AtomsRow):
            row = self.row(row)
        return Atoms(row.numbers, self.positions(row), cell=self.cell(row), pbc=row.pbc.tolist())

    @contextlib.contextmanager
    def _reading(self, row: int | None = None) -> Iterator[None]:
        """Convert exceptions of ASE and SQLite to an `InputError` that names the row."""
        try:
            yield
        except InputError:
            raise
        except Exception as error:  # sqlite3.Error, OSError, KeyError, AttributeError, ...
            why = f"{type(error).__name__}: {error}"
            raise InputError(
                f"{self._name}={self.path} cannot be read as an ASE database ({why}); "
                f"{self._remedy}."
                if row is None or isinstance(error, sqlite3.Error)
                else f"row {row} (counted from 0) of {self._name}={self.path} is damaged ({why}); "
                "repair or remove it."
            ) from error


def _fault_of_arrays(row: AtomsRow) -> str | None:
    """Return what is missing in a row, or does not belong together, as the end of a sentence."""
    for name, value in (("atomic numbers", row.numbers), ("positions", row.positions)):
        if value is None:
            return f"has no {name}"
    if row.positions.shape != (len(row.numbers), 3):
        return f"has {len(row.numbers)} atomic numbers but {len(row.positions)} positions"
    if row.cell is None or row.cell.shape != (3, 3):
        return "has no cell of three vectors"
    return (
        None if isinstance(row.data, dict) else "has labels that are no table of names and values"
    )


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
