"""Prevents two runs from writing into the same folder."""

import os

from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.utilities import rank_zero_only

from gpip_plugins.io.locks import lock_folder, release_folder

__all__ = ["RunLock"]


class RunLock(Callback):
    """Holds a lock on the folder of the run; a second run in the same folder is refused.

    The lock is taken when the callback is created, because data are generated or downloaded before
    any hook of Lightning, which may take long. It is released after testing, the last stage of
    `spktrain`, after an error, and whenever the process ends; a killed run does not block the next
    one. Only rank zero locks.

    Args:
        folder: folder of the run; `spktrain` works inside it.
        name: name of the lock file, which also states who holds the lock.

    Raises:
        InputError: another process runs in this folder, or it cannot be locked.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     lock = RunLock(folder)
        ...     lock.release()
    """

    def __init__(self, folder: str | os.PathLike = ".", name: str = "run.lock"):
        self.folder = os.path.abspath(folder)
        self.name = name
        self.acquire()

    @rank_zero_only
    def acquire(self) -> None:
        """Take the lock, unless this process holds it already."""
        lock_folder(self.folder, "choose another folder (spktrain: run.id=NAME)", self.name)

    def release(self) -> None:
        """Release the folder."""
        release_folder(self.folder, self.name)

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Take the lock again, for a trainer that is used after a test."""
        self.acquire()

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Release the lock after testing."""
        if stage == "test":
            self.release()

    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        """Release the lock of a run that failed."""
        self.release()
