"""What the tasks of a sampling have in common.

A task needs nothing but itself (and the shard of the preparation before it) and leaves one shard.
Its seed and the name of its shard follow from what it is, never from its place in a list: order,
interruption, company and the number of workers change nothing.
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

FORMAT: Final = 3  # raise it when the same settings give other results
GPUS: Final = ("CUDA", "OpenCL", "HIP")


@dataclass(frozen=True, kw_only=True)
class Task(ABC):
    """One simulation that leaves one shard.

    A simulation that explodes is run again with half the time step, if the kind of task allows it.
    When that explodes too, the shard says so and holds no result: nothing of an unstable trajectory
    is ever stored. A box that exploded while it was prepared leaves nothing either.

    Args:
        system: what is simulated; a box as packed.
        force_field: what gives its energy.
        dynamics: how it is integrated.
        seed: seed of the data set.
        preparation: the `PreparationTask` that is run before and gives the box to start from; None
            for molecules and for the preparation itself.
    """

    system: MolecularSystem | Box
    force_field: ForceField
    dynamics: Dynamics
    seed: int
    preparation: "Task | None" = None

    halvings: ClassVar[int] = 1  # how often an explosion is tried again with half the time step

    @property
    @abstractmethod
    def label(self) -> str:
        """Name of the task for people."""

    @property
    @abstractmethod
    def n_ticks(self) -> int:
        """Length of the task in the progress bar: `run` calls `tick` about so often."""

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
        """Return what determines the result beside system and force field, for JSON to write."""

    @abstractmethod
    def simulate(
        self, start: MolecularSystem | Box, dynamics: Dynamics, tick: Callable[[], None]
    ) -> Any:
        """Simulate once and return the result.

        Args:
            start: the system where the simulation begins.
            dynamics: how it is integrated in this try.
            tick: moves the progress bar.

        Raises:
            Explosion: when the simulation is unstable.
        """

    @abstractmethod
    def describe(self, result: Any | None) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Return the arrays and the facts that are stored of a result; None after an explosion."""

    @property
    def shard(self) -> str:
        """Name of the file with the result: a fingerprint of all that determines it."""
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
            folder: where the shard goes, and where that of the preparation is.
            tick: called often enough to move a progress bar.
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
        """Whether a GPU does the work."""
        periodic = self.system.cell is not None
        return periodic and (self.dynamics.platform or fastest_platform()) in GPUS

    def facts(self, folder: Path) -> dict[str, Any]:
        """Return the facts of the shard.

        Those of all tasks are `complete`, `time_step` (fs, of the last try), `explosions`
        (messages), `core_seconds` and `gpu_seconds` (elapsed time, where a GPU did the work).

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
    """Return what a system is, in a form that JSON can write.

    Positions count to 0.001 Å, so that machines that differ in the last digits agree.
    """
    cell = None if system.cell is None else np.round(system.cell, 3).tolist()
    positions = (np.round(system.positions, 3) + 0.0).tolist()  # no negative zeros
    return [system.name, system.source, system.numbers.tolist(), positions, cell]
