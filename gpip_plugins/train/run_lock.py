"""Keeps two runs from writing into the same folder."""

import os

from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.utilities import rank_zero_only

from gpip_plugins.io.locks import lock_folder, release_folder

__all__ = ["RunLock"]


class RunLock(Callback):
    """Holds a lock on the folder of the run; a second run in the same folder is refused.

    The lock is taken when the callback is made: generating or downloading data comes before any
    hook of Lightning and may take long. It is released after testing, with which `spktrain` ends,
    after an error, or when the process ends in whatever way; a killed run leaves nothing that
    blocks the next one.
    Only rank zero locks.

    Args:
        folder: the folder of the run; `spktrain` works inside of it.
        name: name of the lock's file, which also tells who holds it.

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
        """Take the lock, if this process does not hold it yet."""
        lock_folder(self.folder, "choose another folder (spktrain: run.id=NAME)", self.name)

    def release(self) -> None:
        """Give the folder free."""
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
