"""A lock on a folder, so that two processes do not write their results into the same one."""

import atexit
import os
import socket
import threading

from fasteners import InterProcessLock

from gpip_plugins.errors import InputError

__all__ = ["lock_folder", "release_folder"]

#: Locks that this process holds. The operating system counts a file's lock per process and drops it
#: when any handle is closed, so the same file must not be opened a second time.
_held: dict[str, InterProcessLock] = {}


def lock_folder(folder: str | os.PathLike, remedy: str, name: str = "run.lock") -> None:
    """Take the lock of a folder, if this process does not hold it yet.

    The operating system releases the lock when the process ends for any reason, so a killed process
    does not block the next one.

    Args:
        folder: an existing folder.
        remedy: how to choose another folder, for the message.
        name: name of the lock's file, which also contains the process that holds the lock.

    Raises:
        InputError: another process holds the lock, or the folder cannot be written.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     lock_folder(folder, "name another folder")
        ...     release_folder(folder)
    """
    path = os.path.join(os.path.abspath(folder), name)
    if path in _held:
        return
    lock = InterProcessLock(path)
    try:
        acquired = lock.acquire(blocking=False)
    except (OSError, threading.ThreadError) as error:
        raise InputError(
            f"The folder {os.path.dirname(path)} cannot be locked ({error}); {remedy}."
        ) from error
    if not acquired:
        lock.lockfile.close()
        with open(path) as handle:
            holder = handle.read().strip() or "unknown"
        raise InputError(
            f"Another run is going on in {os.path.dirname(path)} ({holder}); wait until it has "
            f"ended, or {remedy}."
        )
    # Through the handle of the lock, see `_held`.
    lock.lockfile.truncate(0)
    lock.lockfile.write(f"process {os.getpid()} on {socket.gethostname()}\n")
    lock.lockfile.flush()
    _held[path] = lock


def release_folder(folder: str | os.PathLike, name: str = "run.lock") -> None:
    """Release the lock of a folder, if this process holds it.

    Args:
        folder: as for `lock_folder`.
        name: as for `lock_folder`.
    """
    lock = _held.pop(os.path.join(os.path.abspath(folder), name), None)
    if lock is not None:
        lock.release()


@atexit.register
def _release_all() -> None:
    """Close the files of all locks still held, so that no warning is raised."""
    while _held:
        _held.popitem()[1].release()
