"""What the tasks of a sampling have in common.

A task needs nothing but itself (and the shards of tasks before it) and leaves one shard. Its seed
and the name of its shard follow from what it is, never from its place in a list: order,
interruption, company and the number of workers change nothing.
"""

import dataclasses
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np

from gpip_plugins.sampling.dynamics.engine import Engine
from gpip_plugins.sampling.dynamics.periodic_engine import engine_for
from gpip_plugins.sampling.forcefield import ForceField
from gpip_plugins.sampling.systems.box import Box
from gpip_plugins.sampling.systems.molecule import MolecularSystem

__all__ = ["FORMAT", "HALVINGS", "NO_COST", "Dynamics", "Stopwatch", "Task", "identity"]

FORMAT: Final = 3  # raise it when the same settings give other results
HALVINGS: Final = 1  # so often what exploded is tried again with half the time step
NO_COST: Final = {"core_seconds": 0.0, "gpu_seconds": 0.0}  # of a task with nothing to go on with
GPUS: Final = ("CUDA", "OpenCL", "HIP")


class Stopwatch:
    """Measures what a task costs, from its construction on."""

    def __init__(self):
        self.wall, self.core = time.perf_counter(), time.process_time()

    def read(self, engine: Engine) -> dict[str, float]:
        """Return `core_seconds` and `gpu_seconds` (elapsed time, where a GPU did the work).

        Args:
            engine: what did the work.
        """
        platform = getattr(engine, "platform", None)  # molecules have none to choose
        on_gpu = platform is not None and platform.getName() in GPUS
        return {
            "core_seconds": time.process_time() - self.core,
            "gpu_seconds": time.perf_counter() - self.wall if on_gpu else 0.0,
        }


class Task(Protocol):
    """What can be run on its own and leaves one shard."""

    @property
    def shard(self) -> str:
        """Name of the file with the result; equal names mean equal results."""
        ...

    @property
    def n_ticks(self) -> int:
        """Length of the task in the progress bar: `run` calls `tick` about so often."""
        ...

    def run(self, folder: Path, tick: Callable[[], None]) -> None:
        """Write the shard into `folder`."""
        ...


@dataclass(frozen=True)
class Dynamics:
    """How the equations of motion are integrated.

    Args:
        time_step: fs.
        friction: of the Langevin thermostat in 1/ps.
        platform: of OpenMM, for boxes; None takes `CUDA` where there is one, else `CPU`. Isolated
            molecules run on `Reference`.
        threads: of a box on the platform `CPU`.
    """

    time_step: float = 1.0
    friction: float = 2.0
    platform: str | None = None
    threads: int = 1

    def engine(self, system: MolecularSystem | Box, force_field: ForceField) -> Engine:
        """Return the engine for a system.

        Args:
            system: molecule or box.
            force_field: what gives its energy.
        """
        return engine_for(
            system,
            force_field,
            self.time_step,
            self.friction,
            platform=self.platform,
            threads=self.threads,
        )

    def halved(self) -> "Dynamics":
        """Return the same with half the time step."""
        return dataclasses.replace(self, time_step=self.time_step / 2)


def identity(system: MolecularSystem | Box) -> list[Any]:
    """Return what a system is, in a form that JSON can write.

    Positions count to 0.001 Å, so that machines that differ in the last digits agree.

    Args:
        system: molecule or box.
    """
    cell = None if system.cell is None else np.round(system.cell, 3).tolist()
    positions = (np.round(system.positions, 3) + 0.0).tolist()  # no negative zeros
    return [system.name, system.source, system.numbers.tolist(), positions, cell]
