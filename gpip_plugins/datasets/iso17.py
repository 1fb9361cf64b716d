"""ISO17: trajectories of isomers with two test sets, by SchNetPack's class."""

import os
from typing import Any

import schnetpack.datasets

from gpip_plugins.data import GpipDataModule, InMemoryAtomsData, check_database, check_values
from gpip_plugins.datasets.by_schnetpack import prepare_by_schnetpack
from gpip_plugins.errors import check_choice
from gpip_plugins.io.paths import resolve

__all__ = ["ISO17"]


class ISO17(GpipDataModule):
    """ISO17: trajectories of C7H10O2 isomers (Schütt et al., NeurIPS 2017, arXiv:1706.08566).

    Training and validation configurations come from the fold `reference` (404,000 of 80 % of the
    isomers, 80 % of their trajectories). The test set is a whole fold: `test_within` has other
    configurations of the same isomers ("known molecules"), `test_other` has the other isomers
    ("unknown molecules"). Both are databases in one folder, so that one more command evaluates the
    second one (`gpip predict`).

    Args:
        datapath: folder of the data; `iso17/FOLD.db` in it is downloaded by
            `schnetpack.datasets.ISO17` when it is missing.
        batch_size: configurations in a training batch.
        test_fold: test_within or test_other.
        **kwargs: everything else that `gpip_plugins.data.GpipDataModule` takes.

    Raises:
        InputError: for an unknown fold, or if the data cannot be downloaded.
    """

    TEST_FOLDS = ("test_within", "test_other")

    def __init__(
        self, datapath: str, batch_size: int, test_fold: str = "test_within", **kwargs: Any
    ):
        check_choice("test_fold", test_fold, self.TEST_FOLDS)
        folder = resolve(datapath)
        self.source = schnetpack.datasets.ISO17(folder, "reference", batch_size=1)
        self.test_path = os.path.join(folder, "iso17", f"{test_fold}.db")
        super().__init__(datapath=self.source.datapath, batch_size=batch_size, **kwargs)

    def prepare_data(self) -> None:
        """Download all folds if they are missing."""
        prepare_by_schnetpack(self.source, os.path.dirname(self.datapath))

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
        check_values(test)
        test.transforms = self.test_transforms
        self._test_dataset = test
