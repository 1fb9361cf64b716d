"""The simulations that make up a data set."""

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from gpip_plugins.errors import InputError
from gpip_plugins.sampling.campaign.nve_drift_task import FRICTION, TIME_STEP, NveDriftTask
from gpip_plugins.sampling.campaign.preparation_task import PreparationTask
from gpip_plugins.sampling.campaign.tasks import Task
from gpip_plugins.sampling.campaign.trajectory_task import TrajectoryTask
from gpip_plugins.sampling.dynamics.engine import Engine
from gpip_plugins.sampling.dynamics.equilibration import check_room
from gpip_plugins.sampling.dynamics.periodic_engine import engine_for
from gpip_plugins.sampling.dynamics.trajectory import Trajectory
from gpip_plugins.sampling.forcefield import Coverage, ForceField, choose
from gpip_plugins.sampling.settings import SamplingSettings
from gpip_plugins.sampling.systems.box import Box
from gpip_plugins.sampling.systems.molecule import MolecularSystem

__all__ = ["CoveredSystem", "Plan", "covered_systems", "make_plan", "preparations"]

MAX_CHECKS: Final = 8  # systems whose energy is checked
CHECK_TEMPERATURE: Final = 300.0  # K; the check runs at the sampled temperature closest to it


class CoveredSystem(NamedTuple):
    """A system, and the force field that covers it."""

    system: MolecularSystem | Box
    force_field: ForceField
    coverage: Coverage


@dataclass(frozen=True)
class Plan:
    """All tasks of a data set except the preparations, which are stored in the tasks.

    Args:
        trajectories: trajectories in the order of the database.
        checks: checks of the energy without thermostat.
        engines: one for every system, to measure the time per step.

    Example:
        >>> from gpip_plugins.sampling.systems.sources import Presets
        >>> settings = SamplingSettings.from_keywords(
        ...     "data/", Presets("water"), n_frames=4, temperatures=[300, 500], energy_check=0
        ... )
        >>> [(task.label, task.n_frames) for task in make_plan(settings).tasks]
        [('water at 300 K', 2), ('water at 500 K', 2)]
    """

    trajectories: Sequence[TrajectoryTask]
    checks: Sequence[NveDriftTask]
    engines: Sequence[Engine]

    @property
    def tasks(self) -> list[Task]:
        """All trajectories and checks."""
        return [*self.trajectories, *self.checks]

    def share(self, part: int, parts: int) -> list[Task]:
        """Return the tasks of one of several runs that share the work.

        Args:
            part: number of the run, from 0.
            parts: number of runs.
        """
        return self.tasks[part::parts]

    def results(self, folder: Path) -> Iterator[tuple[TrajectoryTask, Trajectory]]:
        """Yield the trajectories that did not explode, in the order of the database.

        Args:
            folder: where the shards are.
        """
        for task in self.trajectories:
            trajectory = task.result(folder)
            if trajectory is not None:
                yield task, trajectory


def covered_systems(settings: SamplingSettings) -> list[CoveredSystem]:
    """Return every system with the force field that covers it; boxes are not packed yet.

    Args:
        settings: of the sampling.

    Raises:
        InputError: when a system cannot be made, is named twice or is not covered.
    """
    systems = settings.system.build(settings.seed, packed=False)
    names = [system.name for system in systems]
    for name in names:
        if names.count(name) > 1:
            raise InputError(
                f"the system {name!r} is named {names.count(name)} times; name it once."
            )
    return [
        CoveredSystem(system, *choose(system, settings.force_field, settings.fallback))
        for system in systems
    ]


def make_plan(settings: SamplingSettings, covered: Sequence[CoveredSystem] | None = None) -> Plan:
    """Return all tasks of a data set; boxes are packed here.

    Args:
        settings: of the sampling.
        covered: result of `covered_systems`, if it is known already.

    Raises:
        InputError: before anything runs, when a setting does not fit a system.
    """
    covered = covered_systems(settings) if covered is None else covered
    if any(system.cell is not None for system, *_ in covered):
        packed = settings.system.build(settings.seed)
        covered = [c._replace(system=s) for c, s in zip(covered, packed, strict=True)]
    engines = [engine_for(system, field, settings.dynamics) for system, field, _ in covered]
    for engine in engines:
        _check_durations(engine, settings)
    trajectories = _trajectories(settings, covered)
    return Plan(trajectories, _checks(settings, trajectories), engines)


def preparations(tasks: Sequence[Task]) -> list[PreparationTask]:
    """Return the preparations of some tasks; all temperatures share one prepared box.

    Args:
        tasks: trajectories and checks.
    """
    found = {t.preparation.shard: t.preparation for t in tasks if t.preparation is not None}
    return list(found.values())


def _check_durations(engine: Engine, settings: SamplingSettings) -> None:
    """Raise `InputError` for a duration that is no multiple of the time step, and small boxes."""
    engine.n_steps("sampling_interval", settings.schedule.sampling_interval)
    engine.n_steps("equilibration", settings.schedule.equilibration)
    if engine.system.cell is not None:
        engine.n_steps("npt", settings.preparation.npt)
        engine.n_steps("annealing", settings.preparation.annealing)
        if settings.preparation.npt and engine.cutoff is not None:
            check_room(engine.system)


def _trajectories(
    settings: SamplingSettings, covered: Sequence[CoveredSystem]
) -> list[TrajectoryTask]:
    """Return every system at every temperature, `replicas` times."""
    schedule = settings.schedule
    n_frames = iter(schedule.frames_per_trajectory(len(covered)))
    tasks = []
    for system, force_field, _ in covered:
        common = {
            "system": system,
            "force_field": force_field,
            "dynamics": settings.dynamics,
            "seed": settings.seed,
        }
        prepared = [None] * schedule.replicas
        if system.cell is not None:
            prepared = [
                PreparationTask(settings=settings.preparation, replica=k, **common)
                for k in range(schedule.replicas)
            ]
        tasks += [
            TrajectoryTask(
                temperature=temperature,
                replica=replica,
                n_frames=next(n_frames),
                interval=schedule.sampling_interval,
                equilibration=schedule.equilibration,
                preparation=preparation,
                **common,
            )
            for temperature in schedule.temperatures
            for replica, preparation in enumerate(prepared)
        ]
    return tasks


def _checks(
    settings: SamplingSettings, trajectories: Sequence[TrajectoryTask]
) -> list[NveDriftTask]:
    """Return the energy checks of evenly chosen systems."""
    if not settings.output.energy_check:
        return []
    temperature = min(settings.schedule.temperatures, key=lambda t: abs(t - CHECK_TEMPERATURE))
    dynamics = dataclasses.replace(settings.dynamics, time_step=TIME_STEP, friction=FRICTION)
    firsts = [task for task in trajectories if task.temperature == temperature and not task.replica]
    places = np.linspace(0, len(firsts) - 1, min(MAX_CHECKS, len(firsts))).round().astype(int)
    return [
        NveDriftTask(
            system=task.system,
            force_field=task.force_field,
            dynamics=dynamics,
            seed=settings.seed,
            preparation=task.preparation,
            temperature=temperature,
            duration=settings.output.energy_check,
        )
        for task in (firsts[k] for k in places)
    ]
