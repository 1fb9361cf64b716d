"""Momenta at the start and degrees of freedom, also of points and lines."""

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import molecule
from omegaconf import ListConfig
from schnetpack import units
from schnetpack.md import System

from gpip_plugins.errors import InputError
from gpip_plugins.md.motion import MaxwellBoltzmann, moving_degrees_of_freedom, remove_rotation

AXES = {"x": (1, 0, 0), "y": (0, 1, 0), "z": (0, 0, 1), "diagonal": (1, 1, 1), "other": (3, -1, 2)}


def line(symbols, axis, length=3.7):
    direction = np.array(AXES[axis]) / np.linalg.norm(AXES[axis])
    places = np.arange(len(Atoms(symbols))) * length + 20.0
    return Atoms(symbols, places[:, None] * direction)


def drawn(atoms, n_replicas=2000, seed=0, **settings):
    """A system in single precision, as spkmd makes it, with momenta at 300 K."""
    torch.manual_seed(seed)
    system = System()
    system.load_molecules(atoms, n_replicas=n_replicas)
    settings = {"remove_rotation": True} | settings
    MaxwellBoltzmann(settings.pop("temperature", 300.0), **settings).initialize_system(system)
    return system


def degrees_by_energy(system, temperature=300.0):
    return (2 * system.kinetic_energy.mean(0) / (units.kB * temperature)).flatten()


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize(("symbols", "expected"), [("Ar3", 4), ("HCl", 1), ("CO2", 4)])
def test_lines_have_two_rotations(symbols, expected, axis):
    system = drawn(line(symbols, axis))
    assert moving_degrees_of_freedom(system).unique().tolist() == [expected]
    assert degrees_by_energy(system).item() == pytest.approx(expected, rel=0.1)


@pytest.mark.parametrize(
    ("atoms", "expected"),
    [
        (Atoms("Ar", [[1.3, 0.7, 20.9]]), 3),
        (molecule("H2O"), 3),
        (molecule("CH3CH2OH"), 21),
        (Atoms("Ar", cell=[9, 9, 9], pbc=True), 3),
        (Atoms("HCl", [[0, 0, 0], [0, 0, 1.3]], cell=[9, 9, 9], pbc=True), 3),
    ],
)
def test_the_energy_is_that_of_the_degrees_of_freedom(atoms, expected):
    system = drawn(atoms)
    assert moving_degrees_of_freedom(system).unique().tolist() == [expected]
    assert degrees_by_energy(system).item() == pytest.approx(expected, rel=0.1)


def test_light_atoms_are_as_hot_as_heavy_ones():
    """Removing translation leaves the atom j of mass m_j with 3 - 3 m_j / M of its 3 shares."""
    system = drawn(molecule("CH3CH2OH"), n_replicas=4000, remove_rotation=False)
    share = (system.momenta**2).sum(2).mean(0) / (system.masses[0, :, 0] * units.kB * 300)
    masses = system.masses[0, :, 0]
    torch.testing.assert_close(share, 3 - 3 * masses / masses.sum(), rtol=0.06, atol=0.0)


def test_nothing_turns_or_drifts_afterwards():
    system = drawn([molecule("H2O"), line("CO2", "other"), Atoms("Ar")], n_replicas=3)
    total = system.sum_atoms(system.momenta)
    assert total[:, :2].abs().max() < 1e-4 and total[:, 2].abs().min() > 1e-3
    before = system.momenta.clone()
    remove_rotation(system)
    torch.testing.assert_close(system.momenta, before, atol=1e-5, rtol=1e-4)


def test_each_structure_has_its_temperature():
    system = drawn([Atoms("Ar"), Atoms("Xe")], temperature=ListConfig([100.0, 400.0]))
    hot = degrees_by_energy(system, 100.0) / 3
    assert hot.tolist() == pytest.approx([1.0, 4.0], rel=0.1)
    with pytest.raises(InputError, match=r"are 2 values for 1 structures; give one"):
        drawn(Atoms("Ar"), temperature=[1.0, 2.0])


def test_centroids_of_ring_polymers_have_the_temperature():
    many = [molecule("H2O") for _ in range(400)]
    system = drawn(many, n_replicas=8, ring_polymer=True)
    centroid = 2 * system.centroid_kinetic_energy.mean() / (units.kB * 300)
    assert centroid.item() == pytest.approx(6, rel=0.1)
    assert system.sum_atoms(system.centroid_momenta).abs().max() < 1e-4
