"""The configurations to choose from, each of which remembers where it comes from."""

import os
from collections.abc import Sequence

from ase import Atoms
from ase.db import connect
from schnetpack.units import convert_units

from gpip_plugins.errors import InputError
from gpip_plugins.io.paths import resolve
from gpip_plugins.io.structures import read_structures

__all__ = ["Pool"]


class Pool(Sequence):
    """Configurations of a SchNetPack database, or of any file that ASE reads, in Å.

    Only structures are handed on: the energies and forces of a sampled set are those of the
    classical force field and must not be taken for labels.

    Args:
        path: relative to where the command was typed.

    Raises:
        InputError: for a file that is missing, unreadable or empty.
    """

    def __init__(self, path: str):
        self.path = resolve(path)
        self.name = os.path.basename(self.path)
        if not os.path.isfile(self.path):
            raise InputError(f"DATA={path} does not exist; name a sampled database.")
        if self.path.endswith(".db"):
            self._open(path)
        else:
            self._frames = list(read_structures(self.path))
            self._length = len(self._frames)
        if not self._length:
            raise InputError(f"DATA={path} holds no configuration; name a sampled database.")

    def __len__(self) -> int:
        """Return the number of configurations."""
        return self._length

    def __getitem__(self, row: int) -> Atoms:
        """Return one structure with its origin in `info`."""
        if not 0 <= row < self._length:
            raise IndexError(row)
        origin: dict = {"source": self.name, "source_row": int(row)}
        if self._frames is not None:
            frame = self._frames[row]
            origin |= {k: frame.info[k] for k in ("system", "temperature") if k in frame.info}
            scale = 1.0
        else:
            entry = self._database.get(id=int(row) + 1)
            frame, scale = entry.toatoms(), self._scale
            if "system" in entry.key_value_pairs:
                origin["system"] = str(entry.key_value_pairs["system"])
            if "temperature" in entry.data:
                origin["temperature"] = float(entry.data["temperature"].item())
        atoms = Atoms(
            frame.numbers, frame.positions * scale, cell=frame.cell.array * scale, pbc=frame.pbc
        )
        atoms.info.update(origin)
        return atoms

    def _open(self, path: str) -> None:
        self._frames = None
        try:
            self._database = connect(self.path, use_lock_file=False)
            self._length = self._database.count()
            unit = self._database.metadata.get("_distance_unit", "Ang")
        except Exception as error:  # sqlite3, OSError, KeyError: whatever the file is
            raise InputError(
                f"DATA={path} cannot be read as an ASE database ({error}); sample it again."
            ) from error
        self._scale = convert_units(unit, "Ang")
