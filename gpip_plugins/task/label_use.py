"""Which labels of the data a training uses, and which it leaves."""

import os
from collections.abc import Iterable

from pytorch_lightning import LightningDataModule
from schnetpack.task import ModelOutput

from gpip_plugins.io.ase_database import Database

__all__ = ["unused_labels"]


def unused_labels(datamodule: LightningDataModule, outputs: Iterable[ModelOutput]) -> str:
    """Return the labels that the databases of a training hold and that it does not use.

    Args:
        datamodule: data module with a database, or with one for each member of a mixture.
        outputs: outputs of the task, for data modules that load all labels.

    Returns:
        `NAME (UNIT), ...`; with several databases after their names. Empty if all are used.
    """
    wanted = getattr(datamodule, "load_properties", None)
    if wanted is None:
        wanted = [output.target_property for output in outputs]
    members = getattr(datamodule, "members", None)
    if members is None:
        return _unused(getattr(datamodule, "datapath", None), wanted)
    texts = {m.name: _unused(m.path, [m.stored_name(label) for label in wanted]) for m in members}
    return "; ".join(f"{name}: {text}" for name, text in texts.items() if text)


def _unused(path: str | None, used: Iterable[str]) -> str:
    """Return the labels of a database that are not used."""
    if path is None or not os.path.isfile(path):
        return ""
    units = Database(path).property_units or {}
    used = set(used)
    return ", ".join(f"{name} ({unit})" for name, unit in units.items() if name not in used)
