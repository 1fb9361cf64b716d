"""Where the labels of a frame are: in the results of its calculator, in `info`, in `arrays`."""

import numpy as np
from ase import Atoms

from gpip_plugins.labels.readers import FAULT

__all__ = ["label_of", "names_of"]

STRUCTURE = ("numbers", "positions")


def label_of(frame: Atoms, key: str) -> np.ndarray | float | None:
    """Return a label by name: from the results of the calculator, `info` or `arrays`.

    Example:
        >>> label_of(Atoms("H", info={"energy": -13.6}), "energy")
        -13.6
    """
    results = getattr(frame.calc, "results", {})
    for holder in (results, frame.info, frame.arrays):
        if holder.get(key) is not None:
            return holder[key]
    return None


def names_of(frame: Atoms) -> list[str]:
    """Return the names of all data of a frame beside its structure.

    Words without a value, which are how ASE reads the comment of a plain XYZ file, are no data.

    Example:
        >>> names_of(Atoms("H", info={"energy": -13.6, "optimised": True}))
        ['energy']
    """
    results = getattr(frame.calc, "results", {})
    info = [name for name, value in frame.info.items() if name != FAULT and value is not True]
    found = [*results, *info, *(name for name in frame.arrays if name not in STRUCTURE)]
    return [str(name) for name in dict.fromkeys(found) if label_of(frame, name) is not None]
