"""A packed box comes to its density and forgets how it was packed."""

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
from gpip_plugins.sampling.schedule import PreparationSchedule
from gpip_plugins.sampling.systems.box import Box

__all__ = ["PIECE", "PreparedBox", "n_pieces", "prepare"]

ATM: Final = 1.01325  # bar
PIECE: Final = 0.5  # ps between two looks at the running box
BAROSTAT_INTERVAL: Final = 25  # steps between two trial volumes
SHRUNK: Final = 0.96  # of its edges since the cutoff was chosen; force fields leave a margin of 5 %
EVAPORATED: Final = 4.0  # times the volume at the start
MAX_RESTARTS: Final = 8  # of one piece, each with a shorter cutoff


@dataclass(frozen=True)
class PreparedBox:
    """A box that trajectories can start from.

    Args:
        box: at its mean volume, annealed.
        density: mean over the second half of the time at constant pressure, g/cm^3; the given
            cell's where there was none.
        density_error: standard error of that mean; None for a given cell, and where fewer than ten
            of the values are independent.
        density_drift: mean of the last quarter minus mean of the third, g/cm^3: where it is far
            larger than the error, the time was too short; None for a given cell.
    """

    box: Box
    density: float
    density_error: float | None
    density_drift: float | None


def n_pieces(schedule: PreparationSchedule) -> int:
    """Return how often `prepare` calls `on_piece`.

    Args:
        schedule: durations and temperatures.

    Example:
        >>> n_pieces(PreparationSchedule(npt=200, annealing=100))
        600
    """
    return sum(_pieces(ps) for ps in (schedule.npt, schedule.annealing))


