"""What is checked in a database before any long work starts."""

import sqlite3

import torch
from ase.db import connect
from schnetpack import properties, units

from gpip_plugins.errors import InputError
from gpip_plugins.io.paths import existing
from gpip_plugins.io.structures import FLAT_CELL, flat_cells
from gpip_plugins.units import length_in_angstrom

__all__ = ["check_database", "check_values"]


def check_database(
    datapath: str,
    load_properties: list[str] | None,
    property_units: dict[str, str] | None,
    distance_unit: str | None = None,
    key: str = "data.datapath",
) -> dict:
    """Check that a SchNetPack database exists and holds what is asked for; return its metadata.

    Args:
        datapath: path of the ASE database.
        load_properties: names of the labels to load; None for all.
        property_units: unit wanted for each label.
        distance_unit: unit wanted for positions and cells; None for the database's own.
        key: what the user calls the path, for the message.

    Raises:
        InputError: no such file, not a database, empty, no units, unknown labels, or a unit that
            does not fit.
    """
    existing(
        key,
        datapath,
        "give the path of a SchNetPack database (`gpip import labels.xyz labels.db` makes one)",
    )
    try:
        with connect(datapath, use_lock_file=False) as database:
            metadata = database.metadata
            n_rows = database.count()
    except (sqlite3.Error, ValueError, OSError, AttributeError) as error:
        raise InputError(
            f"{key}={datapath} cannot be read as an ASE database ({error}); import the "
            "data again with `gpip import`."
        ) from error
    available = metadata.get("_property_unit_dict")
    if available is None or "_distance_unit" not in metadata:
        raise InputError(
            f"{key}={datapath} states no units; import the data again with "
            "`gpip import`, or add them with `spkconvert`."
        )
    if n_rows == 0:
        raise InputError(f"{key}={datapath} holds no configuration; import the data again.")
    length_in_angstrom(metadata["_distance_unit"] or "Ang", f"the distance unit of {datapath}")
    if distance_unit is not None:
        length_in_angstrom(distance_unit, "data.distance_unit")
    wanted = list(load_properties or []) + list(property_units or {})
    for name in wanted:
        if name not in available:
            raise InputError(
                f"{key}={datapath} has no property '{name}', only "
                f"{sorted(available)}; set data.load_properties and data.property_units (in our "
                "recipes globals.energy_key, globals.forces_key) to those names, or import labels."
            )
    for name, unit in (property_units or {}).items():
        try:
            units.convert_units(available[name], unit)
        except Exception as error:
            raise InputError(
                f"data.property_units.{name}={unit} cannot be converted from "
                f"'{available[name]}', the unit in {datapath}; name a unit that ASE knows."
            ) from error
    return metadata


def check_values(tensors: dict[str, torch.Tensor], n_atoms: torch.Tensor, datapath: str) -> None:
    """Check that positions, cells and labels are finite, and periodic cells have a volume.

    Args:
        tensors: all rows of the database, concatenated.
        n_atoms: atoms per configuration, shape (n_systems,).
        datapath: path of the database, for the message.

    Raises:
        InputError: names the first configuration at fault, and what is wrong.
    """
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
    cells = tensors[properties.cell].view(-1, 3, 3).double().numpy()
    flat = flat_cells(cells, tensors[properties.pbc].view(-1, 3).numpy())
    if flat.any():
        raise InputError(
            f"configuration {int(flat.argmax())} of {datapath} {FLAT_CELL}, and import the data "
            "again."
        )
