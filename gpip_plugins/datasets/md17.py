"""MD17: trajectories of small molecules, by SchNetPack's class."""

from typing import Any

import schnetpack.datasets

from gpip_plugins.data import GpipDataModule
from gpip_plugins.datasets.by_schnetpack import prepare_by_schnetpack
from gpip_plugins.errors import check_choice

__all__ = ["MD17"]

#: Names of SchNetPack's class.
MOLECULES = (
    "aspirin",
    "azobenzene",
    "benzene",
    "ethanol",
    "malonaldehyde",
    "naphthalene",
    "paracetamol",
    "salicylic_acid",
    "toluene",
    "uracil",
)


class MD17(GpipDataModule):
    """One molecule of MD17 (Chmiela et al., Sci. Adv. 3, e1603015 (2017)).

    Args:
        datapath: database, downloaded by `schnetpack.datasets.MD17` when it is missing.
        molecule: aspirin, benzene, ethanol, malonaldehyde, naphthalene, salicylic_acid, toluene,
            uracil, azobenzene or paracetamol.
        batch_size: configurations in a training batch.
        **kwargs: everything else that `gpip_plugins.data.GpipDataModule` takes.

    Raises:
        InputError: for an unknown molecule, or a database of another molecule.
    """

    def __init__(self, datapath: str, molecule: str, batch_size: int, **kwargs: Any):
        check_choice("molecule", molecule, MOLECULES)
        super().__init__(datapath=datapath, batch_size=batch_size, **kwargs)
        self.source = schnetpack.datasets.MD17(self.datapath, molecule, batch_size=1)

    def prepare_data(self) -> None:
        """Download the molecule if it is missing, else check that it is the requested one."""
        prepare_by_schnetpack(self.source, self.datapath)
