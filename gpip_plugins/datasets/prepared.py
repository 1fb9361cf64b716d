"""Data modules whose database is made from other files when it is missing."""

from abc import abstractmethod
from pathlib import Path
from typing import Any

import fasteners
from schnetpack.data import ASEAtomsData

from gpip_plugins.data import GpipDataModule
from gpip_plugins.errors import InputError
from gpip_plugins.io.ase_database import Database
from gpip_plugins.io.paths import make_folder, remove_partial, whole_file

__all__ = ["PreparedData"]


class PreparedData(GpipDataModule):
    """Data module that makes its database in `prepare_data`.

    The database appears complete or not at all; of several processes one makes it and the others
    wait. An existing database must have been made with the same settings.

    Args: as for `gpip_plugins.data.GpipDataModule`.
    """

    @property
    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """Parameters that determine the content of the database, by name."""

    @abstractmethod
    def make(self, path: str) -> None:
        """Write the database in SchNetPack's format to `path`."""

    def prepare_data(self) -> None:
        """Make the database if it is missing, else check that it has these settings.

        Raises:
            InputError: if it cannot be made, or was made with other settings.
        """
        target = Path(self.datapath)
        make_folder(target.parent, "datapath")
        lock = fasteners.InterProcessLock(target.with_name(f".{target.name}.lock"))
        with lock:
            if not target.exists():
                # Left by a killed process: with the lock held, no process is writing now.
                remove_partial(target)
                with whole_file(target) as part:
                    self.make(part)
                    ASEAtomsData(part).update_metadata(prepared=self.settings)
        self._compare()

    def _compare(self) -> None:
        """Compare the settings with those that the database was made with."""
        database = Database(self.datapath, remedy="delete it to make it again")
        stored = database.metadata.get("prepared")
        for key, value in self.settings.items():
            if stored is None or stored.get(key) != value:
                held = "something else" if stored is None else f"{key}={stored.get(key)}"
                raise InputError(
                    f"datapath={self.datapath} was made from {held}, but {key}={value} is "
                    "requested; choose another datapath or delete the file."
                )
