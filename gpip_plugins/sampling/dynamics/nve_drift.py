"""Drift of the total energy without thermostat (NVE), a check of the force field."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import openmm
from ase import units
from openmm import unit

from gpip_plugins.errors import InputError
from gpip_plugins.sampling.dynamics.engine import Engine
from gpip_plugins.sampling.dynamics.periodic_engine import engine_for
from gpip_plugins.sampling.forcefield import ForceField
from gpip_plugins.sampling.settings import Dynamics
from gpip_plugins.sampling.systems.box import Box
from gpip_plugins.sampling.systems.molecule import MolecularSystem
from gpip_plugins.units import ANGSTROM, KJ_MOL

__all__ = ["NveDrift", "nve_drift"]

STRIDE: Final = 0.02  # ps between two energies
WARM_UP: Final = 2.0  # ps with thermostat at the start
N_BLOCKS: Final = 20  # the line is fitted to block means, in which vibrations average out


@dataclass(frozen=True)
class NveDrift:
    """Total energy along a trajectory without thermostat, and its drift.

    Args:
        time: ps, shape (n_energies,).
        energy: total energy per atom in eV, shape (n_energies,).
        drift: slope of the total energy, meV/atom/ps.
        drift_error: standard error of the slope, meV/atom/ps.
        spread: standard deviation around the line, meV/atom; it is proportional to the square of
            the time step and harmless as long as the drift is small.
        temperature: mean kinetic temperature of the run in K.
    """

    time: np.ndarray
    energy: np.ndarray
    drift: float
    drift_error: float
    spread: float
    temperature: float


def nve_drift(
    system: MolecularSystem | Box,
    force_field: ForceField,
    temperature: float,
    duration: float,
    dynamics: Dynamics,
    seed: int,
) -> NveDrift:
    """Run velocity Verlet from an equilibrated start and fit a line to the total energy.

    With a time step of 0.5 fs a bond to hydrogen (period 9 to 11 fs) has about twenty steps in a
    period. The platform `CPU` computes in single precision, which adds a small drift; `Reference`
    computes in double precision and is slow.

    Args:
        system: molecule or box.
        force_field: force field of the system.
        temperature: temperature at the start in K.
        duration: time without thermostat in ps.
        dynamics: time step, platform and threads; the friction acts only in the 2 ps of
            equilibration with thermostat.
        seed: seed of velocities and noise of the equilibration, 1 to 2^31 - 1.

    Raises:
        InputError: when a duration is too short or not a multiple of the time step.
        Explosion: when the energy is not finite or the integration fails.

    Example:
        >>> from gpip_plugins.sampling.forcefield import force_field
        >>> water = MolecularSystem.from_preset("water")
        >>> slow = Dynamics(time_step=0.5, friction=10.0)
        >>> found = nve_drift(water, force_field("mmff94"), 300.0, 2.0, slow, seed=1)
        >>> abs(found.drift) < 0.5
        True
    """
    engine = engine_for(system, force_field, dynamics)
    stride = engine.n_steps("stride", STRIDE)
    n_energies = engine.n_steps("duration", duration) // stride
    if n_energies < 2 * N_BLOCKS:
        raise InputError(
            f"duration={duration} ps is too short for a drift; give at least "
            f"duration={2 * N_BLOCKS * STRIDE:g}."
        )
    try:
        start = _equilibrated(engine, temperature, seed)
        energies = _energies(engine, start, n_energies, stride)
    except openmm.OpenMMException as error:
        raise engine.explosion(temperature, str(error)) from error
    if not np.isfinite(energies).all():
        raise engine.explosion(temperature, "the total energy is not finite")
    time = STRIDE * np.arange(1, n_energies + 1)
    total = energies.sum(axis=1) / len(system.numbers)
    slope, intercept, error = _line(time, total)
    return NveDrift(
        time=time,
        energy=total,
        drift=1000.0 * slope,
        drift_error=1000.0 * error,
        spread=1000.0 * float((total - slope * time - intercept).std()),
        temperature=float(2.0 * energies[:, 1].mean() / (engine.degrees_of_freedom * units.kB)),
    )


def _equilibrated(engine: Engine, temperature: float, seed: int) -> openmm.State:
    """Return positions and velocities after a short run with thermostat."""
    integrator = engine.thermostat(temperature, seed)
    context = engine.context(integrator)
    context.setPositions(ANGSTROM * engine.minimum())
    context.setVelocitiesToTemperature(temperature, seed)
    integrator.step(engine.n_steps("equilibration", WARM_UP))
    return context.getState(positions=True, velocities=True)


def _energies(engine: Engine, start: openmm.State, n_energies: int, stride: int) -> np.ndarray:
    """Return potential and kinetic energies without thermostat in eV, shape (n_energies, 2)."""
    integrator = openmm.VerletIntegrator(0.001 * engine.time_step)
    context = engine.context(integrator)
    context.setPositions(start.getPositions(asNumpy=True))
    context.setVelocities(start.getVelocities(asNumpy=True))
    energies = np.empty((n_energies, 2))
    for k in range(n_energies):
        integrator.step(stride)
        state = context.getState(energy=True)
        energies[k] = _eV(state.getPotentialEnergy()), _eV(state.getKineticEnergy())
    return energies


def _line(x: np.ndarray, y: np.ndarray) -> tuple[float, float, float]:
    """Return slope, intercept and standard error of the slope of a line through block means."""
    means = [[b.mean() for b in np.array_split(values, N_BLOCKS)] for values in (x, y)]
    x, y = np.array(means)
    slope, intercept = np.polyfit(x, y, 1)
    residual = y - slope * x - intercept
    error = np.sqrt((residual**2).sum() / (len(x) - 2) / ((x - x.mean()) ** 2).sum())
    return float(slope), float(intercept), float(error)


def _eV(energy: unit.Quantity) -> float:
    return energy.value_in_unit(unit.kilojoule_per_mole) * KJ_MOL
