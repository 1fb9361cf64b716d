"""Base class of the tasks of a sampling.

A task depends only on its settings (and the shard of its preparation) and writes one shard. Its
seed and the name of its shard are derived from its settings, not from its place in a list: order,
interruption, other tasks and the number of workers do not change the result.
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np

from gpip_plugins.sampling.campaign.shards import read_facts, read_shard, write_shard
from gpip_plugins.sampling.dynamics.periodic_engine import fastest_platform
from gpip_plugins.sampling.dynamics.trajectory import Explosion
from gpip_plugins.sampling.forcefield import ForceField
from gpip_plugins.sampling.seeds import fingerprint
from gpip_plugins.sampling.settings import Dynamics
from gpip_plugins.sampling.systems.box import Box
from gpip_plugins.sampling.systems.molecule import MolecularSystem

__all__ = ["Task", "missing"]

FORMAT: Final = 4  # raise it when the same settings give other results
GPUS: Final = ("CUDA", "OpenCL", "HIP")


@dataclass(frozen=True, kw_only=True)
class Task(ABC):
    """One simulation that writes one shard.

    A simulation that explodes is run again with half the time step, if the kind of task allows it.
    If it explodes again, the shard records this and holds no result: no frame of an unstable
    trajectory is ever stored. Trajectories of a box that exploded in its preparation have no
    result either.

    Args:
        system: the system to simulate; a box before its equilibration.
        force_field: force field of the system.
        dynamics: how the equations of motion are integrated.
        seed: seed of the data set.
        preparation: the `PreparationTask` that is run before and gives the box to start from; None
            for molecules and for the preparation itself.
    """

    system: MolecularSystem | Box
    force_field: ForceField
    dynamics: Dynamics
    seed: int
    preparation: "Task | None" = None

    halvings: ClassVar[int] = 1  # number of attempts with half the time step after an explosion

    @property
    @abstractmethod
    def label(self) -> str:
        """Name of the task in messages."""

    @property
    @abstractmethod
    def n_ticks(self) -> int:
        """Length of the task in the progress bar: approximate number of calls of `tick`."""

    @property
    @abstractmethod
    def simulated_time(self) -> float:
        """Simulated time in ps."""

    @property
    @abstractmethod
    def prefix(self) -> str:
        """First part of the shard's name."""

    @abstractmethod
    def determinants(self) -> list[Any]:
        """Return what determines the result, besides system and force field; written as JSON."""

    @abstractmethod
    def simulate(
        self, start: MolecularSystem | Box, dynamics: Dynamics, tick: Callable[[], None]
    ) -> Any:
        """Simulate once and return the result.

        Args:
            start: the system where the simulation begins.
            dynamics: how the equations of motion are integrated in this attempt.
            tick: moves the progress bar.

        Raises:
            Explosion: when the simulation is unstable.
        """

    @abstractmethod
    def describe(self, result: Any | None) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Return the arrays and facts to store for a result, which is None after an explosion."""

    @property
    def shard(self) -> str:
        """Name of the file with the result, with a fingerprint of all that determines it."""
        digest = fingerprint(
            FORMAT, _identity(self.system), self.force_field.name, *self.determinants()
        )
        return f"{self.prefix}-{digest}.npz"

    @property
    def n_steps(self) -> float:
        """Number of time steps."""
        return self.simulated_time * 1000.0 / self.dynamics.time_step

    def run(self, folder: Path, tick: Callable[[], None]) -> None:
        """Simulate and write the shard.

        Args:
            folder: folder of the shard and of the shard of the preparation.
            tick: moves the progress bar.
        """
        wall, core = time.perf_counter(), time.process_time()
        start = self.system if self.preparation is None else self.preparation.result(folder)
        result, dynamics, explosions = None, self.dynamics, []
        while start is not None and result is None and len(explosions) <= self.halvings:
            try:
                result = self.simulate(start, dynamics, tick)
            except Explosion as explosion:
                explosions.append(str(explosion))
                if len(explosions) <= self.halvings:
                    dynamics = dynamics.halved()
        arrays, facts = self.describe(result)
        facts |= {
            "complete": result is not None,
            "time_step": dynamics.time_step,
            "explosions": explosions,
            "core_seconds": time.process_time() - core,
            "gpu_seconds": time.perf_counter() - wall if self._on_gpu else 0.0,
        }
        write_shard(folder / self.shard, arrays, facts)

    @property
    def _on_gpu(self) -> bool:
        """Whether the task runs on a GPU."""
        periodic = self.system.cell is not None
        return periodic and (self.dynamics.platform or fastest_platform()) in GPUS

    def facts(self, folder: Path) -> dict[str, Any]:
        """Return the facts of the shard.

        All tasks have `complete`, `time_step` (fs, of the last attempt), `explosions` (messages),
        `core_seconds` and `gpu_seconds` (elapsed time if a GPU was used).

        Args:
            folder: where the shard is.
        """
        return read_facts(folder / self.shard)

    def arrays(self, folder: Path) -> dict[str, np.ndarray]:
        """Return the arrays of the shard, none after an explosion.

        Args:
            folder: where the shard is.
        """
        return read_shard(folder / self.shard)[0]


def missing[AnyTask: Task](tasks: Sequence[AnyTask], folder: Path) -> list[AnyTask]:
    """Return the tasks that have no shard yet.

    Args:
        tasks: any tasks.
        folder: where the shards are kept.
    """
    return [task for task in tasks if not (folder / task.shard).exists()]


def _identity(system: MolecularSystem | Box) -> list[Any]:
    """Return what identifies a system, in a form that can be written as JSON.

    Positions are rounded to 0.001 Å, so that machines that differ in the last digits agree.
    """
    cell = None if system.cell is None else np.round(system.cell, 3).tolist()
    positions = (np.round(system.positions, 3) + 0.0).tolist()  # no negative zeros
    return [system.name, system.source, system.numbers.tolist(), positions, cell]
