"""Task that checks that a system conserves its energy without a thermostat."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np

from gpip_plugins.sampling.campaign.tasks import Task
from gpip_plugins.sampling.dynamics.nve_drift import NveDrift, nve_drift
from gpip_plugins.sampling.seeds import derive_seed
from gpip_plugins.sampling.settings import Dynamics
from gpip_plugins.sampling.systems.box import Box
from gpip_plugins.sampling.systems.molecule import MolecularSystem

__all__ = ["FRICTION", "TIME_STEP", "NveDriftTask"]

TIME_STEP: Final = 0.5  # fs: the force field is checked, not the time step of the sampling
FRICTION: Final = 10.0  # 1/ps, of the short equilibration at the start


@dataclass(frozen=True, kw_only=True)
class NveDriftTask(Task):
    """Drift of the total energy of one system; after an explosion it is not repeated.

    Facts in addition to those of every task: `drift` and `drift_error` in meV/atom/ps, None after
    an explosion.

    Args:
        temperature: temperature at the start in K.
        duration: time without thermostat in ps.
    """

    temperature: float
    duration: float

    halvings: ClassVar[int] = 0

    @property
    def prefix(self) -> str:
        """The kind of task."""
        return "energy"

    def determinants(self) -> list[Any]:
        """Return what determines the drift, besides system and force field."""
        return [
            [self.temperature, self.duration, self.seed],
            self.preparation and self.preparation.shard,
        ]

    @property
    def n_ticks(self) -> int:
        """One at the end."""
        return 1

    @property
    def simulated_time(self) -> float:
        """Simulated time in ps."""
        return self.duration

    @property
    def label(self) -> str:
        """Name of the system."""
        return self.system.name

    def simulate(
        self, start: MolecularSystem | Box, dynamics: Dynamics, tick: Callable[[], None]
    ) -> NveDrift:
        """Return the drift.

        Args:
            start: the system where the run begins.
            dynamics: how it is integrated.
            tick: called at the end.
        """
        seed = derive_seed(self.seed, self.system.name, "energy")
        found = nve_drift(start, self.force_field, self.temperature, self.duration, dynamics, seed)
        tick()
        return found

    def describe(self, result: NveDrift | None) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Return the drift; no arrays are kept.

        Args:
            result: the drift, or None after an explosion.
        """
        if result is None:
            return {}, {"drift": None, "drift_error": None}
        return {}, {"drift": result.drift, "drift_error": result.drift_error}
