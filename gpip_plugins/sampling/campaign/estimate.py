"""Estimated time of a sampling, from measured steps of its systems."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from gpip_plugins.sampling.dynamics.engine import Engine
from gpip_plugins.units import ANGSTROM

__all__ = ["Estimate", "duration", "estimate", "seconds_per_step"]

PROBE_SECONDS = 0.3  # of stepping, per probed system
N_PROBES = 3  # the smallest, the median and the largest system


@dataclass(frozen=True)
class Estimate:
    """Estimated cost of a list of trajectories.

    Args:
        core_seconds: sum over all tasks.
        wall_seconds: elapsed time on `cores` cores; each stage takes at least as long as its
            longest task.
        cores: number of trajectories that run at the same time.
        probes: system -> measured seconds per step on one core.
    """

    core_seconds: float
    wall_seconds: float
    cores: int
    probes: dict[str, float]

    def __str__(self) -> str:
        """Return the estimate as a sentence, with the measured times."""
        measured = ", ".join(f"{1e3 * t:.3g} ms for {name}" for name, t in self.probes.items())
        return (
            f"about {duration(self.wall_seconds)} on {self.cores} core(s), "
            f"{self.core_seconds:.0f} core-seconds (from a measured step: {measured})"
        )


def estimate(stages: Sequence[Mapping[Engine, Sequence[float]]], cores: int) -> Estimate:
    """Estimate the time of all tasks from a few measured steps.

    At most three systems are measured: the smallest, the median and the largest by number of atoms.
    For other systems the time per step is interpolated linearly in the number of atoms. The start
    of processes, minimisation and writing are not included.

    Args:
        stages: one for each set of tasks that run in parallel: engine -> numbers of steps of its
            tasks.
        cores: number of tasks that run at the same time.

    Example:
        >>> from gpip_plugins.sampling.forcefield import force_field
        >>> from gpip_plugins.sampling.dynamics.engine import LangevinEngine
        >>> from gpip_plugins.sampling.settings import Dynamics
        >>> from gpip_plugins.sampling.systems.molecule import MolecularSystem
        >>> molecule = MolecularSystem.from_smiles("O")
        >>> water = LangevinEngine(molecule, force_field("mmff94"), Dynamics())
        >>> found = estimate([{water: [1000, 3000]}], cores=2)
        >>> found.wall_seconds == 3000 * found.probes["O"]
        True
    """
    # A dictionary keeps the order of its keys, so the choice among equal sizes is reproducible.
    engines = sorted({engine: None for stage in stages for engine in stage}, key=_size)
    places = np.linspace(0, len(engines) - 1, min(N_PROBES, len(engines))).round().astype(int)
    probed = {engines[k]: seconds_per_step(engines[k]) for k in places}
    sizes = [_size(engine) for engine in probed]
    core_seconds = wall_seconds = 0.0
    for stage in stages:
        lengths = [
            n * float(np.interp(_size(engine), sizes, list(probed.values())))
            for engine, numbers in stage.items()
            for n in numbers
        ]
        core_seconds += sum(lengths)
        wall_seconds += max(sum(lengths) / cores, max(lengths))
    probes = {engine.system.name: seconds for engine, seconds in probed.items()}
    return Estimate(core_seconds, wall_seconds, cores, probes)


def _size(engine: Engine) -> int:
    return len(engine.system.numbers)


def seconds_per_step(engine: Engine) -> float:
    """Measure the time of one step in s.

    The steps are very short and begin at the starting geometry: they cost as much as real steps and
    cannot explode.

    Args:
        engine: engine to measure.
    """
    integrator = engine.thermostat(temperature=300.0, seed=1)
    integrator.setStepSize(1e-9)  # ps
    context = engine.context(integrator)
    context.setPositions(ANGSTROM * engine.system.positions)
    integrator.step(10)  # the first ones build kernels and neighbour lists
    n_steps, started = 0, time.perf_counter()
    while (passed := time.perf_counter() - started) < PROBE_SECONDS:
        integrator.step(10)
        n_steps += 10
    return passed / n_steps


def duration(seconds: float) -> str:
    """Return a duration as text with a suitable unit.

    Args:
        seconds: duration in s.

    Example:
        >>> [duration(t) for t in (0.2, 42, 130, 9000, 400000)]
        ['1 s', '42 s', '2.2 min', '2.5 h', '4.6 days']
    """
    for size, unit in ((86400.0, "days"), (3600.0, "h"), (60.0, "min")):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{max(1, round(seconds))} s"
