"""Is energy conserved? A trajectory without thermostat, as a check of force field and time step."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import openmm
from ase import units
from openmm import unit

from gpip_plugins.errors import InputError
from gpip_plugins.sampling.dynamics.engine import KJ_MOL
from gpip_plugins.sampling.dynamics.periodic_engine import engine_for
from gpip_plugins.sampling.forcefield import ForceField
from gpip_plugins.sampling.systems.box import Box
from gpip_plugins.sampling.systems.molecule import MolecularSystem

__all__ = ["Conservation", "energy_conservation"]

STRIDE: Final = 0.02  # ps between two energies
N_BLOCKS: Final = 20  # whose means the line is fitted to: vibrations average out in a block


@dataclass(frozen=True)
class Conservation:
    """Total energy along a trajectory without thermostat, and its drift.

    Args:
        time: ps, shape (n_energies,).
        energy: total energy per atom in eV, shape (n_energies,).
        drift: slope of the total energy, meV/atom/ps.
        drift_error: standard error of the slope, meV/atom/ps.
        spread: standard deviation around the line, meV/atom; it is proportional to the square of
            the time step and says nothing bad as long as the drift is small.
        temperature: mean kinetic temperature of the run in K.
    """

    time: np.ndarray
    energy: np.ndarray
    drift: float
    drift_error: float
    spread: float
    temperature: float


def energy_conservation(
    system: MolecularSystem | Box,
    force_field: ForceField,
    temperature: float,
    seed: int,
    duration: float = 20.0,
    time_step: float = 0.5,
    equilibration: float = 2.0,
    platform: str | None = None,
    threads: int | None = None,
) -> Conservation:
    """Run velocity Verlet from an equilibrated start and fit a line to the total energy.

    At 0.5 fs a bond to hydrogen (period 9 to 11 fs) has about twenty steps in a period. The
    platform `CPU` computes in single precision, which adds a small drift of its own; `Reference`
    is exact and slow.

    Args:
        system: molecule or box.
        force_field: what gives its energy.
        temperature: of the start in K.
        seed: of velocities and noise of the start, 1 to 2^31 - 1.
        duration: ps without thermostat.
        time_step: fs.
        equilibration: ps with thermostat before.
        platform: for boxes, see `PeriodicEngine`.
        threads: for boxes, see `PeriodicEngine`.

    Raises:
        InputError: when a duration is no multiple of the time step or too short.
        Explosion: when the energy is lost altogether.

    Example:
        >>> from gpip_plugins.sampling.forcefield import force_field
        >>> water = MolecularSystem.from_preset("water")
        >>> found = energy_conservation(water, force_field("mmff94"), 300.0, seed=1, duration=2.0)
        >>> abs(found.drift) < 0.5
        True
    """
    engine = engine_for(
        system, force_field, time_step, friction=10.0, platform=platform, threads=threads
    )
    stride = engine.n_steps("stride", STRIDE)
    n_energies = engine.n_steps("duration", duration) // stride
    if n_energies < 2 * N_BLOCKS:
        raise InputError(
            f"duration={duration} ps is too short for a drift; give at least "
            f"duration={2 * N_BLOCKS * STRIDE:g}."
        )
    warm_up = engine.thermostat(temperature, seed)
    warm = engine.context(warm_up)
    start = engine.minimum()
    warm.setPositions(0.1 * start)
    warm.setVelocitiesToTemperature(temperature, seed)
    try:
        warm_up.step(engine.n_steps("equilibration", equilibration))
        state = warm.getState(positions=True, velocities=True)
        integrator = openmm.VerletIntegrator(0.001 * time_step)
        free = engine.context(integrator)
        free.setPositions(state.getPositions(asNumpy=True))
        free.setVelocities(state.getVelocities(asNumpy=True))
        energies = np.empty((n_energies, 2))
        for k in range(n_energies):
            integrator.step(stride)
            now = free.getState(energy=True)
            energies[k] = _eV(now.getPotentialEnergy()), _eV(now.getKineticEnergy())
    except openmm.OpenMMException as error:
        raise engine.explosion(temperature, str(error)) from error
    if not np.isfinite(energies).all():
        raise engine.explosion(temperature, "the total energy is not finite")
    time = STRIDE * np.arange(1, n_energies + 1)
    total = energies.sum(axis=1) / len(system.numbers)
    slope, intercept, error = _line(time, total)
    return Conservation(
        time=time,
        energy=total,
        drift=1000.0 * slope,
        drift_error=1000.0 * error,
        spread=1000.0 * float((total - slope * time - intercept).std()),
        temperature=float(2.0 * energies[:, 1].mean() / (engine.degrees_of_freedom * units.kB)),
    )


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
