"""Total energy without thermostat: small drift, and a spread of second order in the time step."""

import pytest

from gpip_plugins.errors import InputError
from gpip_plugins.sampling.dynamics.engine import Explosion
from gpip_plugins.sampling.dynamics.nve_drift import nve_drift
from gpip_plugins.sampling.forcefield import force_field
from gpip_plugins.sampling.settings import Dynamics
from gpip_plugins.sampling.systems.molecule import MolecularSystem
from gpip_plugins.sampling.systems.packing import components_from, pack

MMFF94 = force_field("mmff94")


def dynamics(time_step=0.5, **settings):
    return Dynamics(time_step=time_step, friction=10.0, **settings)


@pytest.mark.parametrize("name", ["ethanol", pytest.param("uracil", marks=pytest.mark.slow)])
def test_energy_of_a_molecule_does_not_drift(name):
    found = nve_drift(MolecularSystem.from_preset(name), MMFF94, 500.0, 20.0, dynamics(), seed=1)
    assert found.time[-1] >= 20.0
    assert abs(found.drift) < max(0.01, 3 * found.drift_error)
    assert found.drift_error < 0.05
    assert 250 < found.temperature < 900


def test_spread_is_of_second_order_in_the_time_step():
    ethanol = MolecularSystem.from_preset("ethanol")
    coarse, fine = (
        nve_drift(ethanol, MMFF94, 300.0, 5.0, dynamics(dt), seed=1).spread for dt in (1.0, 0.5)
    )
    assert coarse / fine == pytest.approx(4.0, rel=0.3)


@pytest.mark.slow
def test_energy_of_a_box_does_not_drift(argon, lennard_jones):
    slow = dynamics(2.0, platform="Reference")
    found = nve_drift(argon(5, 0.776), lennard_jones, 100.0, 20.0, slow, seed=1)
    assert abs(found.drift) < max(0.01, 3 * found.drift_error)
    assert found.drift_error < 0.01


def test_a_force_field_that_loses_energy_is_detected(flexible_water):
    """A sharp cutoff within the second shell: the energy jumps whenever a pair crosses it."""
    box = pack("water", components_from({"water": 20}), seed=1, density=0.9)

    class Leaky:
        name = "leaky"

        def create(self, system, cutoff=None):
            result = flexible_water.create(system)
            pairs = next(f for f in result.getForces() if hasattr(f, "setReactionFieldDielectric"))
            pairs.setNonbondedMethod(pairs.CutoffPeriodic)
            pairs.setReactionFieldDielectric(1.0)
            pairs.setCutoffDistance(0.35)
            return result

    leaky = nve_drift(box, Leaky(), 300.0, 2.0, dynamics(), seed=1)
    assert leaky.drift > 1.0
    assert leaky.drift > 5 * leaky.drift_error


def test_explosion_without_thermostat_is_named():
    ethanol = MolecularSystem.from_preset("ethanol")
    with pytest.raises(Explosion, match="ethanol at 500 K exploded"):
        nve_drift(ethanol, MMFF94, 500.0, 20.0, dynamics(20.0), seed=1)


def test_run_that_is_too_short_for_a_drift_is_refused():
    with pytest.raises(InputError, match=r"duration=0.5 ps is too short"):
        nve_drift(MolecularSystem.from_preset("water"), MMFF94, 300.0, 0.5, dynamics(), seed=1)