def prepare(
    box: Box,
    force_field: ForceField,
    schedule: PreparationSchedule,
    seed: int,
    time_step: float = 1.0,
    friction: float = 2.0,
    platform: str | None = None,
    threads: int | None = None,
    on_piece: Callable[[], None] = lambda: None,
) -> PreparedBox:
    """Minimise; find the density at constant pressure; anneal at constant volume.

    Constant pressure: Monte Carlo barostat that scales the centres of molecules (Chow, Ferguson,
    Comput. Phys. Commun. 91, 283 (1995)). The cutoff is chosen anew by the force field whenever the
    box has shrunk by 4 %, and at half time, so that the averaged half has one that fits it.

    Args:
        box: as packed, or with a known cell (then `schedule.npt=0` keeps it).
        force_field: what gives its energy.
        schedule: durations and temperatures.
        seed: of velocities, noise and trial volumes, 1 to 2^31 - 1.
        time_step: fs.
        friction: of the Langevin thermostat in 1/ps.
        platform: see `PeriodicEngine`.
        threads: see `PeriodicEngine`.
        on_piece: called after every half picosecond, for a progress bar.

    Raises:
        InputError: when a number does not fit, the box evaporates or gets too small for a cutoff.
        Explosion: when the box explodes.
    """

    def engine_for(box: Box) -> PeriodicEngine:
        return PeriodicEngine(box, force_field, time_step, friction, platform, threads)

    engine = engine_for(box)
    for key in ("npt", "annealing"):
        engine.n_steps(key, getattr(schedule, key))
    density, error, drift = box.density, None, None
    if schedule.npt:
        box = replace(box, positions=engine.minimum())
        run = _ConstantPressure(box, engine_for, schedule, seed)
        densities = run.densities(on_piece)
        half = densities[len(densities) // 2 :]
        density, error = float(half.mean()), _error(half)
        quarter = len(half) // 2
        drift = float(half[quarter:].mean() - half[:quarter].mean())
        box = run.box.scaled_to(run.box.volume * run.box.density / density)
    return PreparedBox(
        _anneal(box, engine_for(box), schedule, seed, on_piece), density, error, drift
    )


class _ConstantPressure:
    """A box at constant pressure, whose context is made anew when the cutoff has to change."""

    def __init__(
        self,
        box: Box,
        engine_for: Callable[[Box], PeriodicEngine],
        schedule: PreparationSchedule,
        seed: int,
    ):
        self.box, self.engine_for, self.schedule, self.seed = box, engine_for, schedule, seed
        self.start_volume = box.volume
        self.n_starts = 0
        self.start(None)

    def start(self, velocities: np.ndarray | None) -> None:
        """Make a context for the present box; velocities in nm/ps, drawn if None."""
        self.n_starts += 1
        seed = _derived(self.seed, self.n_starts)
        temperature = self.schedule.temperature
        self.engine = self.engine_for(self.box)
        barostat = openmm.MonteCarloBarostat(
            self.schedule.pressure * ATM, temperature, BAROSTAT_INTERVAL
        )
        barostat.setRandomNumberSeed(seed)
        self.engine.openmm_system.addForce(barostat)
        self.context = self.engine.context(self.engine.thermostat(temperature, seed))
        self.context.setPositions(0.1 * self.box.positions)
        if velocities is None:
            self.context.setVelocitiesToTemperature(temperature, seed)
        else:
            self.context.setVelocities(velocities)
        self.edges = np.diag(self.box.cell)

    def densities(self, on_piece: Callable[[], None]) -> np.ndarray:
        """Run; return the density after every piece in g/cm^3, shape (n_pieces,)."""
        lengths = self.engine.bond_lengths(self.box.positions)
        found = []
        lots = _steps(self.engine, "npt", self.schedule.npt)
        for k, steps in enumerate(lots):
            velocities = self._piece(steps, lengths)
            found.append(self.box.density)
            if k + 1 == len(lots) // 2 or (np.diag(self.box.cell) < SHRUNK * self.edges).any():
                self.start(velocities)
            if self.box.volume > EVAPORATED * self.start_volume:
                raise InputError(
                    f"{self.box.name} evaporates at temperature={self.schedule.temperature:g} K "
                    f"and pressure={self.schedule.pressure:g} atm; choose a lower temperature or a "
                    "higher pressure, or give the cell and npt=0."
                )
            on_piece()
        return np.array(found)

    def _piece(self, steps: int, lengths: np.ndarray) -> np.ndarray:
        """Advance the box by some steps; return the velocities in nm/ps."""
        temperature = self.schedule.temperature
        velocities = self._velocities()
        for _ in range(MAX_RESTARTS):
            try:
                self.context.getIntegrator().step(steps)
                positions, *_ = self.engine.checked_frame(self.context, temperature, lengths)
                vectors = self.context.getState().getPeriodicBoxVectors(asNumpy=True)
                cell = 10.0 * np.array(vectors.value_in_unit(unit.nanometer))
                self.box = replace(self.box, positions=positions, cell=np.tril(cell))
                return self._velocities()
            except openmm.OpenMMException as error:
                if "periodic box size" not in str(error):
                    raise self.engine.explosion(temperature, str(error)) from error
            self.start(velocities)
        raise InputError(
            f"{self.box.name} collapses at pressure={self.schedule.pressure:g} atm, faster than "
            "its cutoff can follow; pack it at a higher density."
        )

    def _velocities(self) -> np.ndarray:
        state = self.context.getState(velocities=True)
        return state.getVelocities(asNumpy=True).value_in_unit(unit.nanometer / unit.picosecond)


def _anneal(
    box: Box,
    engine: PeriodicEngine,
    schedule: PreparationSchedule,
    seed: int,
    on_piece: Callable[[], None],
) -> Box:
    """Return the box, cooled at constant volume from the minimum next to it."""
    start = engine.minimum()
    if not schedule.annealing:
        return replace(box, positions=start)
    lengths = engine.bond_lengths(start)
    lots = _steps(engine, "annealing", schedule.annealing)
    temperatures = np.linspace(schedule.annealing_start, schedule.annealing_end, len(lots))
    seed = _derived(seed, 0)
    integrator = engine.thermostat(float(temperatures[0]), seed)
    context = engine.context(integrator)
    context.setPositions(0.1 * start)
    context.setVelocitiesToTemperature(float(temperatures[0]), seed)
    for steps, temperature in zip(lots, temperatures.tolist(), strict=True):
        integrator.setTemperature(temperature)
        try:
            integrator.step(steps)
        except openmm.OpenMMException as error:
            raise engine.explosion(temperature, str(error)) from error
        positions, *_ = engine.checked_frame(context, temperature, lengths)
        on_piece()
    return replace(box, positions=positions)


def _error(densities: np.ndarray) -> float | None:
    """Return the standard error of the mean where it is more than a guess."""
    error, _ = standard_error(densities)
    return None if np.isnan(error) else error


def _pieces(duration: float) -> int:
    """Return the number of pieces of a stage: of half a picosecond, at least four, or none."""
    return max(4, round(duration / PIECE)) if duration else 0


def _steps(engine: Engine, key: str, duration: float) -> list[int]:
    """Return the steps of every piece of a stage; together they are the duration."""
    ends = np.linspace(0, engine.n_steps(key, duration), _pieces(duration) + 1).round()
    return np.diff(ends).astype(int).tolist()


def _derived(seed: int, number: int) -> int:
    """Return one of many seeds between 1 and 2^31 - 1 that follow from a seed."""
    return 1 + int(np.random.SeedSequence([seed, number]).generate_state(1)[0]) % (2**31 - 1)
