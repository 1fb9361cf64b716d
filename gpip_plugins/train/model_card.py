"""Writes the card of a model during training."""

import datetime
import hashlib
import importlib.metadata
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from ase.data import chemical_symbols
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning import Callback, LightningDataModule, LightningModule, Trainer
from schnetpack.atomistic import Forces
from torch import nn

from gpip_plugins.checkpoint import settings_of
from gpip_plugins.io.ase_database import Database
from gpip_plugins.potential.card import Card
from gpip_plugins.train.pretrained import PretrainedRepresentation

__all__ = ["ModelCard"]

PACKAGES = ("gpip_plugins", "schnetpack", "torch", "ase")


class ModelCard(Callback):
    """Writes a `gpip_plugins.potential.Card` into the model: units, elements, data, errors.

    The card is updated after every validation, before anything is saved; a checkpoint between two
    validations has a card without errors. So every file of the run has the errors of its weights.

    Args:
        representation: node of the recipe that builds the representation; instantiate this
            callback with `_recursive_: false`, so that it stays a node.
        level_of_theory: of the labels, such as `PBE+MBD`; None takes it from the databases.

    Example:
        >>> ModelCard(level_of_theory="PBE").level_of_theory
        'PBE'
    """

    def __init__(
        self,
        representation: DictConfig | dict[str, Any] | None = None,
        level_of_theory: str | None = None,
    ):
        if isinstance(representation, DictConfig):
            representation = OmegaConf.to_container(representation, resolve=True)
        self.representation = dict(representation or {})
        self.level_of_theory = level_of_theory
        self._constant: dict[str, Any] = {}
        self._before: Card | None = None

    def on_load_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict
    ) -> None:
        """Keep the start weights that the card of a resumed run names."""
        self._before = Card.from_model((checkpoint.get("hyper_parameters") or {}).get("model"))

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Collect the entries that stay constant."""
        if not trainer.is_global_zero:
            return
        settings = settings_of(pl_module.model.representation)
        entries = {} if trainer.datamodule is None else _data(trainer.datamodule)
        if entries:
            entries["units"] = _with_energy(entries["units"], pl_module.model.output_modules)
        self._constant = {
            **entries,
            "pretrained": self._before.pretrained if self._before else _origin(trainer),
            "cutoff": settings.get("cutoff"),
            "settings": settings,
            "representation": self.representation,
            "versions": {name: importlib.metadata.version(name) for name in PACKAGES},
            "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        }
        if self.level_of_theory is not None:
            self._constant["level_of_theory"] = self.level_of_theory
        if self._before is None:
            self._attach(pl_module)
        else:  # a resumed run has the weights of this card
            self._attach(pl_module, self._before.errors, self._before.epoch)

    def on_save_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict
    ) -> None:
        """Leave the errors out of a file whose weights are newer than the last validation."""
        card = Card.from_model(pl_module.model)
        if self._constant and card is not None and card.epoch not in (None, trainer.current_epoch):
            self._attach(pl_module)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Update the card with the errors of the present weights."""
        if trainer.sanity_checking or not self._constant:
            return
        errors = {
            name: float(value)
            for name, value in trainer.callback_metrics.items()
            if name.startswith("val_")
        }
        self._attach(pl_module, errors, trainer.current_epoch)

    def _attach(
        self,
        pl_module: LightningModule,
        errors: dict[str, float] | None = None,
        epoch: int | None = None,
    ) -> None:
        """Write the card into the model."""
        Card(**self._constant, errors=errors or {}, epoch=epoch).attach(pl_module.model)


def _origin(trainer: Trainer) -> dict[str, str]:
    """Return the file that the weights were taken from."""
    for callback in trainer.callbacks:
        if isinstance(callback, PretrainedRepresentation) and callback.transfer is not None:
            source = callback.transfer.checkpoint
            return {"file": source.path, "sha256": source.sha256}
    return {}


def _data(datamodule: LightningDataModule) -> dict[str, Any]:
    """Return the entries of a data module: units, elements, sizes, files."""
    sources = _sources(datamodule)
    databases = [Database(path) for _, path, _ in sources]
    units = dict(databases[0].property_units or {}) if len(databases) == 1 else {}
    wanted = datamodule.load_properties
    units = {name: unit for name, unit in units.items() if wanted is None or name in wanted}
    distances = {database.metadata.get("_distance_unit") for database in databases}
    levels = [level for _, _, level in sources]
    levels += [database.metadata.get("level_of_theory") for database in databases]
    units |= dict(datamodule.property_units or {})
    return {
        "units": units,
        "distance_unit": datamodule.distance_unit
        or (distances.pop() if len(distances) == 1 else None),
        "elements": _elements(datamodule.train_dataset),
        "n_train": len(datamodule.train_dataset),
        "n_val": len(datamodule.val_dataset),
        "data": {
            name: _sha256(database.path)
            for (name, _, _), database in zip(sources, databases, strict=True)
        },
        "level_of_theory": ", ".join(dict.fromkeys(filter(None, levels))) or None,
    }


def _with_energy(units: dict[str, str], modules: Iterable[nn.Module]) -> dict[str, str]:
    """Return the units with that of the energy; after training on forces alone it is theirs."""
    for module in modules:
        if isinstance(module, Forces) and module.energy_key not in units:
            unit, slash, _ = units.get(module.force_key, "").rpartition("/")
            units = units | ({module.energy_key: unit} if slash else {})
    return units


def _sources(datamodule: LightningDataModule) -> list[tuple[str, str, str | None]]:
    """Return name, path and stated level of theory of each database; a mixture has several."""
    members = getattr(datamodule, "members", None)
    if members is None:
        return [(Path(datamodule.datapath).name, datamodule.datapath, None)]
    return [(member.name, member.path, member.level_of_theory) for member in members]


def _elements(dataset: torch.utils.data.Dataset) -> dict[str, int]:
    """Return the number of atoms of each element; empty if the data set is not in memory."""
    counts = getattr(dataset, "element_counts", {})
    return {chemical_symbols[z]: n for z, n in counts.items()}


def _sha256(path: str) -> str:
    """Return the hash of a file, hexadecimal."""
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
