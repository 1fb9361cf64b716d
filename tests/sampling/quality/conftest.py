"""Sampled databases made up from known ensembles."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import molecule
from schnetpack.data import ASEAtomsData

from gpip_plugins.sampling.quality.frames import SystemFrames

UNITS = {"energy": "eV", "temperature": "K", "kinetic_temperature": "K"}


@pytest.fixture
def shaken():
    """Return a function: frames of a molecule, every atom displaced at random."""

    def make(name: str, n_frames: int, seed: int = 0, width: float = 0.05) -> list[Atoms]:
        rng = np.random.default_rng(seed)
        frames = [molecule(name) for _ in range(n_frames)]
        for atoms in frames:
            atoms.positions += rng.normal(scale=width, size=atoms.positions.shape)
        return frames

    return make


@pytest.fixture
def as_system():
    """Return a function: structures of equal atoms as `SystemFrames` at 300 K."""

    def make(frames: list[Atoms]) -> SystemFrames:
        n = len(frames)
        return SystemFrames(
            "test",
            frames[0].numbers,
            frames[0].pbc,
            np.arange(n),
            np.full(n, 300.0),
            np.full(n, np.nan),
            np.zeros(n),
            np.full(n, np.nan),
            np.arange(n),
            np.array([atoms.positions for atoms in frames]),
            np.array([np.array(atoms.cell) for atoms in frames]),
        )

    return make


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
