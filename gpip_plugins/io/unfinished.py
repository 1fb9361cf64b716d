"""A note in the folder of a run that is not finished.

A training writes its `best_model` whenever it improves, so the file exists long before the training
ends, and also if it was stopped. Only this note tells both apart; a killed process leaves it too.
"""

import contextlib
import os
from pathlib import Path

from gpip_plugins.io.paths import write_whole

__all__ = ["mark_finished", "mark_unfinished", "note_beside"]

NAME = "unfinished.txt"


def mark_unfinished(folder: str | os.PathLike, note: str) -> None:
    """Write the note.

    Args:
        folder: folder of the run.
        note: a sentence.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     mark_unfinished(folder, "The training has not finished.")
        ...     before = note_beside(f"{folder}/best_model")
        ...     mark_finished(folder)
        ...     print(before, note_beside(f"{folder}/best_model"))
        The training has not finished. None
    """
    write_whole(os.path.join(folder, NAME), f"{note}\n".encode())


def mark_finished(folder: str | os.PathLike) -> None:
    """Remove the note.

    Args:
        folder: folder of the run.
    """
    with contextlib.suppress(FileNotFoundError):
        os.remove(os.path.join(folder, NAME))


def note_beside(model: str | os.PathLike) -> str | None:
    """Return the note in the folder of a model, or in the folder above; None if there is none.

    Args:
        model: absolute path of a best_model, or of a checkpoint in `checkpoints`.
    """
    for folder in Path(model).parents[:2]:
        with contextlib.suppress(OSError, UnicodeDecodeError):
            return (folder / NAME).read_text(encoding="utf-8").strip()
    return None
