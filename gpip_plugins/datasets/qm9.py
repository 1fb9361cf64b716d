"""QM9: equilibrium structures with their properties, by SchNetPack's class."""

from typing import Any

import schnetpack.datasets

from gpip_plugins.data import GpipDataModule
from gpip_plugins.datasets.by_schnetpack import prepare_by_schnetpack

__all__ = ["QM9"]


class QM9(GpipDataModule):
    """QM9: 134,000 equilibrium structures (Ramakrishnan et al., Sci. Data 1, 140022 (2014)), CC0.

    B3LYP/6-31G(2df,p) minima, which have no forces.

    Args:
        datapath: database, downloaded by `schnetpack.datasets.QM9` when it is missing.
        batch_size: configurations in a training batch.
        remove_uncharacterized: leave out the 3,054 molecules whose minimum differs from their
            SMILES.
        **kwargs: everything else that `gpip_plugins.data.GpipDataModule` takes.

    Raises:
        InputError: if the data cannot be downloaded.
    """

    def __init__(
        self, datapath: str, batch_size: int, remove_uncharacterized: bool = True, **kwargs: Any
    ):
        super().__init__(datapath=datapath, batch_size=batch_size, **kwargs)
        self.source = schnetpack.datasets.QM9(
            self.datapath, batch_size=1, remove_uncharacterized=remove_uncharacterized
        )

    def prepare_data(self) -> None:
        """Download the data if they are missing."""
        prepare_by_schnetpack(self.source, self.datapath)
