"""Writes ASE databases in SchNetPack's format, with ASE alone: importing SchNetPack takes seconds.

SchNetPack keeps its properties in the field `data` of a row, and in the metadata `_distance_unit`,
`_property_unit_dict` (property to unit) and `atomrefs`.
"""

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
from ase import Atoms
from ase.db import connect

__all__ = ["DatabaseWriter"]


class DatabaseWriter:
    """A database in SchNetPack's format, with lengths in Å, that is open for writing.

    Outside a `with` block every row is committed when it is added, so that it survives the end of
    the process. Within one, all rows are committed at its end.

    Args:
        path: file ending in .db; a new one is created, rows are added to an existing one.
        property_units: unit of each property, for a new file.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     store = DatabaseWriter(f"{folder}/a.db", {"energy": "eV"})
        ...     store.add(Atoms("He"), {"energy": np.array([-79.0])})
        ...     len(store), store.metadata["_property_unit_dict"]
        (1, {'energy': 'eV'})
    """

    def __init__(
        self, path: str | os.PathLike, property_units: Mapping[str, str] | None = None
    ) -> None:
        self._store = connect(os.fspath(path), use_lock_file=False)
        found = self._store.metadata  # makes the tables of a new file
        if property_units is not None:
            self._store.metadata = found | {
                "_property_unit_dict": dict(property_units),
                "_distance_unit": "Ang",
                "atomrefs": {},
            }
        self._names = list(self.metadata["_property_unit_dict"])

    def __enter__(self) -> "DatabaseWriter":
        """Begin a transaction."""
        self._store.__enter__()
        return self

    def __exit__(self, *error) -> None:
        """Commit the transaction, or undo it after an error."""
        self._store.__exit__(*error)

    def __len__(self) -> int:
        """Return the number of rows."""
        return self._store.count()

    def add(
        self,
        atoms: Atoms,
        properties: Mapping[str, np.ndarray],
        pairs: Mapping[str, Any] | None = None,
    ) -> None:
        """Add a row.

        Args:
            atoms: structure in Å.
            properties: arrays, one for each name in the property units.
            pairs: key-value pairs.

        Raises:
            KeyError: a property is missing.
        """
        data = {name: properties[name] for name in self._names}
        self._store.write(atoms, data=data, key_value_pairs=dict(pairs or {}))

    def sum_of(self, name: str) -> float:
        """Return the sum of a key-value pair over all rows.

        Args:
            name: of the pair.
        """
        return sum(row.key_value_pairs[name] for row in self._store.select(include_data=False))

    @property
    def metadata(self) -> dict[str, Any]:
        """Metadata of the database; setting them replaces them."""
        return self._store.metadata

    @metadata.setter
    def metadata(self, values: Mapping[str, Any]) -> None:
        self._store.metadata = dict(values)

    def update_metadata(self, **values: Any) -> None:
        """Set entries of the metadata.

        Args:
            **values: entries that are added or replaced.
        """
        self.metadata = {**self.metadata, **values}
