"""Checkpoints of Lightning that appear whole, and are read without running code of the file."""

import io
import os
import re
import zipfile
from pathlib import Path
from typing import Any

import torch
from lightning_fabric.plugins.io.torch_io import TorchCheckpointIO

from gpip_plugins.errors import InputError
from gpip_plugins.io.paths import write_whole

__all__ = ["CheckpointFiles", "remove_partial_checkpoints"]


class CheckpointFiles(TorchCheckpointIO):
    """Writes and reads the checkpoints of a trainer (`trainer.strategy.checkpoint_io`).

    Lightning writes into the folder for temporary files and moves the result. If that is another
    disk, as on most clusters, the move is a copy, and a full disk or a kill leaves half a file. It
    reads without looking at the checksums, so that damaged weights can pass.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     CheckpointFiles().save_checkpoint({"epoch": 3}, f"{folder}/last.ckpt")
        ...     CheckpointFiles().load_checkpoint(f"{folder}/last.ckpt")
        {'epoch': 3}
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | os.PathLike, storage_options: Any = None
    ) -> None:
        """Write a checkpoint.

        Raises:
            InputError: the disk is full or the folder cannot be written; an older file is kept.
        """
        buffer = io.BytesIO()
        torch.save(checkpoint, buffer)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        write_whole(path, buffer.getvalue())

    def load_checkpoint(
        self,
        path: str | os.PathLike,
        map_location: Any = lambda storage, loc: storage,
        weights_only: bool | None = None,
    ) -> dict[str, Any]:
        """Read a checkpoint, weights-only, whatever `weights_only` is.

        Raises:
            InputError: the file is damaged, or needs anything that this run does not.
        """
        try:
            with zipfile.ZipFile(path) as archive:
                whole = archive.testzip() is None
            if whole:
                return torch.load(path, map_location=map_location, weights_only=True)
        except Exception as error:
            if isinstance(error, FileNotFoundError):
                why = "does not exist"
            else:
                why = "is damaged, or was not written by this run"
            raise InputError(f"ckpt_path={path} {why}; {_REMEDY}.") from error
        raise InputError(f"ckpt_path={path} is damaged; {_REMEDY}.")


_REMEDY = "give another checkpoint of the same run, or start another run"


def remove_partial_checkpoints(folder: str | os.PathLike) -> None:
    """Remove what a killed process left of checkpoints; no process may be writing now.

    Args:
        folder: folder of the checkpoints, which may be missing.
    """
    for file in Path(folder).glob(".*.part.ckpt"):
        if re.fullmatch(r"\..+\.[0-9a-f]{8}\.part\.ckpt", file.name):
            file.unlink()
