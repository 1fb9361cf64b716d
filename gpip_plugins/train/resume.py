"""What a resumed run reads of its folder: its settings, and the newest sound checkpoint."""

import os
from collections.abc import Sequence
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from gpip_plugins.checkpoint import load
from gpip_plugins.errors import InputError

__all__ = ["check_checkpoint", "checkpoint_to_resume", "settings_of_run"]

LAST = "last.ckpt"


def settings_of_run(folder: str | os.PathLike) -> DictConfig | None:
    """Return the `config.yaml` of a run; None if there is none, so that the run is a new one.

    Args:
        folder: folder of the run.

    Raises:
        InputError: the file cannot be read.
    """
    record = Path(folder, "config.yaml")
    if not record.is_file():
        return None
    try:
        return OmegaConf.load(record)
    except Exception as error:  # of PyYAML, OmegaConf, or of a file that is no text
        raise InputError(
            f"{record} cannot be read, so the run cannot be resumed; repair the file, for example "
            "by one of its older copies config.old.N.yaml, or start another run (run.id=NAME)."
        ) from error


def checkpoint_to_resume(
    folder: str | os.PathLike, trust: Sequence[str] = ()
) -> tuple[str | None, str]:
    """Return the newest sound checkpoint of a run.

    Args:
        folder: folder of the run.
        trust: your packages whose modules may occur in the file.

    Returns:
        Absolute path, or None if the run has no checkpoint; and what has to be said about files
        that were not taken, which is empty if nothing was.

    Raises:
        InputError: the run has checkpoints, but none that is sound.
    """
    # The folder is that of one run, so its newest file is the state that was reached last.
    files = sorted(
        (file for file in Path(folder, "checkpoints").glob("*.ckpt") if file.name[0] != "."),
        key=lambda file: (file.name == LAST, file.stat().st_mtime),
        reverse=True,
    )
    faults: list[str] = []
    for file in files:
        try:
            check_checkpoint(file.absolute(), trust)
        except InputError as error:
            faults.append(str(error).split(";")[0])
            continue
        if faults:
            return str(file.absolute()), f"{' '.join(faults)}; the run goes on from {file.name}."
        missing = f"{LAST} is missing; the run goes on from {file.name}."
        return str(file.absolute()), "" if file.name == LAST else missing
    if faults:
        raise InputError(
            f"{faults[0]}, and the run has no other sound checkpoint; start another run "
            f"(run.id=NAME), or remove the folder {folder}."
        )
    return None, ""


def check_checkpoint(file: str | os.PathLike, trust: Sequence[str] = ()) -> None:
    """Check that a training can be resumed from a file.

    Args:
        file: absolute path.
        trust: your packages whose modules may occur in the file.

    Raises:
        InputError: the file is missing or damaged, names what no checkpoint needs, or is a model
            instead of a checkpoint.
    """
    if os.path.isdir(file):
        raise InputError(f"ckpt_path={file} is a folder; give a file of its folder checkpoints.")
    kind = load(file, trust, "ckpt_path").kind
    if kind != "lightning":
        raise InputError(
            f"ckpt_path={file} is a model, from which no training can be resumed; give a file of "
            "the folder checkpoints, or start from its weights by pretrained.path."
        )
