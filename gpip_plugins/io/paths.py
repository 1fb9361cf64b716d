"""Paths from the user: relative paths, checks of input and output files, complete writing."""

import contextlib
import fcntl
import os
import re
import sqlite3
import time
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path

from hydra.core.hydra_config import HydraConfig

from gpip_plugins.errors import InputError

__all__ = [
    "check_target",
    "existing",
    "make_folder",
    "remove_partial",
    "resolve",
    "whole_file",
    "writing",
]

ALIVE = ".writing"  # ending of the file whose lock shows that a process is writing


def resolve(path: str | os.PathLike) -> str:
    """Return `path` as an absolute path, relative to where the user typed the command.

    `spktrain` and `spkpredict` change into the folder of the run before anything is instantiated,
    so a relative path from the command line would otherwise be looked up there. Outside Hydra the
    current folder counts; `~` is expanded.

    Args:
        path: absolute or relative path.

    Example:
        >>> resolve("/data/labels.db")
        '/data/labels.db'
    """
    path = Path(path).expanduser()
    if path.is_absolute():
        return str(path)
    base = HydraConfig.get().runtime.cwd if HydraConfig.initialized() else os.getcwd()
    return os.path.normpath(os.path.join(base, path))


def existing(name: str, path: str | os.PathLike, remedy: str) -> str:
    """Return the absolute path of a file or folder that must exist.

    Args:
        name: name of the parameter of the path.
        path: absolute, or relative to the folder in which the command was typed.
        remedy: what to do if it does not exist, without a full stop.

    Raises:
        InputError: if it does not exist.
    """
    full = resolve(path)
    if not os.path.exists(full):
        searched = "" if full == str(path) else f" (looked for {full})"
        raise InputError(f"{name}={path} does not exist{searched}; {remedy}.")
    return full


def check_target(target: str, endings: Sequence[str], overwrite: bool, source: str) -> None:
    """Check before long work starts that a file may be written, by its name and folder.

    Args:
        target: absolute path of the file to be written.
        endings: accepted suffixes of its name; none accepts all.
        overwrite: whether an existing file may be replaced.
        source: absolute path of the file that is read, which must never be replaced.

    Raises:
        InputError: if the target has another suffix, exists, or its folder is missing or cannot be
            written.
    """
    if endings and not target.endswith(tuple(endings)):
        choice = "one of " * (len(endings) > 1) + ", ".join(endings)
        raise InputError(f"{target} must end in {choice}; rename it.")
    if os.path.isdir(target):
        raise InputError(f"{target} exists already and is a folder; name another target.")
    if os.path.exists(target):
        if os.path.exists(source) and os.path.samefile(source, target):
            raise InputError(f"{target} is the file that is read; name another target.")
        if not overwrite:
            raise InputError(
                f"{target} exists already; name another target or give overwrite=True."
            )
    if not os.access(os.path.dirname(target), os.W_OK):
        raise InputError(
            f"The folder of {target} is missing or cannot be written; make it, correct its "
            "permissions or name another target."
        )


def make_folder(folder: str | os.PathLike, name: str) -> None:
    """Make a folder and its parent folders, if it is missing.

    Args:
        folder: absolute path.
        name: name of the parameter of the folder.

    Raises:
        InputError: if it cannot be made.
    """
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"the folder {os.fspath(folder)!r} of {name} cannot be made ({error.strerror}); choose "
            "a folder in which you may write."
        ) from error


@contextlib.contextmanager
def writing(target: str | os.PathLike) -> Iterator[None]:
    """Convert errors of the file system and of SQLite to an `InputError`.

    Args:
        target: file that is written, for the message.

    Raises:
        InputError: for a full disk, a folder that cannot be written, and similar errors.
    """
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        why = getattr(error, "strerror", None) or error
        raise InputError(
            f"Writing {target} failed ({why}); free some space or correct the permissions of its "
            "folder, then start again."
        ) from error


