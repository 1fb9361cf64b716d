"""Artificial sampled databases from known ensembles."""

import numpy as np
import pytest
from ase import Atoms
from schnetpack.data import ASEAtomsData

UNITS = {"energy": "eV", "temperature": "K", "kinetic_temperature": "K"}


@pytest.fixture
def write(tmp_path):
    """Return a function that writes frames as the sampler does, and returns the path."""

    def make(
        frames: list[Atoms],
        name: str = "sampled.db",
        temperature: float | np.ndarray = 300.0,
        system: str = "test",
        without: str | None = None,
        distance_unit: str = "Ang",
    ) -> str:
        path = tmp_path / name
        kept = {key: unit for key, unit in UNITS.items() if key != without}
        if path.exists():
            data = ASEAtomsData(str(path))
        else:
            data = ASEAtomsData.create(
                str(path), distance_unit=distance_unit, property_unit_dict=kept
            )
        rng = np.random.default_rng(0)
        rows = []
        for atoms, t in zip(frames, np.broadcast_to(temperature, len(frames)), strict=True):
            f = 3 * len(atoms)
            row = {
                "energy": np.array([rng.normal()]),
                "temperature": np.array([t]),
                "kinetic_temperature": np.array([t / f * rng.chisquare(f)]),
            }
            rows.append({key: row[key] for key in kept})
        with data.conn:  # one transaction
            data.add_systems(rows, frames, atoms_metadata_list=[{"system": system}] * len(frames))
        return str(path)

    return make
