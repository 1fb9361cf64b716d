"""Task that equilibrates a box at its density."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gpip_plugins.sampling.campaign.tasks import Task
from gpip_plugins.sampling.dynamics.equilibration import PreparedBox, n_chunks, prepare
from gpip_plugins.sampling.seeds import derive_seed
from gpip_plugins.sampling.settings import Dynamics, Preparation
from gpip_plugins.sampling.systems.box import Box

__all__ = ["PreparationTask"]


@dataclass(frozen=True, kw_only=True)
class PreparationTask(Task):
    """Equilibrate and anneal a packed box; all trajectories of one replica start from the result.

    Facts in addition to those of every task: `density` (g/cm^3), its `density_error` and
    `density_drift` (None for a given cell), `molarity` (mol/L, by component), `cutoff` of the
    prepared cell (Å, None for a force field without one); all None after an explosion.

    Args:
        settings: durations and temperatures.
        replica: number of the replica; replicas have different random numbers.
    """

    settings: Preparation
    replica: int

    @property
    def prefix(self) -> str:
        """The kind of task."""
        return "prepared"

    def determinants(self) -> list[Any]:
        """Return what determines the prepared box, besides system and force field."""
        return [
            dataclasses.astuple(self.settings),
            [self.replica, self.dynamics.time_step, self.dynamics.friction, self.seed],
        ]

    @property
    def n_ticks(self) -> int:
        """One for every half picosecond."""
        return n_chunks(self.settings)

    @property
    def simulated_time(self) -> float:
        """Simulated time in ps."""
        return self.settings.duration

    @property
    def label(self) -> str:
        """Name of the box and number of the replica."""
        return f"{self.system.name}, replica {self.replica}"

    def simulate(self, start: Box, dynamics: Dynamics, tick: Callable[[], None]) -> PreparedBox:
        """Return the prepared box.

        Args:
            start: the packed box.
            dynamics: how the equations of motion are integrated in this attempt.
            tick: called after every half picosecond.
        """
        seed = derive_seed(self.seed, self.system.name, "preparation", self.replica)
        return prepare(start, self.force_field, self.settings, dynamics, seed, on_chunk=tick)

    def describe(self, result: PreparedBox | None) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Return positions and cell, and the facts of the preparation.

        Args:
            result: the prepared box, or None after an explosion.
        """
        if result is None:
            names = ("density", "density_error", "density_drift", "molarity", "cutoff")
            return {}, dict.fromkeys(names)
        facts = {
            "density": result.density,
            "density_error": result.density_error,
            "density_drift": result.density_drift,
            "molarity": result.box.molarity,
            "cutoff": result.cutoff,
        }
        return {"positions": result.box.positions, "cell": result.box.cell}, facts

    def result(self, folder: Path) -> Box | None:
        """Return the prepared box, or None for one that exploded.

        Args:
            folder: where the shard is.
        """
        arrays = self.arrays(folder)
        return dataclasses.replace(self.system, **arrays) if arrays else None
