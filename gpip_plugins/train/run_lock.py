"""Keeps two runs from writing into the same folder."""

import os
import socket
import threading

from fasteners import InterProcessLock
from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.utilities import rank_zero_only

from gpip_plugins.errors import InputError

__all__ = ["RunLock"]

#: Locks that this process holds. The operating system counts a file's lock per process and drops it
#: when any handle is closed, so a second handle on the same file must not come into being.
_held: dict[str, InterProcessLock] = {}


class RunLock(Callback):
    """Holds a lock on the folder of the run; a second run in the same folder is refused.

    The lock is taken when the callback is made: generating or downloading data comes before any
    hook of Lightning and may take long. It is released after testing, with which `spktrain` ends,
    or when the process ends in whatever way; a killed run leaves nothing that blocks the next one.
    Only rank zero locks.

    Args:
        folder: the folder of the run; `spktrain` works inside of it.
        name: name of the lock's file, which also tells who holds it.

    Raises:
        InputError: another process runs in this folder.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     lock = RunLock(folder)
        ...     lock.release()
    """

    def __init__(self, folder: str | os.PathLike = ".", name: str = "run.lock"):
        self.path = os.path.join(os.path.abspath(folder), name)
        self.acquire()

    @rank_zero_only
    def acquire(self) -> None:
        """Take the lock, if this process does not hold it yet."""
        if self.path in _held:
            return
        lock = InterProcessLock(self.path)
        try:
            acquired = lock.acquire(blocking=False)
        except (OSError, threading.ThreadError) as error:
            raise InputError(
                f"The folder cannot be locked ({error}); choose another with run.path=FOLDER,"
                " or leave the lock out with ~callbacks.run_lock."
            ) from error
        if not acquired:
            lock.lockfile.close()
            with open(self.path) as handle:
                holder = handle.read().strip() or "unknown"
            raise InputError(
                f"Another run is going on in {os.path.dirname(self.path)} ({holder}); wait until it"
                " has ended, or choose another folder with run.id=NAME."
            )
        # Through the lock's own handle, see `_held`.
        lock.lockfile.truncate(0)
        lock.lockfile.write(f"process {os.getpid()} on {socket.gethostname()}\n")
        lock.lockfile.flush()
        _held[self.path] = lock

    def release(self) -> None:
        """Give the folder free."""
        lock = _held.pop(self.path, None)
        if lock is not None:
            lock.release()

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Take the lock again, for a trainer that is used after a test."""
        self.acquire()

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Release the lock after testing."""
        if stage == "test":
            self.release()
