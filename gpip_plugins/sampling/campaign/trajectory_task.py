"""Task that samples the frames of one system at one temperature."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gpip_plugins.sampling.campaign.tasks import Task
from gpip_plugins.sampling.dynamics.periodic_engine import engine_for
from gpip_plugins.sampling.dynamics.trajectory import Trajectory
from gpip_plugins.sampling.seeds import derive_seed
from gpip_plugins.sampling.settings import Dynamics
from gpip_plugins.sampling.systems.box import Box
from gpip_plugins.sampling.systems.molecule import MolecularSystem

__all__ = ["TrajectoryTask"]


@dataclass(frozen=True, kw_only=True)
class TrajectoryTask(Task):
    """Frames of one system at one temperature.

    Args:
        temperature: temperature of the thermostat in K.
        replica: number among the trajectories that differ only in their random numbers.
        n_frames: number of frames.
        interval: ps between two frames.
        equilibration: ps before the first frame.
    """

    temperature: float
    replica: int
    n_frames: int
    interval: float
    equilibration: float

    @property
    def prefix(self) -> str:
        """The temperature."""
        return f"{self.temperature:g}K"

    def determinants(self) -> list[Any]:
        """Return what determines the frames, besides system and force field."""
        return [
            [self.temperature, self.replica, self.n_frames, self.interval, self.equilibration],
            [self.dynamics.time_step, self.dynamics.friction, self.seed],
            self.preparation and self.preparation.shard,
        ]

    @property
    def n_ticks(self) -> int:
        """One for every frame."""
        return self.n_frames

    @property
    def simulated_time(self) -> float:
        """Simulated time in ps, equilibration included."""
        return self.equilibration + self.n_frames * self.interval

    @property
    def label(self) -> str:
        """Name of the trajectory in messages."""
        replica = f" (replica {self.replica})" if self.replica else ""
        return f"{self.system.name} at {self.temperature:g} K{replica}"

    def simulate(
        self, start: MolecularSystem | Box, dynamics: Dynamics, tick: Callable[[], None]
    ) -> Trajectory:
        """Return the frames.

        Args:
            start: the system where the trajectory begins.
            dynamics: how the equations of motion are integrated in this attempt.
            tick: called after every frame.
        """
        # The first replica has the seed of a trajectory without replicas.
        replica = [self.replica] if self.replica else []
        return engine_for(start, self.force_field, dynamics).run(
            self.temperature,
            self.n_frames,
            interval=self.interval,
            equilibration=self.equilibration,
            seed=derive_seed(self.seed, self.system.name, self.temperature, *replica),
            on_frame=tick,
        )

    def describe(self, result: Trajectory | None) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Return the arrays of the trajectory; it has no facts besides those of every task.

        Args:
            result: the trajectory, or None after an explosion.
        """
        return ({} if result is None else dict(vars(result))), {}

    def result(self, folder: Path) -> Trajectory | None:
        """Return the frames, or None for a trajectory that exploded.

        Args:
            folder: where the shard is.
        """
        arrays = self.arrays(folder)
        return Trajectory(**arrays) if arrays else None
