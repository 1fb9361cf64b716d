"""Data sets that a class of SchNetPack downloads and our data module hands out.

So MD17, QM9 and ISO17 have checked input, paths that count from where the command was typed, and
batches made in memory, and they appear whole or not at all; what is downloaded, from where and in
which units is SchNetPack's.
"""

import os
import tempfile

from schnetpack.data import AtomsDataModule

from gpip_plugins.errors import InputError
from gpip_plugins.io.paths import make_folder

__all__ = ["prepare_by_schnetpack"]


def prepare_by_schnetpack(source: AtomsDataModule, target: str) -> None:
    """Let SchNetPack's class download its data, or check those that are there.

    The classes begin by making the database, so that an interrupted download would leave an empty
    one; here they work in a folder beside it.

    Args:
        source: SchNetPack's data set.
        target: absolute path of the file or folder that it makes; its `datapath`, or above that.

    Raises:
        InputError: if the data cannot be had, or what is there is something else.
    """
    try:
        if os.path.exists(source.datapath):
            source.prepare_data()
        else:
            _download(source, target)
    except InputError:
        raise
    except Exception as error:  # no network, another molecule, a file that is no database
        raise InputError(
            f"datapath={source.datapath} cannot be prepared ({type(error).__name__}: {error}); "
            "name another, or put a database of SchNetPack there."
        ) from error


def _download(source: AtomsDataModule, target: str) -> None:
    """Download into a hidden folder, then give the result its name."""
    datapath, (parent, name) = source.datapath, os.path.split(target)
    make_folder(parent, "datapath")
    with tempfile.TemporaryDirectory(prefix=f".{name}.", dir=parent) as folder:
        try:
            source.path = folder  # where ISO17 unpacks its archive
            source.datapath = os.path.join(folder, os.path.relpath(datapath, parent))
            source.prepare_data()
            if not os.path.exists(source.datapath):  # ISO17 only logs that there is no network
                raise InputError(f"{datapath} could not be downloaded; put it there by hand.")
        finally:
            source.datapath = datapath
        os.replace(os.path.join(folder, name), target)
