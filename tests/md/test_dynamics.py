"""Physics of the presets: energy conservation, temperature, equipartition."""

import pytest
import torch
from ase.build import molecule
from schnetpack import units
from schnetpack.md import Simulator, System
from schnetpack.md.integrators import VelocityVerlet
from schnetpack.md.simulation_hooks import LangevinThermostat, SimulationHook

from gpip_plugins.md.calculator import PotentialCalculator
from gpip_plugins.md.motion import moving_degrees_of_freedom
from gpip_plugins.md.thermostats import Berendsen, NoseHooverChain


class Record(SimulationHook):
    """Records total and kinetic energy of every step, in kJ/mol."""

    def __init__(self):
        super().__init__()
        self.total, self.kinetic = [], []

    def on_step_finalize(self, simulator):
        kinetic = simulator.system.kinetic_energy.detach().clone()
        self.kinetic.append(kinetic)
        self.total.append(kinetic + simulator.system.energy.detach())


def simulate(system, calculator, n_steps, time_step=0.5, hooks=()):
    record = Record()
    simulator = Simulator(
        system,
        VelocityVerlet(time_step),
        calculator,
        simulator_hooks=[*hooks, record],
        progress=False,
    ).to(torch.float64)
    simulator.simulate(n_steps)
    return torch.stack(record.total), torch.stack(record.kinetic)


@pytest.mark.slow
def test_nve_conserves_the_energy_of_a_network_to_second_order(run_folder, system_of, waiting):
    spread = {}
    for time_step in (0.5, 0.25):
        calculator = PotentialCalculator(str(run_folder / "run"), waiting)
        system = system_of("CH3CH2OH")
        n_steps = round(50 / time_step)
        total, kinetic = simulate(system, calculator, n_steps, time_step)
        spread[time_step] = (total.max() - total.min()).item()
        drift = (total[-10:].mean() - total[:10].mean()).abs()
        assert kinetic.max() - kinetic.min() > 1.0, "nothing moved"
        assert drift < 0.02 * (kinetic.max() - kinetic.min())
    assert 3.0 < spread[0.5] / spread[0.25] < 5.5


def internal_temperature(kinetic, degrees):
    return (2 * kinetic.mean() / (degrees * units.kB)).item()


@pytest.mark.parametrize(("kind", "n_steps"), [(NoseHooverChain, 1200), (Berendsen, 400)])
def test_thermostats_bring_the_vibrations_to_the_temperature(system_of, springs, kind, n_steps):
    system = system_of("CH3CH2OH", n_replicas=64)
    hook = kind(500.0, 20.0)
    _, kinetic = simulate(system, springs(2e4), n_steps, hooks=[hook])
    assert hook.degrees_of_freedom.unique().tolist() == [21.0]
    # 64 replicas of 21 degrees of freedom: the standard error is below 1 %.
    assert internal_temperature(kinetic[n_steps // 2 :], 21) == pytest.approx(500, rel=0.03)


def test_langevin_brings_all_degrees_of_freedom_to_the_temperature(system_of, springs):
    system = system_of("CH3CH2OH", n_replicas=64, temperature=100.0)
    hook = LangevinThermostat(500.0, 20.0)
    _, kinetic = simulate(system, springs(2e4), 1200, hooks=[hook])
    assert internal_temperature(kinetic[600:], 27) == pytest.approx(500, rel=0.03)


@pytest.mark.parametrize(
    ("name", "rotation", "expected"),
    [("CH3CH2OH", True, 21), ("CH3CH2OH", False, 24), ("H2O", True, 3)],
)
def test_degrees_of_freedom_that_move(system_of, name, rotation, expected):
    system = system_of(name, n_replicas=3, rotation=rotation)
    assert moving_degrees_of_freedom(system).flatten().tolist() == [expected] * 3


def test_degrees_of_freedom_of_a_line_and_a_drifting_molecule():
    line = System()
    line.load_molecules(molecule("CO2"))
    line.momenta = torch.randn(1, 3, 3, generator=torch.Generator().manual_seed(2))
    assert moving_degrees_of_freedom(line).item() == 9
    line.momenta = torch.tensor([[[0, 0, 1.0], [0, 0, 1.0], [0, 0, -2.0]]])
    # Along its axis: no translation and no rotation.
    assert moving_degrees_of_freedom(line).item() == 4
