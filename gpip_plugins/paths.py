"""What a relative path means: the folder in which the command was typed."""

import os
from pathlib import Path

from hydra.core.hydra_config import HydraConfig

__all__ = ["resolve"]


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
