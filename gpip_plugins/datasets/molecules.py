"""MD17, ISO17 and QM9: SchNetPack's classes bring the files, our data module hands them out.

So all have checked input, paths that count from where the command was typed, and batches made in
memory; what is downloaded, from where and in which units is SchNetPack's.
"""

import os
from typing import Any

import schnetpack.datasets
from schnetpack.data import AtomsDataModule

from gpip_plugins.data import GpipDataModule, InMemoryAtomsData, check_database, check_values
from gpip_plugins.errors import InputError
from gpip_plugins.io.paths import resolve

__all__ = ["ISO17", "MD17", "QM9"]


class MD17(GpipDataModule):
    """One molecule of MD17 (Chmiela et al., Sci. Adv. 3, e1603015 (2017)).

    Args:
        datapath: database, downloaded by `schnetpack.datasets.MD17` when it is missing.
        molecule: aspirin, benzene, ethanol, malonaldehyde, naphthalene, salicylic_acid, toluene,
            uracil, azobenzene or paracetamol.
        batch_size: configurations in a training batch.
        **kwargs: everything else that `gpip_plugins.data.GpipDataModule` takes.

    Raises:
        InputError: for a molecule that there is not, or a database of another one.
    """

    def __init__(self, datapath: str, molecule: str, batch_size: int, **kwargs: Any):
        super().__init__(datapath=datapath, batch_size=batch_size, **kwargs)
        try:
            self.source = schnetpack.datasets.MD17(self.datapath, molecule, batch_size=1)
        except Exception as error:  # SchNetPack's own kind of exception
            raise InputError(
                f"data.molecule={molecule} is not in MD17 ({error}); choose for example ethanol."
            ) from None

    def prepare_data(self) -> None:
        """Download the molecule if it is missing, else check that it is the one asked for."""
        _bring(self.source, self.datapath)


class QM9(GpipDataModule):
    """QM9: 134,000 equilibrium structures (Ramakrishnan et al., Sci. Data 1, 140022 (2014)), CC0.

    B3LYP/6-31G(2df,p) minima, which have no forces.

    Args:
        datapath: database, downloaded by `schnetpack.datasets.QM9` when it is missing.
        batch_size: configurations in a training batch.
        remove_uncharacterized: leave out the 3,054 molecules that are no minima of their SMILES.
        **kwargs: everything else that `gpip_plugins.data.GpipDataModule` takes.

    Raises:
        InputError: if the data cannot be had.
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
        _bring(self.source, self.datapath)


class ISO17(GpipDataModule):
    """ISO17: trajectories of C7H10O2 isomers (Schütt et al., NeurIPS 2017, arXiv:1706.08566).

    Training and validation configurations come from the fold `reference` (404,000 of 80 % of the
    isomers, 80 % of their trajectories). The test set is a whole fold: `test_within` has other
    configurations of the same isomers ("known molecules"), `test_other` has the other isomers
    ("unknown molecules"). Both are databases beside each other, so that the second is a matter of
    one more command (`gpip predict`).

    Args:
        datapath: folder of the data; `iso17/FOLD.db` in it is downloaded by
            `schnetpack.datasets.ISO17` when it is missing.
        batch_size: configurations in a training batch.
        test_fold: test_within or test_other.
        **kwargs: everything else that `gpip_plugins.data.GpipDataModule` takes.

    Raises:
        InputError: for another fold, or if the data cannot be had.
    """

    TEST_FOLDS = ("test_within", "test_other")

    def __init__(
        self, datapath: str, batch_size: int, test_fold: str = "test_within", **kwargs: Any
    ):
        if test_fold not in self.TEST_FOLDS:
            raise InputError(
                f"data.test_fold={test_fold} is no test set of ISO17; choose from "
                f"{', '.join(self.TEST_FOLDS)}."
            )
        folder = resolve(datapath)
        self.source = schnetpack.datasets.ISO17(folder, "reference", batch_size=1)
        self.test_path = os.path.join(folder, "iso17", f"{test_fold}.db")
        super().__init__(datapath=self.source.datapath, batch_size=batch_size, **kwargs)

    def prepare_data(self) -> None:
        """Download all folds if they are missing."""
        _bring(self.source, self.datapath)

    def setup(self, stage: str | None = None) -> None:
        """Read and split the reference fold, and read the test fold as a whole."""
        if self.dataset is not None:
            return
        super().setup(stage)
        check_database(self.test_path, self.load_properties, self.property_units)
        test = InMemoryAtomsData(
            self.test_path,
            load_properties=self.load_properties,
            property_units=self.property_units,
            distance_unit=self.distance_unit,
        )
        test.load(progress=self.trainer is None or self.trainer.is_global_zero)
        tensors = test.tensors
        check_values(tensors, tensors["_n_atoms"], self.test_path)
        test.transforms = self.test_transforms
        self._test_dataset = test


def _bring(source: AtomsDataModule, datapath: str) -> None:
    """Let SchNetPack's class download or check its file."""
    os.makedirs(os.path.dirname(datapath), exist_ok=True)
    try:
        source.prepare_data()
    except Exception as error:  # no network, another molecule, a file that is no database
        raise InputError(
            f"{datapath} cannot be prepared ({type(error).__name__}: {error}); name another "
            "data.datapath, or put a database of SchNetPack there."
        ) from error
    if not os.path.exists(datapath):
        raise InputError(f"{datapath} could not be downloaded; put it there by hand.")
