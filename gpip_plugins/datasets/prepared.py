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
    """Makes its database in `prepare_data`, as SchNetPack's data sets do by a download.

    The database appears whole or not at all; of several processes one makes it and the others
    wait. A database that is there must have been made with the same settings.

    Args: those of `gpip_plugins.data.GpipDataModule`.
    """

    @property
    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """What determines the content of the database, by the names of the parameters."""

    @abstractmethod
    def make(self, path: str) -> None:
        """Write the database, one of SchNetPack, at `path`."""

    def prepare_data(self) -> None:
        """Make the database if it is missing, else check that it is the one asked for.

        Raises:
            InputError: if it cannot be made, or was made with other settings.
        """
        target = Path(self.datapath)
        make_folder(target.parent, "datapath")
        lock = fasteners.InterProcessLock(target.with_name(f".{target.name}.lock"))
        with lock:
            if not target.exists():
                # What a killed process left; the lock tells that none is writing now.
                remove_partial(target)
                with whole_file(target) as part:
                    self.make(part)
                    ASEAtomsData(part).update_metadata(prepared=self.settings)
        self._compare()

    def _compare(self) -> None:
        """Compare the settings with those that the database was made with."""
        database = Database(self.datapath, remedy="delete it, and it is made again")
        stored = database.metadata.get("prepared")
        for key, value in self.settings.items():
            if stored is None or stored.get(key) != value:
                held = "something else" if stored is None else f"{key}={stored.get(key)}"
                raise InputError(
                    f"datapath={self.datapath} was made from {held}, but {key}={value} is asked "
                    "for; choose another datapath or delete the file."
                )
