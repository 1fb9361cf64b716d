"""Frames as an ASE database in SchNetPack's format."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import numpy as np
from ase import Atoms
from schnetpack.data import ASEAtomsData

from gpip_plugins.sampling.engine import Trajectory
from gpip_plugins.sampling.system import MolecularSystem

__all__ = ["PROPERTY_UNITS", "bytes_needed", "write_database"]

PROPERTY_UNITS: Final[dict[str, str]] = {"energy": "eV", "forces": "eV/Ang", "temperature": "K"}


def write_database(
    datapath: str | Path,
    trajectories: Iterable[tuple[MolecularSystem, float, Trajectory]],
    metadata: dict[str, Any],
) -> None:
    """Write all frames in one transaction; the file appears whole or not at all.

    Every row holds `energy` (1,) in eV, `forces` (n_atoms, 3) in eV/Å, the thermostat's
    `temperature` (1,) in K, and the key-value pair `system`.

    Args:
        datapath: the database, ending in `.db`; replaced if it exists.
        trajectories: (system, temperature, frames), in the order of the rows.
        metadata: stored beside SchNetPack's own metadata.
    """
    datapath = Path(datapath)
    part = datapath.with_name(f".{datapath.stem}.part.db")
    part.unlink(missing_ok=True)
    try:
        dataset = ASEAtomsData.create(
            str(part), distance_unit="Ang", property_unit_dict=PROPERTY_UNITS
        )
        dataset.update_metadata(**metadata)
        with dataset.conn:
            for system, temperature, frames in trajectories:
                dataset.add_systems(
                    property_list=[
                        {
                            "energy": np.array([energy]),
                            "forces": forces,
                            "temperature": np.array([temperature]),
                        }
                        for energy, forces in zip(frames.energy, frames.forces, strict=True)
                    ],
                    atoms_list=[Atoms(system.numbers, positions) for positions in frames.positions],
                    atoms_metadata_list=[{"system": system.name} for _ in frames.positions],
                )
        os.replace(part, datapath)
    finally:
        part.unlink(missing_ok=True)


def bytes_needed(n_frames: int, n_atoms: int) -> int:
    """Estimate the disk space of database and shards together (measured: 1 kB a row beside them).

    Args:
        n_frames: number of frames.
        n_atoms: atoms of the largest molecule.

    Example:
        >>> bytes_needed(n_frames=1000, n_atoms=9)
        1936000
    """
    return n_frames * (1000 + n_atoms * (52 + 52))
