"""Bringing a box to its density, as a task."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gpip_plugins.sampling.campaign.shards import read_facts, read_shard, write_shard
from gpip_plugins.sampling.campaign.tasks import FORMAT, HALVINGS, Dynamics, Stopwatch, identity
from gpip_plugins.sampling.dynamics.engine import Explosion
from gpip_plugins.sampling.dynamics.equilibration import n_pieces, prepare
from gpip_plugins.sampling.forcefield import ForceField
from gpip_plugins.sampling.schedule import PreparationSchedule
from gpip_plugins.sampling.seeds import derive_seed, fingerprint
from gpip_plugins.sampling.systems.box import Box

__all__ = ["PreparationTask"]


@dataclass(frozen=True)
class PreparationTask:
    """A packed box at its density, annealed: where all its trajectories of one replica begin.

    A box that explodes is prepared again with half the time step. When that explodes too, the shard
    says so and holds no box: there is nothing to go on with.

    Args:
        system: the box as packed.
        force_field: what gives its energy.
        schedule: durations and temperatures.
        replica: number of the replica, which has its own random numbers.
        dynamics: how it is integrated.
        seed: seed of the data set.
    """

    system: Box
    force_field: ForceField
    schedule: PreparationSchedule
    replica: int
    dynamics: Dynamics
    seed: int

    @property
    def shard(self) -> str:
        """Name of the file: a fingerprint of all that determines the prepared box."""
        digest = fingerprint(
            FORMAT,
            identity(self.system),
            self.force_field.name,
            dataclasses.astuple(self.schedule),
            [self.replica, self.dynamics.time_step, self.dynamics.friction, self.seed],
        )
        return f"prepared-{digest}.npz"

    @property
    def n_ticks(self) -> int:
        """One for every half picosecond."""
        return n_pieces(self.schedule)

    @property
    def n_steps(self) -> float:
        """Number of time steps."""
        return self.schedule.duration * 1000.0 / self.dynamics.time_step

    @property
    def label(self) -> str:
        """Name of the task for people."""
        return f"{self.system.name}, replica {self.replica}"

    def run(self, folder: Path, tick: Callable[[], None]) -> None:
        """Prepare and write the shard.

        Args:
            folder: where the shard goes.
            tick: called after every half picosecond.
        """
        seed = derive_seed(self.seed, self.system.name, "preparation", self.replica)
        facts: dict[str, Any] = {"explosions": []}
        cost = Stopwatch()
        prepared, dynamics = None, self.dynamics
        for _ in range(1 + HALVINGS):
            try:
                prepared = prepare(
                    self.system,
                    self.force_field,
                    self.schedule,
                    seed,
                    **dataclasses.asdict(dynamics),
                    on_piece=tick,
                )
                break
            except Explosion as explosion:
                facts["explosions"].append(str(explosion))
                dynamics = dynamics.halved()
        box = self.system if prepared is None else prepared.box
        facts |= {
            "complete": prepared is not None,
            "time_step": dynamics.time_step,
            "density": prepared and prepared.density,
            "density_error": prepared and prepared.density_error,
            "density_drift": prepared and prepared.density_drift,
            "molarity": prepared and box.molarity,
        }
        facts |= cost.read(dynamics.engine(box, self.force_field))
        arrays = {} if prepared is None else {"positions": box.positions, "cell": box.cell}
        write_shard(folder / self.shard, arrays, facts)

    def facts(self, folder: Path) -> dict[str, Any]:
        """Return what the shard says of itself.

        `complete`, `density` (g/cm^3), its `density_error` and `density_drift` (None for a given
        cell), `molarity` (mol/L, by component), all None after an explosion; `time_step` (fs, of
        the last try), `explosions` (messages), `core_seconds`, `gpu_seconds`.

        Args:
            folder: where the shard is.
        """
        return read_facts(folder / self.shard)

    def result(self, folder: Path) -> Box | None:
        """Return the prepared box, or None for one that exploded.

        Args:
            folder: where the shard is.
        """
        arrays, _ = read_shard(folder / self.shard)
        return dataclasses.replace(self.system, **arrays) if arrays else None
