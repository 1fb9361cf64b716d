"""Physics of the presets: energy conservation, temperature, equipartition."""

from functools import partial

import pytest
import torch
from ase.build import molecule
from schnetpack import units
from schnetpack.md import Simulator, System
from schnetpack.md.calculators import MDCalculator
from schnetpack.md.initial_conditions import MaxwellBoltzmannInit
from schnetpack.md.integrators import VelocityVerlet
from schnetpack.md.neighborlist_md import NeighborListMD
from schnetpack.md.simulation_hooks import LangevinThermostat, SimulationHook
from schnetpack.transform import MatScipyNeighborList

from gpip_plugins.md.calculator import PotentialCalculator
from gpip_plugins.md.thermostats import NoseHooverChain, moving_degrees_of_freedom

WAITING = partial(NeighborListMD, cutoff=None, cutoff_shell=2.0, base_nbl=MatScipyNeighborList)


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


class Record(SimulationHook):
    """Records total and kinetic energy of every step, in kJ/mol."""

    def __init__(self):
        super().__init__()
        self.total, self.kinetic = [], []

    def on_step_finalize(self, simulator):
        kinetic = simulator.system.kinetic_energy.detach().clone()
        self.kinetic.append(kinetic)
        self.total.append(kinetic + simulator.system.energy.detach())


def system_of(name, n_replicas=1, temperature=500.0, rotation=True):
    torch.manual_seed(1)
    system = System()
    system.load_molecules(molecule(name), n_replicas=n_replicas)
    system = system.to(torch.float64)
    MaxwellBoltzmannInit(
        temperature, remove_translation=True, remove_rotation=rotation
    ).initialize_system(system)
    return system


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
def test_nve_conserves_the_energy_of_a_network_to_second_order(run_folder):
    spread = {}
    for time_step in (0.5, 0.25):
        calculator = PotentialCalculator(str(run_folder / "run"), WAITING)
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


def test_nose_hoover_chain_brings_the_vibrations_to_the_temperature():
    system = system_of("CH3CH2OH", n_replicas=64)
    hook = NoseHooverChain(500.0, 20.0)
    _, kinetic = simulate(system, Springs(2e4), 1200, hooks=[hook])
    assert hook.degrees_of_freedom.unique().tolist() == [21.0]
    # 64 replicas of 21 degrees of freedom: the standard error is below 1 %.
    assert internal_temperature(kinetic[600:], 21) == pytest.approx(500, rel=0.03)


def test_langevin_brings_all_degrees_of_freedom_to_the_temperature():
    system = system_of("CH3CH2OH", n_replicas=64, temperature=100.0)
    hook = LangevinThermostat(500.0, 20.0)
    _, kinetic = simulate(system, Springs(2e4), 1200, hooks=[hook])
    assert internal_temperature(kinetic[600:], 27) == pytest.approx(500, rel=0.03)


@pytest.mark.parametrize(
    ("name", "rotation", "expected"),
    [("CH3CH2OH", True, 21), ("CH3CH2OH", False, 24), ("H2O", True, 3)],
)
def test_degrees_of_freedom_that_move(name, rotation, expected):
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
