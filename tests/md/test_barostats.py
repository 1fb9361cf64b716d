"""Physics of constant pressure, on Lennard-Jones argon."""

import pytest
import torch
from schnetpack import units
from schnetpack.md import Simulator
from schnetpack.md.integrators import NPTVelocityVerlet
from schnetpack.md.simulation_hooks import SimulationHook

from gpip_plugins.md.barostats import AnisotropicBarostat, IsotropicBarostat

PRESSURE, TEMPERATURE = 2000.0, 60.0  # bar, K


class Invariant(SimulationHook):
    """Records the conserved quantity (Martyna et al. 1996, eqs 2.10 and 2.19) and its parts."""

    def __init__(self, barostat):
        super().__init__()
        self.barostat = barostat
        self.turned = 0.0  # kT times the positions of all thermostats
        self.last = None
        self.total, self.kinetic, self.volumes = [], [], []

    def on_step_finalize(self, simulator):
        b, system = self.barostat, simulator.system
        degrees = b.degrees_of_freedom_particles
        rate = (degrees * b.t_velocities[..., 0]).sum() + b.t_velocities[..., 1:].sum()
        rate += b.degrees_of_freedom_cell * b.t_velocities_cell[..., 0].sum()
        rate = (rate + b.t_velocities_cell[..., 1:].sum()) * b.kb_temperature
        if self.last is not None:
            self.turned += 0.5 * (rate + self.last) * simulator.integrator.time_step
        self.last = rate
        chains = (b.t_masses * b.t_velocities**2).sum()
        chains += (b.t_masses_cell * b.t_velocities_cell**2).sum()
        kinetic = system.kinetic_energy.sum()
        cell = b._compute_kinetic_energy_cell().sum()
        potential = system.energy.sum() + b.target_pressure * system.volume.sum()
        total = kinetic + potential + 0.5 * (chains + cell) + self.turned
        self.total.append(total.item())
        self.kinetic.append((kinetic + 0.5 * cell).item())
        self.volumes.append(system.volume.item())


@pytest.mark.parametrize(
    ("kind", "skewed"), [(IsotropicBarostat, True), (AnisotropicBarostat, False)]
)
def test_the_conserved_quantity_is_conserved(system_of, argon, lennard_jones, kind, skewed):
    system = system_of(argon(skewed), temperature=TEMPERATURE)
    barostat = kind(
        PRESSURE, TEMPERATURE, 100.0, time_constant_barostat=200.0, chain_length=2, multi_step=1,
        integration_order=3,
    )  # fmt: skip
    record = Invariant(barostat)
    start = system.cells.clone()
    simulator = Simulator(
        system,
        NPTVelocityVerlet(4.0, barostat),
        lennard_jones(),
        [barostat, record],
        progress=False,
    ).to(torch.float64)
    simulator.simulate(40)
    assert barostat.degrees_of_freedom.item() == 93
    total = torch.tensor(record.total[3:])  # the chains start at rest, with a jolt
    exchanged = max(record.kinetic) - min(record.kinetic)
    assert max(record.volumes) / min(record.volumes) > 1.02, "the cell did not move"
    assert total.max() - total.min() < 0.02 * exchanged
    assert system.sum_atoms(system.momenta).abs().max() < 1e-9
    ratio = torch.linalg.solve(start[0, 0], system.cells[0, 0])
    shape = ratio - ratio.trace() / 3 * torch.eye(3)
    assert (shape.abs().max() < 1e-6) == (kind is IsotropicBarostat)


@pytest.mark.slow
def test_pressure_and_temperature_are_those_asked_for(system_of, argon, lennard_jones):
    system = system_of(argon(), n_replicas=6, temperature=2 * TEMPERATURE)
    barostat = IsotropicBarostat(
        PRESSURE, TEMPERATURE, 100.0, time_constant_barostat=300.0, chain_length=2, multi_step=1,
        integration_order=3,
    )  # fmt: skip
    found = []

    class Record(SimulationHook):
        def on_step_finalize(self, simulator):
            pressure = simulator.system.compute_pressure(kinetic_component=True) / units.bar
            kinetic = 2 * simulator.system.kinetic_energy / (93 * units.kB)
            found.append(torch.cat([pressure, kinetic], dim=2)[:, 0])

    simulator = Simulator(
        system, NPTVelocityVerlet(5.0, barostat), lennard_jones(), [barostat, Record()],
        progress=False,
    ).to(torch.float64)  # fmt: skip
    simulator.simulate(800)
    of_replicas = torch.stack(found[300:]).mean(0)
    error = of_replicas.std(0) / len(of_replicas) ** 0.5
    pressure, temperature = of_replicas.mean(0).tolist()
    assert pressure == pytest.approx(PRESSURE, abs=4 * error[0].item() + 0.01 * PRESSURE)
    assert temperature == pytest.approx(TEMPERATURE, abs=4 * error[1].item() + 0.5)
    assert error[0] < 0.05 * PRESSURE and error[1] < 2.0
