"""Checks of a split, before anything is divided or written."""

import zipfile
from collections.abc import Mapping

import numpy as np

from gpip_plugins.errors import InputError

__all__ = ["check_sizes", "check_split_file", "read_split_file"]

Sizes = Mapping[str, int | float | None]


def check_sizes(sizes: Sizes, total: int, datapath: str) -> None:
    """Check the sizes of a random split.

    Args:
        sizes: `num_train`, `num_val` and `num_test`: numbers of configurations, fractions up to 1
            (rounded down, as SchNetPack does), -1 for the rest; None for the rest of `num_test`.
        total: configurations in the database.
        datapath: path of the database, for the message.

    Raises:
        InputError: for a size that is missing or invalid, for sizes that exceed the database, and
            for a training or validation set without configurations.

    Example:
        >>> check_sizes({"num_train": 0.8, "num_val": 0.1, "num_test": None}, 100, "labels.db")
        >>> check_sizes({"num_train": 0.8, "num_val": 0.1, "num_test": None}, 5, "labels.db")
        Traceback (most recent call last):
        ...
        gpip_plugins.errors.InputError: num_val=0.1 leaves no configuration of the 5 in labels.db \
for validation; ask for at least one, such as num_val=1.
    """
    counts = {name: _count(name, size, total) for name, size in sizes.items()}
    open_ended = [name for name, count in counts.items() if count is None]
    if len(open_ended) > 1:
        raise InputError(
            f"{' and '.join(f'{name}={sizes[name]}' for name in open_ended)} both ask for "
            "the rest of the configurations; give all but one a number."
        )
    asked = sum(count for count in counts.values() if count is not None)
    if asked > total:
        wanted = ", ".join(f"{name}={n}" for name, n in sizes.items() if n is not None)
        raise InputError(
            f"{wanted} ask for {asked} configurations, but {datapath} holds {total}; "
            "lower one of them."
        )
    for name, purpose in (("num_train", "training"), ("num_val", "validation")):
        count = total - asked if counts[name] is None else counts[name]
        if count == 0:
            raise InputError(
                f"{name}={sizes[name]} leaves no configuration of the {total} in "
                f"{datapath} for {purpose}; ask for at least one, such as {name}=1."
            )


def _count(name: str, size: int | float | None, total: int) -> int | None:
    """Return a number of configurations; None for the rest."""
    if size is None and name == "num_test":
        return None
    if isinstance(size, bool) or not isinstance(size, int | float):
        raise InputError(
            f"{name}={size} is not a number; give a number of configurations or a "
            f"fraction, or name a split_file."
        )
    if size == -1:
        return None
    if size < 0 or not (isinstance(size, int) or size <= 1):
        raise InputError(
            f"{name}={size} is neither a whole number nor a fraction between 0 and 1; "
            f"give for example {name}=100 or {name}=0.1."
        )
    return size if isinstance(size, int) else int(size * total)


def check_split_file(path: str, sizes: Sizes, total: int, datapath: str) -> None:
    """Check that a file of partitions fits the database and the requested sizes.

    Args:
        path: .npz with `train_idx`, `val_idx` and `test_idx`.
        sizes: as in `check_sizes`; None, 0 or -1 takes the size of the file.
        total: configurations in the database.
        datapath: path of the database, for the message.

    Raises:
        InputError: if it does not fit.
    """
    partitions = read_split_file(path)
    for part, indices in partitions.items():
        _check_partition(path, part, indices, sizes[f"num_{part}"], total, datapath)
    values, counts = np.unique(np.concatenate(list(partitions.values())), return_counts=True)
    if (counts > 1).any():
        raise InputError(
            f"split_file={path} names configuration {values[counts > 1][0]} more than once; let "
            "each belong to one of train_idx, val_idx and test_idx."
        )


def read_split_file(path: str) -> dict[str, np.ndarray]:
    """Return the configurations for train, val and test, as int64.

    Args:
        path: .npz with `train_idx`, `val_idx` and `test_idx`.

    Raises:
        InputError: if it is not such a file.
    """
    partitions = {}
    try:
        with np.load(path) as arrays:
            for part in ("train", "val", "test"):
                indices = arrays[f"{part}_idx"]
                # NumPy saves an empty list as floating-point numbers.
                casting = "same_kind" if indices.size else "unsafe"
                partitions[part] = indices.astype(np.int64, casting=casting)
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(
            f"split_file={path} holds no train_idx, val_idx and test_idx of whole numbers "
            f"({type(error).__name__}); delete it, or name another file."
        ) from error
    return partitions


def _check_partition(
    path: str, part: str, indices: np.ndarray, size: int | float | None, total: int, datapath: str
) -> None:
    """Check that one partition fits the database and the requested size."""
    other = "it belongs to other data, so delete it for a new split, or name another file"
    beyond = indices[(indices < 0) | (indices >= total)]
    if len(beyond):
        raise InputError(
            f"split_file={path} puts configuration {beyond[0]} into {part}_idx, but {datapath} "
            f"holds {total}, counted from 0; {other}."
        )
    wanted = int(size * total) if isinstance(size, float) and size <= 1 else size
    if wanted and wanted != -1 and wanted != len(indices):
        raise InputError(
            f"num_{part}={size} asks for {wanted} configurations, but split_file={path} has "
            f"{len(indices)} in {part}_idx; set num_{part}=null to use the file, otherwise "
            f"{other}."
        )
    if part != "test" and not len(indices):
        raise InputError(f"split_file={path} has an empty {part}_idx; put configurations into it.")
