"""Checks of a database before any long work starts."""

from collections.abc import Iterable, Mapping

import torch
from schnetpack import properties, units

from gpip_plugins.analysis.first_fault import first_fault
from gpip_plugins.data.memory import InMemoryAtomsData
from gpip_plugins.errors import InputError
from gpip_plugins.io.ase_database import Database
from gpip_plugins.units import length_in_angstrom

__all__ = ["check_database", "check_values"]


def check_database(
    datapath: str,
    load_properties: Iterable[str] | None,
    property_units: Mapping[str, str] | None,
    distance_unit: str | None = None,
) -> dict[str, str]:
    """Check that a SchNetPack database exists and contains the requested labels and units.

    Args:
        datapath: path of the ASE database.
        load_properties: names of the labels to load; None for all.
        property_units: requested unit of each label.
        distance_unit: requested unit of positions and cells; None for that of the database.

    Returns:
        Unit of each label in the database.

    Raises:
        InputError: no such file, not a database, empty, no units, unknown labels, or a unit that
            cannot be converted.
    """
    remedy = "give the path of a SchNetPack database (`gpip import labels.xyz labels.db` makes one)"
    database = Database(datapath, remedy=remedy)
    available = database.property_units
    if available is None or "_distance_unit" not in database.metadata:
        raise InputError(
            f"datapath={datapath} states no units; import the data again with `gpip import`, or "
            "add them with `spkconvert`."
        )
    if not len(database):
        raise InputError(f"datapath={datapath} holds no configuration; import the data again.")
    if distance_unit is not None:
        length_in_angstrom(distance_unit, "distance_unit")
    _check_labels(datapath, available, load_properties or (), property_units or {})
    return available


def _check_labels(
    datapath: str,
    available: Mapping[str, str],
    load_properties: Iterable[str],
    property_units: Mapping[str, str],
) -> None:
    """Check that a database has these labels, in units that can be converted."""
    for name in (*load_properties, *property_units):
        if name not in available:
            usual = ("energy", "forces", "stress")
            there = ",".join(label for label in usual if label in available)
            choice = f"train on what there is with 'labels=[{there}]', or " if name in usual else ""
            raise InputError(
                f"datapath={datapath} has no property '{name}', only {sorted(available)}; "
                f"{choice if there else ''}set load_properties and property_units (in our recipes "
                "globals.energy_key, globals.forces_key) to those names, or import labels."
            )
    for name, unit in property_units.items():
        try:
            units.convert_units(available[name], unit)
        except Exception as error:  # SchNetPack evaluates the unit as an expression
            raise InputError(
                f"property_units.{name}={unit} cannot be converted from '{available[name]}', the "
                f"unit in {datapath}; name a unit that ASE knows."
            ) from error


def check_values(dataset: InMemoryAtomsData) -> None:
    """Check that labels are finite, and that every structure can be real.

    Args:
        dataset: a loaded data set.

    Raises:
        InputError: names the first wrong configuration and its fault.
    """
    tensors, n_atoms = dataset.tensors, dataset.tensors[properties.n_atoms]
    _check_finite(tensors, n_atoms, dataset.datapath)
    scale = length_in_angstrom(dataset.distance_unit, f"the distance unit of {dataset.datapath}")
    fault = first_fault(
        tensors[properties.Z].numpy(),
        tensors[properties.R].double().numpy() * scale,
        tensors[properties.cell].view(-1, 3, 3).double().numpy() * scale,
        tensors[properties.pbc].view(-1, 3).numpy(),
        n_atoms.numpy(),
    )
    if fault is not None:
        raise InputError(
            f"configuration {fault[0]} of {dataset.datapath} (counted from 0) {fault[1]}."
        )


def _check_finite(tensors: dict[str, torch.Tensor], n_atoms: torch.Tensor, datapath: str) -> None:
    owner = torch.repeat_interleave(torch.arange(len(n_atoms)), n_atoms)
    for key, value in tensors.items():
        if not value.is_floating_point():
            continue
        bad = ~torch.isfinite(value.flatten(1) if value.dim() > 1 else value[:, None]).all(1)
        if bool(bad.any()):
            row = int(bad.nonzero()[0, 0])
            system = int(owner[row]) if len(value) == len(owner) else row * len(n_atoms) // len(bad)
            raise InputError(
                f"configuration {system} of {datapath} has a '{key.strip('_')}' that is not a "
                "finite number; repair or remove it and import the data again."
            )
