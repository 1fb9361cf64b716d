"""The configurations to choose from, with their origin."""

import os
from collections.abc import Sequence

from ase import Atoms

from gpip_plugins.analysis.structure_faults import check_structure
from gpip_plugins.errors import InputError
from gpip_plugins.io.ase_database import Database
from gpip_plugins.io.paths import existing
from gpip_plugins.io.structures import read_structures
from gpip_plugins.labels.origin import ORIGIN

__all__ = ["Pool"]


class Pool(Sequence):
    """Configurations of a SchNetPack database, or of any file that ASE reads, in Å.

    Only structures are returned: the energies and forces of a sampled set are those of the
    classical force field and must not be used as labels.

    Args:
        datapath: relative to the folder in which the command was typed.

    Raises:
        InputError: for a file that is missing, unreadable or empty; for a configuration that cannot
            be real, when it is asked for.
    """

    def __init__(self, datapath: str):
        remedy = "name a sampled database"
        path = existing("datapath", datapath, remedy)
        self.name = os.path.basename(path)
        self._frames: Database | list[Atoms] = (
            Database(path, remedy=remedy) if path.endswith(".db") else list(read_structures(path))
        )
        if not len(self._frames):
            raise InputError(f"datapath={datapath} holds no configuration; {remedy}.")

    def __len__(self) -> int:
        """Return the number of configurations."""
        return len(self._frames)

    def __getitem__(self, row: int) -> Atoms:
        """Return one structure with its origin in `info`."""
        if not 0 <= row < len(self):
            raise IndexError(row)
        if isinstance(self._frames, Database):
            entry = self._frames.row(row)
            atoms = self._frames.structure(entry)
            known = dict(entry.key_value_pairs)
            if (temperature := self._frames.number(entry, row, "temperature")) is not None:
                known["temperature"] = temperature
        else:
            frame = self._frames[row]
            atoms = Atoms(frame.numbers, frame.positions, cell=frame.cell, pbc=frame.pbc)
            known = frame.info
        check_structure(atoms, f"configuration {row} (counted from 0) of datapath={self.name}")
        atoms.info = {key: known[key] for key in ORIGIN if key in known}
        atoms.info |= {"source": self.name, "source_row": int(row)}
        return atoms
