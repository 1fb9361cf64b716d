"""Stored labels of the training configurations, for transforms that are fitted."""

from collections import Counter
from dataclasses import dataclass

import torch
from schnetpack import properties

from gpip_plugins.errors import InputError

__all__ = ["TrainingLabels", "other_compositions", "training_labels"]


@dataclass
class TrainingLabels:
    """A label of all training configurations, with their atoms.

    Args:
        values: one number per configuration, float64, shape (n_systems,).
        Z: atomic numbers of all atoms, shape (n_atoms,).
        n_atoms: atoms of every configuration, shape (n_systems,).
    """

    values: torch.Tensor
    Z: torch.Tensor
    n_atoms: torch.Tensor


def training_labels(datamodule, name: str) -> TrainingLabels:
    """Read a label of the training configurations that have it, without any transform.

    Args:
        datamodule: data module of gpip_plugins or of SchNetPack.
        name: name of a label with one number per configuration, in the unit of `property_units`.

    Raises:
        InputError: the data do not have this label, or it is not one number.
    """
    dataset = datamodule.train_dataset
    rows = [dataset.raw()] if hasattr(dataset, "raw") else list(dataset.iter_properties())
    if not rows or name not in rows[0]:
        raise InputError(
            f"The training data have no label '{name}'; name it in load_properties, or "
            "correct the property of the transform."
        )
    values, Z, n_atoms = (
        torch.cat([row[key].flatten() for row in rows])
        for key in (name, properties.Z, properties.n_atoms)
    )
    if len(values) != len(n_atoms):
        raise InputError(
            f"The label '{name}' has {len(values) / len(n_atoms):g} numbers per configuration "
            "instead of one; name another property."
        )
    # Data sets of a mixture that lack the label have NaN for it.
    there = torch.isfinite(values)
    if not there.any():
        raise InputError(
            f"No training configuration has the label '{name}'; name another property, or add data "
            "that have it."
        )
    Z = Z[torch.repeat_interleave(there, n_atoms)]
    return TrainingLabels(values[there].double(), Z, n_atoms[there])


def other_compositions(datamodule) -> list[dict[int, int]]:
    """Return the different compositions of the validation and test configurations.

    Args:
        datamodule: data module; one that does not hold its data in memory gives none.

    Returns:
        Element to number of atoms, for every composition.
    """
    found: set[tuple[tuple[int, int], ...]] = set()
    for name in ("val_dataset", "test_dataset"):
        dataset = getattr(datamodule, name, None)
        if hasattr(dataset, "structures"):
            for Z, _, _ in dataset.structures():
                found.add(tuple(sorted(Counter(Z.tolist()).items())))
    return [dict(composition) for composition in sorted(found)]