@contextlib.contextmanager
def whole_file(target: str | os.PathLike, overwrite: bool = True) -> Iterator[str]:
    """Yield the name of a temporary file, which is renamed to `target` after writing succeeds.

    The temporary file has the folder and suffix of the target, so that formats are recognised and
    the last step is a renaming. An older target is not changed before that. After an error or a
    keyboard interrupt the temporary file is removed, with SQLite's helper files; those of killed
    processes are removed at the next writing of the same target. An empty locked file beside the
    temporary one shows that its process is alive.

    Args:
        target: the file that should appear complete or not at all.
        overwrite: whether a target may be replaced that another process wrote in the meantime.

    Raises:
        InputError: if the disk is full, the folder cannot be written, or the target appeared.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with whole_file(f"{folder}/table.csv") as partial:
        ...         written = Path(partial).write_text("epoch,loss")
        ...     os.listdir(folder)
        ['table.csv']
    """
    folder, name = os.path.split(os.path.abspath(target))
    stem, ending = os.path.splitext(name)
    # Two processes that write the same target must not write into each other's file.
    unique = os.path.join(folder, f".{stem}.{uuid.uuid4().hex[:8]}")
    partial = f"{unique}.part{ending}"
    try:
        with writing(target), _alive(f"{unique}{ALIVE}"):
            _remove_dead(Path(folder, name))
            yield partial
            _rename(partial, target, overwrite)
    finally:
        for leftover in (partial, f"{partial}-journal", f"{partial}.lock", f"{unique}{ALIVE}"):
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                os.remove(leftover)


def write_whole(target: str | os.PathLike, data: bytes) -> None:
    """Write a file that appears complete or not at all, as by `whole_file`.

    Args:
        target: the file.
        data: its content. PyTorch writes into memory first, since on a full disk `torch.save`
            raises an error that does not name the cause.

    Raises:
        InputError: as for `whole_file`.
    """
    with whole_file(target) as partial:
        Path(partial).write_bytes(data)


@contextlib.contextmanager
def _alive(path: str) -> Iterator[None]:
    """Hold the lock on a file; the system releases it when the process ends for any reason."""
    with open(path, "w") as file:
        with contextlib.suppress(OSError):  # some network file systems have no locks
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield


def _rename(partial: str, target: str | os.PathLike, overwrite: bool) -> None:
    """Give a complete file its name."""
    if overwrite:
        os.replace(partial, target)
        return
    try:
        os.link(partial, target)  # fails if the target exists, in one step
    except FileExistsError:
        raise InputError(
            f"{target} was written by another process in the meantime; name another target or give "
            "overwrite=True."
        ) from None
    except OSError:  # a file system without hard links
        os.rename(partial, target)


def _leftovers(target: Path) -> dict[str, list[Path]]:
    """Return the temporary files of a target, by the unique part of their names."""
    name = (
        rf"(\.{re.escape(target.stem)}\.[0-9a-f]{{8}})"
        rf"({re.escape(ALIVE)}|\.part{re.escape(target.suffix)}(-journal|\.lock)?)"
    )
    found: dict[str, list[Path]] = {}
    for file in target.parent.iterdir():
        if match := re.fullmatch(name, file.name):
            found.setdefault(match[1], []).append(file)
    return found


def _remove_dead(target: Path) -> None:
    """Remove the temporary files of processes that do not live any more."""
    for unique, files in _leftovers(target).items():
        alive = target.parent / f"{unique}{ALIVE}"
        if alive in files:
            with contextlib.suppress(OSError), open(alive) as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _remove(files)
        elif all(_old(file) for file in files):
            _remove(files)


def _old(file: Path) -> bool:
    """Return whether a file without a lock has not been written to for a minute."""
    with contextlib.suppress(OSError):
        return time.time() - file.stat().st_mtime > 60
    return False


def _remove(files: list[Path]) -> None:
    for file in files:
        with contextlib.suppress(OSError):
            file.unlink()


def remove_partial(target: str | os.PathLike) -> None:
    """Remove temporary files that a killed `whole_file` left; no process may be writing now.

    Args:
        target: the target of `whole_file`.
    """
    for files in _leftovers(Path(target)).values():
        _remove(files)
