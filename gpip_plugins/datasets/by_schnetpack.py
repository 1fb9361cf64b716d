"""Data sets that are downloaded by a class of SchNetPack and read by `GpipDataModule`.

So MD17, QM9 and ISO17 have checked input, paths relative to the folder in which the command was
typed, and batches made in memory, and their files appear complete or not at all. Addresses, files
and units are those of SchNetPack.
"""

import os
import tempfile

from schnetpack.data import AtomsDataModule

from gpip_plugins.errors import InputError
from gpip_plugins.io.paths import make_folder

__all__ = ["prepare_by_schnetpack"]


def prepare_by_schnetpack(source: AtomsDataModule, target: str) -> None:
    """Let SchNetPack's class download its data, or check existing data.

    The classes create the database first, so that an interrupted download would leave an empty
    one; here they work in a folder beside it.

    Args:
        source: SchNetPack's data set.
        target: absolute path of the file or folder that it creates: its `datapath`, or a parent
            folder of that.

    Raises:
        InputError: if the data cannot be downloaded, or the existing file holds other data.
    """
    try:
        if os.path.exists(source.datapath):
            source.prepare_data()
        else:
            _download(source, target)
    except InputError:
        raise
    except Exception as error:  # no network, another molecule, a file that is not a database
        raise InputError(
            f"datapath={source.datapath} cannot be prepared ({type(error).__name__}: {error}); "
            "name another, or put a database of SchNetPack there."
        ) from error


def _download(source: AtomsDataModule, target: str) -> None:
    """Download into a hidden folder, then rename the result."""
    datapath, (parent, name) = source.datapath, os.path.split(target)
    make_folder(parent, "datapath")
    with tempfile.TemporaryDirectory(prefix=f".{name}.", dir=parent) as folder:
        try:
            source.path = folder  # ISO17 unpacks its archive here
            source.datapath = os.path.join(folder, os.path.relpath(datapath, parent))
            source.prepare_data()
            if not os.path.exists(source.datapath):  # ISO17 only logs that there is no network
                raise InputError(f"{datapath} could not be downloaded; put it there by hand.")
        finally:
            source.datapath = datapath
        os.replace(os.path.join(folder, name), target)
