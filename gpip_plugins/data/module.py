"""The data module of our recipes: checked, in memory, with fixed corruption for validation."""

import copy
import logging
import os

import torch
from schnetpack import properties
from schnetpack.data import AtomsDataModule, AtomsLoader

from gpip_plugins.data.checks import check_database, check_values
from gpip_plugins.data.memory import InMemoryAtomsData, collate, is_batchwise
from gpip_plugins.errors import InputError
from gpip_plugins.paths import resolve
from gpip_plugins.transform.base import RandomTransform

__all__ = ["GpipDataModule"]

log = logging.getLogger(__name__)


class GpipDataModule(AtomsDataModule):
    """SchNetPack's data module with three additions.

    - Input is checked before training starts: file, units, names of labels, finite numbers, cells.
      A relative `datapath` means the folder in which the command was typed.
    - Rows are read once and batches are made in memory (`InMemoryAtomsData`).
    - Random transforms (noise, masks) are fixed in validation and test, so that `val_loss` can be
      compared between epochs; in training they are drawn anew each epoch.

    Args:
        datapath: path of a SchNetPack (ASE) database.
        batch_size: configurations per training batch.
        corruption_seed: seed of the fixed corruption of validation and test configurations.
        **kwargs: those of `AtomsDataModule`; `num_workers` is best left at 0 for small
            molecules, where batches are cheaper than handing them between processes.

    Raises:
        InputError: see `gpip_plugins.data.checks`; also split sizes that exceed the data.
    """

    def __init__(
        self,
        datapath: str,
        batch_size: int,
        corruption_seed: int = 0,
        num_workers: int = 0,
        **kwargs,
    ):
        split_file = kwargs.get("split_file")
        # The default name is made in the folder of the run; any other is the user's own file.
        if split_file not in (None, "split.npz") and os.path.exists(resolve(split_file)):
            kwargs["split_file"] = resolve(split_file)
        super().__init__(resolve(datapath), batch_size, num_workers=num_workers, **kwargs)
        self.corruption_seed = corruption_seed
        self._val_transforms = self._frozen(self._val_transforms)
        self._test_transforms = self._frozen(self._test_transforms)
        self.elements: list[int] = []

    def setup(self, stage: str | None = None):
        """Check and read the database, split it, and hand the transforms their data."""
        if self.dataset is not None:
            return
        datapath = self.datapath if self.data_workdir is None else self._copy_to_workdir()
        check_database(datapath, self.load_properties, self.property_units)
        self.dataset = InMemoryAtomsData(
            datapath,
            load_properties=self.load_properties,
            property_units=self.property_units,
            distance_unit=self.distance_unit,
        )
        self.dataset.load(progress=self.trainer is None or self.trainer.is_global_zero)
        tensors = self.dataset.tensors
        check_values(tensors, tensors[properties.n_atoms], datapath)
        self.elements = torch.unique(tensors[properties.Z]).tolist()
        self._check_split_sizes()
        self._load_partitions()
        self._train_dataset = self.dataset.subset(self.train_idx)
        self._val_dataset = self.dataset.subset(self.val_idx)
        self._test_dataset = self.dataset.subset(self.test_idx)
        self._setup_transforms()
        slow = [type(t).__name__ for t in self.train_transforms if not is_batchwise(t)]
        if slow:
            log.info("Transforms run sample by sample because of %s.", ", ".join(slow))

    def train_dataloader(self) -> AtomsLoader:
        """Return the loader of training batches, shuffled."""
        if self._train_dataloader is None:
            batch_sampler = self._setup_sampler(
                self.train_sampler_cls, self.train_sampler_args, self._train_dataset
            )
            sampling = (
                {"batch_size": self.batch_size, "shuffle": True}
                if batch_sampler is None
                else {"batch_sampler": batch_sampler}
            )
            self._train_dataloader = self._loader(self._train_dataset, self.num_workers, **sampling)
        return self._train_dataloader

    def val_dataloader(self) -> AtomsLoader:
        """Return the loader of validation batches, in fixed order."""
        if self._val_dataloader is None:
            self._val_dataloader = self._loader(
                self._val_dataset, self.num_val_workers, batch_size=self.val_batch_size
            )
        return self._val_dataloader

    def test_dataloader(self) -> AtomsLoader:
        """Return the loader of test batches, in fixed order."""
        if self._test_dataloader is None:
            self._test_dataloader = self._loader(
                self._test_dataset, self.num_test_workers, batch_size=self.test_batch_size
            )
        return self._test_dataloader

    def _loader(self, dataset, num_workers, **sampling) -> AtomsLoader:
        return AtomsLoader(
            dataset,
            num_workers=num_workers,
            collate_fn=collate,
            pin_memory=self._pin_memory,
            **sampling,
        )

    def _frozen(self, transforms) -> list:
        return [
            t.frozen(self.corruption_seed) if isinstance(t, RandomTransform) else copy.deepcopy(t)
            for t in transforms
        ]

    def _check_split_sizes(self) -> None:
        if self.splitting is not None and type(self.splitting).__name__ != "RandomSplit":
            return
        total = len(self.dataset)
        sizes = {"num_train": self.num_train, "num_val": self.num_val, "num_test": self.num_test}
        asked = sum(
            int(n * total) if isinstance(n, float) and n <= 1 else int(n)
            for n in sizes.values()
            if n is not None and n >= 0
        )
        if asked > total:
            wanted = ", ".join(f"data.{name}={n}" for name, n in sizes.items() if n is not None)
            raise InputError(
                f"{wanted} ask for {asked} configurations, but {self.datapath} holds {total}; "
                "lower one of them."
            )
