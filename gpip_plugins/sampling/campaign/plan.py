"""All trajectories of a data set: which there are, running them, and reading what they gave."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Final

import numpy as np

from gpip_plugins.errors import InputError
from gpip_plugins.sampling.campaign.estimate import Estimate, estimate
from gpip_plugins.sampling.campaign.nve_drift_task import ConservationTask
from gpip_plugins.sampling.campaign.preparation_task import PreparationTask
from gpip_plugins.sampling.campaign.tasks import Dynamics
from gpip_plugins.sampling.campaign.trajectory_task import TrajectoryTask
from gpip_plugins.sampling.campaign.workers import run_tasks
from gpip_plugins.sampling.dynamics.engine import Engine, Explosion, Trajectory
from gpip_plugins.sampling.dynamics.equilibration import PIECE
from gpip_plugins.sampling.forcefield import ForceField
from gpip_plugins.sampling.schedule import PreparationSchedule, Schedule
from gpip_plugins.sampling.systems.box import Box
from gpip_plugins.sampling.systems.molecule import MolecularSystem

__all__ = ["Sampler"]

MAX_CHECKS: Final = 8  # systems whose energy is checked


@dataclass(frozen=True)
class Sampler:
    """Every system at every temperature, `replicas` times.

    The trajectories are independent tasks (`TrajectoryTask`), each kept as a shard in one folder.
    They can be shared out among several runs on the same folder: of `parts` runs, the one with
    number `part` takes every `parts`-th trajectory. Boxes are prepared before (`PreparationTask`),
    once for all temperatures of a replica.

    Args:
        systems: molecules and boxes with different names.
        force_fields: what gives their energy, one for each system.
        schedule: temperatures, times, replicas and number of frames.
        dynamics: time step, friction and platform.
        preparation: how boxes come to their density; molecules need none.
        seed: seed of the data set.
        energy_check: ps without thermostat that show whether a system conserves its energy; at most
            eight systems are checked, evenly chosen. 0 leaves it out.
        part: number of this run, from 0.
        parts: number of runs that share the work.

    Raises:
        InputError: before anything runs, when a setting does not fit or a system is not covered.

    Example:
        >>> from gpip_plugins.sampling.forcefield import force_field
        >>> water = MolecularSystem.from_smiles("O", name="water")
        >>> sampler = Sampler([water], [force_field("mmff94")], Schedule(4, [300, 500]))
        >>> [(task.label, task.n_frames) for task in sampler.tasks]
        [('water at 300 K', 2), ('water at 500 K', 2)]
    """

    systems: Sequence[MolecularSystem | Box]
    force_fields: Sequence[ForceField]
    schedule: Schedule
    dynamics: Dynamics = field(default_factory=Dynamics)
    preparation: PreparationSchedule = field(default_factory=PreparationSchedule)
    seed: int = 0
    energy_check: float = 0.0
    part: int = 0
    parts: int = 1

    def __post_init__(self):
        """Build everything that can fail because of the settings."""
        names = [system.name for system in self.systems]
        for name in names:
            if names.count(name) > 1:
                raise InputError(
                    f"the system {name!r} is named {names.count(name)} times; name it once."
                )
        whole = all(isinstance(n, int) and not isinstance(n, bool) for n in (self.part, self.parts))
        if not whole or not 0 <= self.part < self.parts:
            raise InputError(
                f"part={self.part} is not one of parts={self.parts} parts, which are numbered from "
                f"0; give for example part=0 parts=4."
            )
        for engine in self.engines:
            engine.n_steps("sampling_interval", self.schedule.sampling_interval)
            engine.n_steps("equilibration", self.schedule.equilibration)
            if engine.system.cell is not None:
                engine.n_steps("npt", self.preparation.npt)
                engine.n_steps("annealing", self.preparation.annealing)
        self.tasks  # noqa: B018  (checks the number of frames)

    @cached_property
    def engines(self) -> list[Engine]:
        """One engine for every system, for checks and for measuring."""
        pairs = zip(self.systems, self.force_fields, strict=True)
        return [self.dynamics.engine(system, force_field) for system, force_field in pairs]

    @cached_property
    def tasks(self) -> list[TrajectoryTask]:
        """All trajectories of the data set, in the order of the database."""
        kinds = [
            (system, force_field, temperature, replica)
            for system, force_field in zip(self.systems, self.force_fields, strict=True)
            for temperature in self.schedule.temperatures
            for replica in range(self.schedule.replicas)
        ]
        numbers = self.schedule.frames_per_trajectory(len(self.systems))
        return [
            TrajectoryTask(
                *kind,
                n_frames=n_frames,
                interval=self.schedule.sampling_interval,
                equilibration=self.schedule.equilibration,
                dynamics=self.dynamics,
                seed=self.seed,
                preparation=self._prepared(*kind),
            )
            for kind, n_frames in zip(kinds, numbers, strict=True)
        ]

    @cached_property
    def checks(self) -> list[ConservationTask]:
        """The checks of the energy, at the temperature next to 300 K."""
        if not self.energy_check:
            return []
        temperature = min(self.schedule.temperatures, key=lambda t: abs(t - 300.0))
        of_system = {id(task.system): task for task in reversed(self.tasks) if not task.replica}
        n_checks = min(MAX_CHECKS, len(self.systems))
        places = np.linspace(0, len(self.systems) - 1, n_checks).round().astype(int)
        tasks = [of_system[id(self.systems[k])] for k in places]
        return [
            ConservationTask(
                task.system,
                task.force_field,
                temperature,
                self.energy_check,
                self.dynamics,
                self.seed,
                task.preparation,
            )
            for task in tasks
        ]

    def _prepared(self, system, force_field, _, replica) -> PreparationTask | None:
        if system.cell is None:
            return None
        return PreparationTask(
            system, force_field, self.preparation, replica, self.dynamics, self.seed
        )

    @staticmethod
    def preparations(
        tasks: Sequence[TrajectoryTask | ConservationTask],
    ) -> list[PreparationTask]:
        """Return what must be run before some trajectories; temperatures share a prepared box.

        Args:
            tasks: some of `tasks` and `checks`.
        """
        found = {t.preparation.shard: t.preparation for t in tasks if t.preparation is not None}
        return list(found.values())

    @property
    def own_tasks(self) -> list[TrajectoryTask | ConservationTask]:
        """The trajectories and checks of this part."""
        return [*self.tasks, *self.checks][self.part :: self.parts]

    def run(
        self, folder: Path, cores: int, progress: bool = True, drop_exploded: bool = False
    ) -> None:
        """Run the trajectories of this part whose shards are missing, and what they need before.

        Args:
            folder: where the shards are kept; it is created.
            cores: number of processes.
            progress: show a progress bar.
            drop_exploded: go on without the boxes that explode while they are prepared.

        Raises:
            Explosion: when a box explodes while it is prepared, unless `drop_exploded`.
        """
        before = self.preparations(self.own_tasks)
        if before:
            run_tasks(before, folder, cores, "preparing", unit="ps", tick=PIECE, progress=progress)
        exploded = [task for task in before if task.result(folder) is None]
        if exploded and not drop_exploded:
            message = exploded[0].facts(folder)["explosions"][-1].removesuffix(".")
            raise Explosion(
                f"{len(exploded)} of {len(before)} boxes exploded while they were prepared, also "
                f"with half the time_step={self.dynamics.time_step} fs (the first, "
                f"{exploded[0].label}: {message}); choose a smaller time_step, or leave them out "
                "with on_explosion=drop."
            )
        run_tasks(self.own_tasks, folder, cores, "sampling", progress=progress)

    def estimate(self, folder: Path, cores: int) -> Estimate:
        """Return what the missing tasks of this part will cost.

        Args:
            folder: where the shards are kept.
            cores: number of processes.
        """
        own = [task for task in self.own_tasks if not (folder / task.shard).exists()]
        before = [t for t in self.preparations(own) if not (folder / t.shard).exists()]
        stages = [
            {engine: [t.n_steps for t in tasks if t.system is engine.system] for engine in needed}
            for tasks in (before, own)
            if (needed := [e for e in self.engines if any(t.system is e.system for t in tasks)])
        ]
        return estimate(stages, cores)

    def missing(self, folder: Path) -> list[TrajectoryTask | ConservationTask]:
        """Return the trajectories and checks of all parts that have no shard yet.

        Args:
            folder: where the shards are kept.
        """
        tasks = [*self.tasks, *self.checks]
        return [task for task in tasks if not (folder / task.shard).exists()]

    def results(self, folder: Path) -> Iterator[tuple[TrajectoryTask, Trajectory]]:
        """Yield the trajectories that did not explode, in the order of the database.

        Args:
            folder: where the shards are kept.
        """
        for task in self.tasks:
            trajectory = task.result(folder)
            if trajectory is not None:
                yield task, trajectory
