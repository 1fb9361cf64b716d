"""OpenMM's CUDA platform: energies and forces of its reference, and the temperature of a run."""

import numpy as np
import pytest

from gpip_plugins.sampling.dynamics.periodic_engine import PeriodicEngine
from gpip_plugins.sampling.forcefield import force_field
from gpip_plugins.sampling.settings import Dynamics
from gpip_plugins.sampling.systems.packing import components_from, pack

pytestmark = pytest.mark.gpu


def test_energy_and_forces_of_an_electrolyte_are_those_of_the_reference(on_platform):
    components = components_from({"Li": 3, "PF6": 3, "EC": 12, "DMC": 12})
    box = pack("electrolyte", components, seed=1, density=1.0)
    energy, forces = on_platform(box, force_field("opls"), "Reference")
    energy_there, forces_there = on_platform(box, force_field("opls"), "CUDA")
    size = np.sqrt((forces**2).mean())
    assert energy_there == pytest.approx(energy, abs=1e-4 * size * len(forces))
    # single precision in the direct sum, double in the integration
    assert np.sqrt(((forces_there - forces) ** 2).mean()) < 1e-3 * size


def test_a_trajectory_has_its_temperature():
    box = pack("water", components_from({"water": 64}), seed=1, density=0.9)
    engine = PeriodicEngine(box, force_field("tip3p"), Dynamics(friction=10.0, platform="CUDA"))
    frames = engine.run(300.0, 40, interval=0.1, equilibration=4.0, seed=3)
    # 576 degrees of freedom; at least every fifth of the 40 frames is independent
    error = 300.0 * np.sqrt(2 / 576 / 8)
    assert abs(frames.kinetic_temperature.mean() - 300.0) < 4 * error
