"""The check that a system conserves its energy without a thermostat, as a task."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from gpip_plugins.sampling.campaign.preparation_task import PreparationTask
from gpip_plugins.sampling.campaign.shards import read_facts, write_shard
from gpip_plugins.sampling.campaign.tasks import FORMAT, NO_COST, Dynamics, Stopwatch, identity
from gpip_plugins.sampling.dynamics.engine import Explosion
from gpip_plugins.sampling.dynamics.nve_drift import energy_conservation
from gpip_plugins.sampling.forcefield import ForceField
from gpip_plugins.sampling.seeds import derive_seed, fingerprint
from gpip_plugins.sampling.systems.box import Box
from gpip_plugins.sampling.systems.molecule import MolecularSystem

__all__ = ["ConservationTask"]

TIME_STEP: Final = 0.5  # fs: the check is about the force field, not about the sampling's step


@dataclass(frozen=True)
class ConservationTask:
    """Drift of the total energy of one system.

    Args:
        system: what is simulated.
        force_field: what gives its energy.
        temperature: of the start in K.
        duration: ps without thermostat.
        dynamics: the platform.
        seed: seed of the data set.
        preparation: what gives the box to start from; None for molecules.
    """

    system: MolecularSystem | Box
    force_field: ForceField
    temperature: float
    duration: float
    dynamics: Dynamics
    seed: int
    preparation: PreparationTask | None = None

    @property
    def shard(self) -> str:
        """Name of the file: a fingerprint of all that determines the drift."""
        digest = fingerprint(
            FORMAT,
            identity(self.system),
            self.force_field.name,
            [self.temperature, self.duration, self.seed],
            self.preparation and self.preparation.shard,
        )
        return f"energy-{digest}.npz"

    @property
    def n_ticks(self) -> int:
        """One at the end."""
        return 1

    @property
    def n_steps(self) -> float:
        """Number of time steps."""
        return self.duration * 1000.0 / TIME_STEP

    @property
    def label(self) -> str:
        """Name of the system."""
        return self.system.name

    def run(self, folder: Path, tick: Callable[[], None]) -> None:
        """Simulate and write the shard; an explosion is what is found, and told there.

        Of a box that exploded while it was prepared nothing is found.

        Args:
            folder: where the shard goes, and where that of the preparation is.
            tick: called at the end.
        """
        system = self.system if self.preparation is None else self.preparation.result(folder)
        dynamics, cost = self.dynamics, Stopwatch()
        facts: dict[str, Any] = {"drift": None, "drift_error": None, "explosions": []}
        if system is None:
            write_shard(folder / self.shard, {}, facts | NO_COST)
            tick()
            return
        box_settings = {"platform": dynamics.platform, "threads": dynamics.threads}
        try:
            found = energy_conservation(
                system,
                self.force_field,
                self.temperature,
                derive_seed(self.seed, system.name, "energy"),
                self.duration,
                TIME_STEP,
                **box_settings,
            )
            facts |= {"drift": found.drift, "drift_error": found.drift_error}
        except Explosion as explosion:
            facts["explosions"].append(str(explosion))
        facts |= cost.read(dynamics.engine(system, self.force_field))
        write_shard(folder / self.shard, {}, facts)
        tick()

    def facts(self, folder: Path) -> dict[str, Any]:
        """Return what the shard says of itself.

        `drift` and `drift_error` in meV/atom/ps (None after an explosion), `explosions`,
        `core_seconds`, `gpu_seconds`.

        Args:
            folder: where the shard is.
        """
        return read_facts(folder / self.shard)
