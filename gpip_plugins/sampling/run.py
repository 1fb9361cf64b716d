"""Run all trajectories of a data set, each an independent task kept as a shard on disk.

A shard appears whole or not at all. Its file name carries a fingerprint of everything that
determines its content, so finished shards are taken up after an interruption, and shards of other
settings are never mistaken for ours. The seed of a trajectory depends on the seed of the data set,
the molecule and the temperature only: order, interruption and company do not change a frame.
"""

import dataclasses
import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from gpip_plugins.sampling.engine import LangevinEngine, Trajectory
from gpip_plugins.sampling.forcefield import ForceField
from gpip_plugins.sampling.schedule import Schedule
from gpip_plugins.sampling.system import MolecularSystem

__all__ = ["Sampler", "derive_seed"]

FORMAT = 1  # raise it when the same settings give other frames


def derive_seed(*parts: object) -> int:
    """Return a seed between 1 and 2^31 - 1 that depends on all parts.

    Example:
        >>> derive_seed(0, "ethanol", 300.0) == derive_seed(0, "ethanol", 300.0)
        True
        >>> derive_seed(0, "ethanol", 300.0) == derive_seed(1, "ethanol", 300.0)
        False
    """
    digest = hashlib.blake2b(json.dumps(parts).encode(), digest_size=8).digest()
    return 1 + int.from_bytes(digest) % (2**31 - 1)


@dataclass(frozen=True)
class Sampler:
    """All trajectories of one data set: every molecule at every temperature.

    Args:
        systems: the molecules.
        force_field: what gives their energy.
        schedule: temperatures, times and number of frames.
        time_step: fs.
        friction: 1/ps.
        seed: seed of the data set.

    Raises:
        InputError: before anything runs, when a setting does not fit or a molecule is not covered.
    """

    systems: Sequence[MolecularSystem]
    force_field: ForceField
    schedule: Schedule
    time_step: float = 1.0
    friction: float = 2.0
    seed: int = 0

    def __post_init__(self):
        """Build the engines, which checks what depends on the molecules."""
        engines = [
            LangevinEngine(system, self.force_field, self.time_step, self.friction)
            for system in self.systems
        ]
        for engine in engines:
            engine.n_steps("sampling_interval", self.schedule.sampling_interval)
            engine.n_steps("equilibration", self.schedule.equilibration)
        object.__setattr__(self, "_engines", engines)
        object.__setattr__(self, "_n_frames", self.schedule.frames_per_trajectory(len(engines)))

    def trajectories(
        self, folder: Path, progress: bool = True
    ) -> Iterator[tuple[MolecularSystem, float, Trajectory]]:
        """Yield (system, temperature in K, trajectory), reading finished shards, running the rest.

        Args:
            folder: where the shards are kept; it is created, and stays when this ends.
            progress: show a progress bar over the frames.

        Raises:
            InputError: when a trajectory explodes; finished shards stay.
        """
        folder.mkdir(parents=True, exist_ok=True)
        tasks = [(e, t) for e in self._engines for t in self.schedule.temperatures]
        bar = tqdm(total=sum(self._n_frames), unit="frame", disable=not progress)
        with bar:
            for (engine, temperature), n_frames in zip(tasks, self._n_frames, strict=True):
                shard = folder / self._shard_name(engine.system, temperature, n_frames)
                bar.set_description(f"{engine.system.name} {temperature:g} K")
                if shard.exists():
                    bar.update(n_frames)
                else:
                    _write(shard, self._run(engine, temperature, n_frames, bar))
                yield engine.system, temperature, _read(shard)

    def _run(self, engine: LangevinEngine, temperature: float, n_frames: int, bar) -> Trajectory:
        return engine.run(
            temperature,
            n_frames,
            interval=self.schedule.sampling_interval,
            equilibration=self.schedule.equilibration,
            seed=derive_seed(self.seed, engine.system.name, temperature),
            on_frame=bar.update,
        )

    def _shard_name(self, system: MolecularSystem, temperature: float, n_frames: int) -> str:
        settings = [
            FORMAT,
            [system.name, system.source, self.force_field.name],
            [system.numbers.tolist(), system.positions.tolist()],
            [temperature, n_frames, self.schedule.sampling_interval, self.schedule.equilibration],
            [self.time_step, self.friction, self.seed],
        ]
        digest = hashlib.blake2b(json.dumps(settings).encode(), digest_size=8).hexdigest()
        return f"{temperature:g}K-{digest}.npz"


def _write(path: Path, trajectory: Trajectory) -> None:
    """Write a shard whole or not at all."""
    part = path.with_suffix(".part")
    try:
        with open(part, "wb") as file:
            np.savez(file, **dataclasses.asdict(trajectory))
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def _read(path: Path) -> Trajectory:
    with np.load(path) as arrays:
        return Trajectory(**arrays)
