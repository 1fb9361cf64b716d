"""Small analytic models and systems for simulations inside of the test's process."""

from functools import partial

import numpy as np
import pytest
import torch
from ase.build import bulk, molecule
from schnetpack.md import System
from schnetpack.md.calculators import LJCalculator, MDCalculator
from schnetpack.transform import MatScipyNeighborList

from gpip_plugins.md.motion import MaxwellBoltzmann
from gpip_plugins.md.neighbors import MoleculeNeighbors

WAITING = partial(MoleculeNeighbors, cutoff=None, cutoff_shell=2.0, base_nbl=MatScipyNeighborList)


class Springs(MDCalculator):
    """Harmonic springs between all pairs of atoms of one molecule, in many replicas."""

    def __init__(self, stiffness: float):  # kJ/mol/nm^2
        super().__init__([], "forces", "kJ/mol", "nm", energy_key="energy")
        self.stiffness = stiffness
        self.rest = None

    def calculate(self, system):
        pairs = system.positions[:, :, None] - system.positions[:, None]
        distance = pairs.norm(dim=-1)
        if self.rest is None:
            self.rest = distance[:1].clone()
        stretch = distance - self.rest
        direction = pairs / distance.clamp(min=1e-9)[..., None]
        self.results = {
            "energy": 0.25 * self.stiffness * (stretch**2).sum((1, 2)),
            "forces": -self.stiffness * (stretch[..., None] * direction).sum(2).flatten(0, 1),
        }
        self._update_system(system)


@pytest.fixture
def springs():
    return Springs


@pytest.fixture
def waiting():
    """Return a neighbour list without cut-off, as the recipes give it."""
    return WAITING


@pytest.fixture
def system_of():
    """Return a function: a system with momenta, in double precision."""

    def make(atoms, n_replicas=1, temperature=500.0, rotation=True):
        torch.manual_seed(1)
        system = System()
        system.properties = {}  # SchNetPack keeps one dictionary for all systems of a process
        atoms = molecule(atoms) if isinstance(atoms, str) else atoms
        system.load_molecules(atoms, n_replicas=n_replicas)
        system = system.to(torch.float64)
        MaxwellBoltzmann(temperature, remove_rotation=rotation).initialize_system(system)
        return system

    return make


@pytest.fixture
def argon():
    """Return a function: a distorted crystal of 32 argon atoms, in a cubic or a skewed cell."""

    def make(skewed=False):
        atoms = bulk("Ar", "fcc", a=5.3, cubic=True) * (2, 2, 2)
        atoms.positions += np.random.default_rng(0).normal(scale=0.1, size=atoms.positions.shape)
        if skewed:
            skew = np.array([[0, 0, 0], [1.5, 0, 0], [0, -1.0, 0]])
            atoms.set_cell(atoms.cell.array + skew, scale_atoms=True)
        return atoms

    return make


@pytest.fixture
def lennard_jones():
    """Return a function: Lennard-Jones argon with stress."""

    def make():
        neighbors = MoleculeNeighbors(7.0, 1.0, MatScipyNeighborList)
        return LJCalculator(
            3.82, 0.0103, "forces", "eV", "Ang", neighbors, "energy", "stress", healing_length=2.0
        )

    return make
