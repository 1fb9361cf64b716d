"""Equilibration of packed boxes: density at constant pressure, then annealing."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import openmm
from openmm import unit

from gpip_plugins.analysis.error_bars import standard_error
from gpip_plugins.errors import InputError
from gpip_plugins.sampling.dynamics.engine import Engine
from gpip_plugins.sampling.dynamics.periodic_engine import PeriodicEngine
from gpip_plugins.sampling.forcefield import ForceField
from gpip_plugins.sampling.forcefield.assembly import checked_cutoff
from gpip_plugins.sampling.settings import Dynamics, Preparation
from gpip_plugins.sampling.systems.box import Box
from gpip_plugins.sampling.systems.packing import filled_fraction
from gpip_plugins.units import ANGSTROM, NM

__all__ = ["CHUNK", "PreparedBox", "check_room", "n_chunks", "prepare"]

ATM: Final = 1.01325  # bar
CHUNK: Final = 0.5  # ps between two checks of the running box
BAROSTAT_INTERVAL: Final = 25  # steps between two trial volumes
# Relative edges of the cell at which the cutoff is chosen again; force fields leave 5 % of margin.
SHRUNK: Final = 0.96
FILLED: Final = 0.7  # fraction of the volume inside van der Waals spheres in dense liquids
SHRUNK_MORE: Final = 0.98  # relative edges that fluctuations reach at constant pressure
EVAPORATED: Final = 4.0  # relative to the volume at the start
MAX_RESTARTS: Final = 8  # of one chunk, each with a shorter cutoff


@dataclass(frozen=True)
class PreparedBox:
    """A box that trajectories can start from.

    Args:
        box: the box at its mean volume, annealed.
        density: mean over the second half of the time at constant pressure, g/cm^3; the density of
            the given cell without constant pressure.
        density_error: standard error of this mean; None for a given cell, and when fewer than ten
            of the values are independent.
        density_drift: mean of the last quarter minus mean of the third quarter, g/cm^3; if it is
            much larger than the error, the time was too short. None for a given cell.
        cutoff: of the forces in the prepared cell, Å; None for a force field without one.
    """

    box: Box
    density: float
    density_error: float | None
    density_drift: float | None
    cutoff: float | None


def n_chunks(preparation: Preparation) -> int:
    """Return the number of calls of `on_chunk` by `prepare`.

    Args:
        preparation: durations and temperatures.

    Example:
        >>> n_chunks(Preparation(npt=200, annealing=100))
        600
    """
    return sum(_chunk_count(ps) for ps in (preparation.npt, preparation.annealing))


def prepare(
    box: Box,
    force_field: ForceField,
    preparation: Preparation,
    dynamics: Dynamics,
    seed: int,
    on_chunk: Callable[[], None] = lambda: None,
) -> PreparedBox:
    """Minimise; find the density at constant pressure; anneal at constant volume.

    Constant pressure: Monte Carlo barostat that scales the centres of molecules (Chow, Ferguson,
    Comput. Phys. Commun. 91, 283 (1995)). The force field chooses the cutoff again whenever the
    box has shrunk by 4 %, and at half time, so that the cutoff fits the half that is averaged.

    Args:
        box: packed box, or a box with a known cell (`preparation.npt=0` keeps the cell).
        force_field: force field of the box.
        preparation: durations and temperatures.
        dynamics: how the equations of motion are integrated.
        seed: seed of velocities, noise and trial volumes, 1 to 2^31 - 1.
        on_chunk: called after every half picosecond, for a progress bar.

    Raises:
        InputError: when a number does not fit, the box evaporates or gets too small for a cutoff.
        Explosion: when the box explodes.
    """

    def engine_for(box: Box) -> PeriodicEngine:
        return PeriodicEngine(box, force_field, dynamics)

    engine = engine_for(box)
    for name in ("npt", "annealing"):
        engine.n_steps(name, getattr(preparation, name))
    density, error, drift = box.density, None, None
    if preparation.npt:
        box = replace(box, positions=engine.minimum())
        run = _ConstantPressure(box, engine_for, preparation, seed)
        densities = run.densities(on_chunk)
        half = densities[len(densities) // 2 :]
        density, error = float(half.mean()), _error(half)
        quarter = len(half) // 2
        drift = float(half[quarter:].mean() - half[:quarter].mean())
        box = run.box.scaled_to(run.box.volume * run.box.density / density)
    engine = engine_for(box)
    annealed = _anneal(box, engine, preparation, seed, on_chunk)
    return PreparedBox(annealed, density, error, drift, engine.cutoff)


def check_room(box: Box) -> None:
    """Check before the preparation that a loose box stays large enough for a cutoff.

    At constant pressure it shrinks to the density of a liquid, whose van der Waals spheres fill up
    to 70 % of the cell.

    Args:
        box: packed box.

    Raises:
        InputError: when it would become too small.
    """
    shrunk = min(1.0, (filled_fraction(box.components, box.volume) / FILLED) ** (1 / 3))
    try:
        checked_cutoff(box.cell * (SHRUNK_MORE * shrunk))
    except InputError as error:
        raise InputError(f"{box.name} at the density of a liquid: {error}") from None


class _ConstantPressure:
    """A box at constant pressure; its context is created again when the cutoff has to change."""

    def __init__(
        self,
        box: Box,
        engine_for: Callable[[Box], PeriodicEngine],
        preparation: Preparation,
        seed: int,
    ):
        self.box, self.engine_for, self.preparation, self.seed = box, engine_for, preparation, seed
        self.start_volume = box.volume
        self.n_starts = 0
        self.start(None)

    def start(self, velocities: np.ndarray | None) -> None:
        """Create a context for the current box; velocities in nm/ps, drawn if None."""
        self.n_starts += 1
        seed = _derived(self.seed, self.n_starts)
        temperature = self.preparation.temperature
        self.engine = self.engine_for(self.box)
        barostat = openmm.MonteCarloBarostat(
            self.preparation.pressure * ATM, temperature, BAROSTAT_INTERVAL
        )
        barostat.setRandomNumberSeed(seed)
        self.engine.openmm_system.addForce(barostat)
        self.context = self.engine.context(self.engine.thermostat(temperature, seed))
        self.context.setPositions(ANGSTROM * self.box.positions)
        if velocities is None:
            self.context.setVelocitiesToTemperature(temperature, seed)
        else:
            self.context.setVelocities(velocities)
        self.edges = np.diag(self.box.cell)

    def densities(self, on_chunk: Callable[[], None]) -> np.ndarray:
        """Run; return the density after every chunk in g/cm^3, shape (n_chunks,)."""
        lengths = self.engine.bond_lengths(self.box.positions)
        found = []
        chunks = _steps(self.engine, "npt", self.preparation.npt)
        for k, steps in enumerate(chunks):
            velocities = self._advance(steps, lengths)
            found.append(self.box.density)
            if k + 1 == len(chunks) // 2 or (np.diag(self.box.cell) < SHRUNK * self.edges).any():
                self.start(velocities)
            if self.box.volume > EVAPORATED * self.start_volume:
                raise InputError(
                    f"{self.box.name} evaporates at temperature={self.preparation.temperature:g} K "
                    f"and pressure={self.preparation.pressure:g} atm; choose a lower temperature "
                    "or a higher pressure, or give the cell and npt=0."
                )
            on_chunk()
        return np.array(found)

    def _advance(self, steps: int, lengths: np.ndarray) -> np.ndarray:
        """Advance the box by some steps; return the velocities in nm/ps."""
        temperature = self.preparation.temperature
        velocities = self._velocities()
        for _ in range(MAX_RESTARTS):
            try:
                self.context.getIntegrator().step(steps)
                positions, *_ = self.engine.checked_frame(self.context, temperature, lengths)
                vectors = self.context.getState().getPeriodicBoxVectors(asNumpy=True)
                cell = NM * np.array(vectors.value_in_unit(unit.nanometer))
                self.box = replace(self.box, positions=positions, cell=np.tril(cell))
                return self._velocities()
            except openmm.OpenMMException as error:
                if "periodic box size" not in str(error):
                    raise self.engine.explosion(temperature, str(error)) from error
            self.start(velocities)
        raise InputError(
            f"{self.box.name} collapses at pressure={self.preparation.pressure:g} atm, faster than "
            "its cutoff can follow; pack it at a higher density."
        )

    def _velocities(self) -> np.ndarray:
        state = self.context.getState(velocities=True)
        return state.getVelocities(asNumpy=True).value_in_unit(unit.nanometer / unit.picosecond)


def _anneal(
    box: Box,
    engine: PeriodicEngine,
    preparation: Preparation,
    seed: int,
    on_chunk: Callable[[], None],
) -> Box:
    """Minimise the box, anneal it at constant volume and return it."""
    start = engine.minimum()
    if not preparation.annealing:
        return replace(box, positions=start)
    lengths = engine.bond_lengths(start)
    chunks = _steps(engine, "annealing", preparation.annealing)
    temperatures = np.linspace(preparation.annealing_start, preparation.annealing_end, len(chunks))
    seed = _derived(seed, 0)
    integrator = engine.thermostat(float(temperatures[0]), seed)
    context = engine.context(integrator)
    context.setPositions(ANGSTROM * start)
    context.setVelocitiesToTemperature(float(temperatures[0]), seed)
    for steps, temperature in zip(chunks, temperatures.tolist(), strict=True):
        integrator.setTemperature(temperature)
        try:
            integrator.step(steps)
        except openmm.OpenMMException as error:
            raise engine.explosion(temperature, str(error)) from error
        positions, *_ = engine.checked_frame(context, temperature, lengths)
        on_chunk()
    return replace(box, positions=positions)


def _error(densities: np.ndarray) -> float | None:
    """Return the standard error of the mean, None if too few values are independent."""
    error, _ = standard_error(densities)
    return None if np.isnan(error) else error


def _chunk_count(duration: float) -> int:
    """Return the number of chunks of a stage, each of 0.5 ps: at least four, 0 without duration."""
    return max(4, round(duration / CHUNK)) if duration else 0


def _steps(engine: Engine, name: str, duration: float) -> list[int]:
    """Return the number of steps of every chunk of a stage; they add up to the duration."""
    ends = np.linspace(0, engine.n_steps(name, duration), _chunk_count(duration) + 1).round()
    return np.diff(ends).astype(int).tolist()


def _derived(seed: int, number: int) -> int:
    """Return a seed between 1 and 2^31 - 1, derived from a seed and a number."""
    return 1 + int(np.random.SeedSequence([seed, number]).generate_state(1)[0]) % (2**31 - 1)
