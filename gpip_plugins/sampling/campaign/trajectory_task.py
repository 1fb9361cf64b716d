"""The frames of one system at one temperature, as a task."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gpip_plugins.sampling.campaign.preparation_task import PreparationTask
from gpip_plugins.sampling.campaign.shards import read_facts, read_shard, write_shard
from gpip_plugins.sampling.campaign.tasks import (
    FORMAT,
    HALVINGS,
    NO_COST,
    Dynamics,
    Stopwatch,
    identity,
)
from gpip_plugins.sampling.dynamics.engine import Explosion, Trajectory
from gpip_plugins.sampling.forcefield import ForceField
from gpip_plugins.sampling.seeds import derive_seed, fingerprint
from gpip_plugins.sampling.systems.box import Box
from gpip_plugins.sampling.systems.molecule import MolecularSystem

__all__ = ["TrajectoryTask"]


@dataclass(frozen=True)
class TrajectoryTask:
    """Frames of one system at one temperature.

    A trajectory that explodes is run again with half the time step. When that explodes too, the
    shard says so and holds no frames: nothing of an exploded trajectory is ever stored. A box that
    exploded while it was prepared leaves no frames either.

    Args:
        system: what is simulated.
        force_field: what gives its energy.
        temperature: of the thermostat in K.
        replica: number among the trajectories that differ in nothing but their random numbers.
        n_frames: number of frames.
        interval: ps between two frames.
        equilibration: ps before the first frame.
        dynamics: how it is integrated.
        seed: seed of the data set.
        preparation: what must be run before, and gives the box to start from; None for molecules.
    """

    system: MolecularSystem | Box
    force_field: ForceField
    temperature: float
    replica: int
    n_frames: int
    interval: float
    equilibration: float
    dynamics: Dynamics
    seed: int
    preparation: PreparationTask | None = None

    @property
    def shard(self) -> str:
        """Name of the file: temperature and a fingerprint of all that determines the frames."""
        digest = fingerprint(
            FORMAT,
            identity(self.system),
            self.force_field.name,
            [self.temperature, self.replica, self.n_frames, self.interval, self.equilibration],
            [self.dynamics.time_step, self.dynamics.friction, self.seed],
            self.preparation and self.preparation.shard,
        )
        return f"{self.temperature:g}K-{digest}.npz"

    @property
    def n_ticks(self) -> int:
        """One for every frame."""
        return self.n_frames

    @property
    def n_steps(self) -> float:
        """Number of time steps, equilibration included."""
        ps = self.equilibration + self.n_frames * self.interval
        return ps * 1000.0 / self.dynamics.time_step

    @property
    def label(self) -> str:
        """Name of the trajectory for people."""
        replica = f" (replica {self.replica})" if self.replica else ""
        return f"{self.system.name} at {self.temperature:g} K{replica}"

    def run(self, folder: Path, tick: Callable[[], None]) -> None:
        """Simulate and write the shard.

        Args:
            folder: where the shard goes, and where that of the preparation is.
            tick: called after every frame.
        """
        # The first replica has the seed that trajectories had before there were replicas.
        replica = [self.replica] if self.replica else []
        seed = derive_seed(self.seed, self.system.name, self.temperature, *replica)
        facts: dict[str, Any] = {"explosions": []}
        cost = Stopwatch()
        system = self.system if self.preparation is None else self.preparation.result(folder)
        if system is None:
            facts |= {"complete": False, "time_step": self.dynamics.time_step}
            write_shard(folder / self.shard, {}, facts | NO_COST)
            return
        trajectory, dynamics = None, self.dynamics
        for _ in range(1 + HALVINGS):
            engine = dynamics.engine(system, self.force_field)
            try:
                trajectory = engine.run(
                    self.temperature,
                    self.n_frames,
                    interval=self.interval,
                    equilibration=self.equilibration,
                    seed=seed,
                    on_frame=tick,
                )
                break
            except Explosion as explosion:
                facts["explosions"].append(str(explosion))
                dynamics = dynamics.halved()
        facts["complete"] = trajectory is not None
        facts["time_step"] = dynamics.time_step
        facts |= cost.read(engine)
        arrays = {} if trajectory is None else vars(trajectory)
        write_shard(folder / self.shard, arrays, facts)

    def facts(self, folder: Path) -> dict[str, Any]:
        """Return what the shard says of itself.

        `complete`, `time_step` (fs, of the last try), `explosions` (messages), `core_seconds`,
        `gpu_seconds`.

        Args:
            folder: where the shard is.
        """
        return read_facts(folder / self.shard)

    def result(self, folder: Path) -> Trajectory | None:
        """Return the frames, or None for a trajectory that exploded.

        Args:
            folder: where the shard is.
        """
        arrays, _ = read_shard(folder / self.shard)
        return Trajectory(**arrays) if arrays else None
