"""Data sets that a class of SchNetPack downloads and our data module hands out.

So MD17, QM9 and ISO17 have checked input, paths that count from where the command was typed, and
batches made in memory; what is downloaded, from where and in which units is SchNetPack's.
"""

import os

from schnetpack.data import AtomsDataModule

from gpip_plugins.errors import InputError

__all__ = ["bring"]


def bring(source: AtomsDataModule) -> None:
    """Let SchNetPack's class download its file, or check the one that is there.

    Args:
        source: SchNetPack's data set.

    Raises:
        InputError: if it cannot be had, or the file is another.
    """
    datapath = source.datapath
    os.makedirs(os.path.dirname(datapath), exist_ok=True)
    try:
        source.prepare_data()
    except Exception as error:  # no network, another molecule, a file that is no database
        raise InputError(
            f"datapath={datapath} cannot be prepared ({type(error).__name__}: {error}); name "
            "another, or put a database of SchNetPack there."
        ) from error
    if not os.path.exists(datapath):
        raise InputError(f"{datapath} could not be downloaded; put it there by hand.")
