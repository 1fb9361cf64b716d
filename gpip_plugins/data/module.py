"""Data module of our recipes: checked data, in memory, with fixed corruption for validation."""

import contextlib
import copy
import logging
import os

from schnetpack.data import AtomsDataModule, AtomsLoader, RandomSplit

from gpip_plugins.data.checks import check_database, check_values
from gpip_plugins.data.epochs import EpochLoader, share_seed
from gpip_plugins.data.memory import InMemoryAtomsData, collate, is_batchwise
from gpip_plugins.data.splits import check_sizes, check_split_file
from gpip_plugins.errors import InputError
from gpip_plugins.io.paths import existing, resolve
from gpip_plugins.transform.base import RandomTransform

__all__ = ["GpipDataModule"]

log = logging.getLogger(__name__)

DEFAULT_SPLIT = "split.npz"  # SchNetPack's default


class GpipDataModule(AtomsDataModule):
    """SchNetPack's data module with three additions.

    - Input is checked before training starts: file, units, names of labels, finite numbers, cells.
      A relative `datapath` is relative to the folder in which the command was typed.
    - Rows are read once and batches are made in memory (`InMemoryAtomsData`).
    - Random transforms (noise, masks) are fixed in validation and test, so that `val_loss` can be
      compared between epochs; in training they are drawn again in each epoch, differently on each
      rank and in each worker, and a resumed run continues with its epoch (`EpochLoader`).

    After `setup`, `elements` are the atomic numbers in the database, and `train_elements` those in
    the training configurations.

    Args:
        datapath: path of a SchNetPack (ASE) database.
        batch_size: configurations per training batch.
        property_units: unit to convert each label into, such as `{"energy": "eV"}`.
        label_names: name of a label in `property_units` to its name in the database, such as
            `{"energy": "E_dft"}`, so that a recipe can state units whatever the name is. Units of
            labels that are not in `load_properties` are ignored.
        corruption_seed: seed of the fixed corruption of validation and test configurations.
        split_file: file with partitions; the default name is created in the folder of the run.
        **kwargs: those of `AtomsDataModule`; leave `num_workers` at 0 for small molecules, where
            making batches costs less than passing them between processes.

    Raises:
        InputError: see `gpip_plugins.data.checks` and `gpip_plugins.data.splits`; also if the
            database cannot be copied to the working folder.
    """

    def __init__(
        self,
        datapath: str,
        batch_size: int,
        corruption_seed: int = 0,
        num_workers: int = 0,
        property_units: dict[str, str] | None = None,
        label_names: dict[str, str] | None = None,
        **kwargs,
    ):
        names, wanted = label_names or {}, kwargs.get("load_properties")
        units = {names.get(name, name): unit for name, unit in (property_units or {}).items()}
        if wanted is not None:
            unused = set(names.values()) - set(wanted)
            units = {name: unit for name, unit in units.items() if name not in unused}
        if datapath is None:
            raise InputError(
                "datapath=null gives no database; give for example datapath=labels.db."
            )
        if not str(datapath).endswith(".db"):
            raise InputError(
                f"datapath={datapath} does not end in .db, the ending of an ASE database; "
                "make one of labelled structures with `gpip import`, or rename it."
            )
        split_file = kwargs.get("split_file")
        # The default name is created in the folder of the run; any other is a file of the user.
        if split_file not in (None, DEFAULT_SPLIT):
            remedy = "name an existing file, or leave it out for a random split"
            kwargs["split_file"] = existing("split_file", split_file, remedy)
        super().__init__(
            resolve(datapath), batch_size, num_workers=num_workers, property_units=units, **kwargs
        )
        self.corruption_seed = corruption_seed
        self._val_transforms = self._frozen(self._val_transforms)
        self._test_transforms = self._frozen(self._test_transforms)
        self.elements: list[int] = []
        self.train_elements: list[int] = []

    def setup(self, stage: str | None = None):
        """Check, read and split the database, and prepare the transforms."""
        if self.dataset is not None:
            return
        share_seed()
        self.dataset = self._read()
        self.elements = self.dataset.elements
        self._check_split()
        self._load_partitions()
        self._train_dataset = self.dataset.subset(self.train_idx)
        self.train_elements = self._train_dataset.elements
        self._val_dataset = self.dataset.subset(self.val_idx)
        self._test_dataset = self.dataset.subset(self.test_idx)
        self._setup_transforms()
        slow = [type(t).__name__ for t in self.train_transforms if not is_batchwise(t)]
        if slow:
            log.info("Transforms run sample by sample because of %s.", ", ".join(slow))

    def _read(self) -> InMemoryAtomsData:
        """Check and read all configurations."""
        self._check_database(self.datapath)
        datapath = self.datapath if self.data_workdir is None else self._to_workdir()
        dataset = InMemoryAtomsData(
            datapath,
            load_properties=self.load_properties,
            property_units=self.property_units,
            distance_unit=self.distance_unit,
        )
        dataset.load(progress=self.trainer is None or self.trainer.is_global_zero)
        check_values(dataset)
        return dataset

    def _sampling(self) -> dict:
        """Return the arguments that set the order of the loader of training batches."""
        batch_sampler = self._setup_sampler(
            self.train_sampler_cls, self.train_sampler_args, self._train_dataset
        )
        if batch_sampler is not None:
            return {"batch_sampler": batch_sampler}
        return {"batch_size": self.batch_size, "shuffle": True}

    def train_dataloader(self) -> AtomsLoader:
        """Return the loader of training batches, shuffled."""
        if self._train_dataloader is None:
            self._train_dataloader = self._loader(
                self._train_dataset,
                self.num_workers,
                kind=EpochLoader,
                datamodule=self,
                **self._sampling(),
            )
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

    def _loader(self, dataset, num_workers, kind=AtomsLoader, **sampling) -> AtomsLoader:
        return kind(
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

    def _check_database(self, datapath: str) -> None:
        check_database(datapath, self.load_properties, self.property_units, self.distance_unit)

    def _to_workdir(self) -> str:
        """Copy the database to the working folder; return the path of the copy."""
        copy_of = os.path.join(self.data_workdir, os.path.basename(self.datapath))
        was_there = os.path.exists(copy_of)
        try:
            datapath = self._copy_to_workdir()
        except OSError as error:
            if not was_there:
                with contextlib.suppress(OSError):
                    os.remove(copy_of)
            raise InputError(
                f"{self.datapath} cannot be copied to data_workdir={self.data_workdir} "
                f"({error.strerror}); make room there, name another folder or leave it out."
            ) from error
        self._check_database(datapath)
        return datapath

    def _check_split(self) -> None:
        sizes = {"num_train": self.num_train, "num_val": self.num_val, "num_test": self.num_test}
        total = len(self.dataset)
        if self.split_file is not None and os.path.exists(self.split_file):
            check_split_file(self.split_file, sizes, total, self.datapath)
            # With -1 SchNetPack would compare the rest with the sizes in the file.
            for name, size in sizes.items():
                if size == -1:
                    setattr(self, name, None)
        elif isinstance(self.splitting, RandomSplit):
            check_sizes(sizes, total, self.datapath)
