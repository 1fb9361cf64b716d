"""A data set that is sampled where it is missing: from settings to a database."""

import logging
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import fasteners
import numpy as np

from gpip_plugins import __version__
from gpip_plugins.errors import InputError
from gpip_plugins.io.paths import remove_partial, resolve
from gpip_plugins.sampling.campaign.merge import describe_cost, merge
from gpip_plugins.sampling.campaign.plan import Sampler
from gpip_plugins.sampling.campaign.stored import check_folder, compare
from gpip_plugins.sampling.campaign.tasks import Dynamics
from gpip_plugins.sampling.campaign.workers import number_of_cores
from gpip_plugins.sampling.forcefield import Coverage, ForceField, choose
from gpip_plugins.sampling.forcefield import force_field as force_field_by_name
from gpip_plugins.sampling.schedule import (
    DEFAULT_TEMPERATURES,
    PreparationSchedule,
    Schedule,
    finite_number,
)
from gpip_plugins.sampling.seeds import fingerprint
from gpip_plugins.sampling.systems.box import Box
from gpip_plugins.sampling.systems.molecule import MolecularSystem
from gpip_plugins.sampling.systems.sources import SystemSource, file_name

__all__ = ["Campaign"]

log = logging.getLogger(__name__)

ON_EXPLOSION: Final = ("refuse", "drop")
FEW: Final = 16  # systems whose coverage is all told; of more only those on a fall-back


@dataclass(frozen=True)
class Campaign:
    """All settings of a sampled data set, and its generation.

    A database that is there is used if it was made with the same settings, and refused otherwise.
    Generation resumes after an interruption; of several processes one generates and the others
    wait. Frames depend on the settings and the seed only, not on the number of cores.

    Every row has `energy` (eV, (1,)), `forces` (eV/Å, (n_atoms, 3)), both of the force field, the
    thermostat's `temperature` and the frame's `kinetic_temperature` (K, (1,)), and the key-value
    pairs `system`, `force_field` and `replica`. The settings stand in the metadata under
    `sampling`, the cost of every stage under `cost`.

    Args:
        datapath: the database, ending in `.db`; or a folder, ending in `/`, in which its name is
            made of the systems and the force field. A relative path counts from where the command
            was typed.
        system: what is sampled, a class of `gpip_plugins.sampling.systems.sources`.
        n_frames: frames of the whole data set, shared out evenly among the trajectories.
        temperatures: temperatures of the thermostat in K.
        sampling_interval: ps between two frames.
        equilibration: ps before the first frame of every trajectory.
        replicas: trajectories of every system at every temperature.
        preparation: how boxes come to their density; isolated molecules need none.
        force_field: name of the force field (see `gpip_plugins.sampling.forcefield`).
        fallback: the one to take for systems that the first does not cover completely; None refuses
            them.
        time_step: fs; an exploded trajectory is tried again with half of it.
        friction: friction of the Langevin thermostat in 1/ps.
        platform: OpenMM's platform for boxes; None takes `CUDA` where there is one, else `CPU`.
        threads: threads of one box on the platform `CPU`.
        on_explosion: what to do with a trajectory that explodes twice: `refuse` to write the
            database, or `drop` the trajectory; the metadata name it. Likewise for a box that
            explodes while it is prepared, and all its trajectories.
        min_difference: Å; near-duplicates, frames that differ by no more from an earlier one of
            their system at any temperature, are left out of the database, which then has fewer
            than `n_frames`. 0 keeps all: dropping frames shifts their distribution, most where a
            system has few atoms, and later temperatures lose more.
        energy_check: ps without thermostat that show whether a system conserves its energy, for the
            report of the quality; 0 leaves it out. At most eight systems are checked.
        quality: write a report of the quality beside the database (see `gpip quality`).
        labels: labelled structures whose coverage the report tells; None leaves that out. It needs
            the extra `analysis`.
        seed: seed of geometries, velocities and noise.
        cores: trajectories that run at a time; None for all cores of the machine.
        part: number of this run, from 0, where several runs share the work.
        parts: number of runs that share the work; the last one to finish writes the database.
        progress: show progress bars.

    Raises:
        InputError: for every setting that cannot work, before anything is simulated.
    """

    datapath: str
    system: SystemSource
    n_frames: int = 2400
    temperatures: float | Sequence[float] = DEFAULT_TEMPERATURES
    sampling_interval: float = 1.0
    equilibration: float = 10.0
    replicas: int = 1
    preparation: PreparationSchedule = field(default_factory=PreparationSchedule)
    force_field: str = "opls"
    fallback: str | None = None
    time_step: float = 1.0
    friction: float = 2.0
    platform: str | None = None
    threads: int = 1
    on_explosion: str = "refuse"
    min_difference: float = 0.0
    energy_check: float = 20.0
    quality: bool = True
    labels: str | None = None
    seed: int = 0
    cores: int | None = None
    part: int = 0
    parts: int = 1
    progress: bool = True
    schedule: Schedule = field(init=False, repr=False)

    def __post_init__(self):
        """Check what can be checked without the systems."""
        if not hasattr(self.system, "build"):
            raise InputError(
                f"system={self.system!r} does not say what to sample; choose for example "
                "system=ethanol or system=smiles."
            )
        datapath = self.datapath
        if datapath.endswith("/"):
            datapath += f"{file_name(self.system.label)}_{self.force_field}.db"
        object.__setattr__(self, "datapath", resolve(datapath))
        if not self.datapath.endswith(".db"):
            raise InputError(
                f"datapath={self.datapath!r} is not an ASE database; let the name end in '.db'."
            )
        if self.on_explosion not in ON_EXPLOSION:
            raise InputError(
                f"on_explosion={self.on_explosion!r} is unknown; choose from "
                f"{', '.join(ON_EXPLOSION)}."
            )
        if isinstance(self.seed, bool) or not isinstance(self.seed, int) or self.seed < 0:
            raise InputError(
                f"seed={self.seed!r} is not a whole number from 0; give for example seed=0."
            )
        if finite_number("min_difference", self.min_difference) < 0:
            raise InputError(
                f"min_difference={self.min_difference} Å is no distance between frames; give for "
                "example 0.02, or 0 to keep all frames."
            )
        if self.energy_check and finite_number("energy_check", self.energy_check) < 1.0:
            raise InputError(
                f"energy_check={self.energy_check} ps is too short for a drift of the energy; give "
                "1 ps or more, or energy_check=0 to leave it out."
            )
        if self.labels is not None and not self.quality:
            raise InputError(
                f"labels={self.labels} are compared in the report of the quality, which "
                "quality=false leaves out; leave one of the two away."
            )
        number_of_cores(self.cores)
        for name in (self.force_field, self.fallback):
            if name is not None:
                force_field_by_name(name)
        object.__setattr__(
            self,
            "schedule",
            Schedule(
                self.n_frames,
                self.temperatures,
                self.sampling_interval,
                self.equilibration,
                self.replicas,
            ),
        )

    @cached_property
    def outlines(self) -> list[tuple[MolecularSystem | Box, ForceField, Coverage]]:
        """Every system with the force field that covers it; boxes are not packed yet."""
        systems = self.system.build(self.seed, packed=False)
        return [(system, *choose(system, self.force_field, self.fallback)) for system in systems]

    @cached_property
    def systems(self) -> list[MolecularSystem | Box]:
        """Every system as it is simulated; packing takes time, so only who runs it asks for it."""
        if all(system.cell is None for system, _, _ in self.outlines):
            return [system for system, _, _ in self.outlines]
        return self.system.build(self.seed)

    @cached_property
    def sampler(self) -> Sampler:
        """All trajectories; building it checks everything that depends on the systems."""
        return Sampler(
            self.systems,
            [force_field for _, force_field, _ in self.outlines],
            self.schedule,
            Dynamics(self.time_step, self.friction, self.platform, self.threads),
            self.preparation,
            self.seed,
            self.energy_check,
            self.part,
            self.parts,
        )

    def settings(self) -> dict[str, Any]:
        """Return everything that determines the frames, under the names that the user knows."""
        boxes = [system for system, _, _ in self.outlines if system.cell is not None]
        return {
            "systems": {system.name: system.source for system, _, _ in self.outlines},
            "force_field": self.force_field,
            "force_fields": {system.name: found.name for system, found, _ in self.outlines},
            "n_frames": self.schedule.n_frames,
            "temperatures": list(self.schedule.temperatures),
            "sampling_interval": float(self.schedule.sampling_interval),
            "equilibration": float(self.schedule.equilibration),
            "replicas": self.schedule.replicas,
            "time_step": float(self.time_step),
            "friction": float(self.friction),
            "min_difference": float(self.min_difference),
            "seed": self.seed,
            "preparation": asdict(self.preparation) if boxes else None,
            "cells": {box.name: _geometry(box) for box in boxes},
        }

    @property
    def shards(self) -> Path:
        """The folder beside the database that holds finished trajectories until all are there."""
        return Path(self.datapath).with_suffix(".parts")

    def prepare(self) -> bool:
        """Generate the database if it is missing, else check that it is the one asked for.

        Returns:
            Whether the database is there: of several parts only the last one finds it.
        """
        datapath = Path(self.datapath)
        lock = fasteners.InterProcessLock(datapath.with_name(f".{datapath.name}.generating"))
        if datapath.exists():
            log.info("%s is there already.", datapath)
            compare(datapath, self.settings())
            # Left by a run that was stopped between the database and its report, unless the lock
            # tells that it is still at it.
            if self.shards.exists() and lock.acquire(blocking=False):
                try:
                    self._finish(datapath)
                finally:
                    lock.release()
            return True
        self._check(datapath)
        if self.parts > 1:
            self._sample()
        if not lock.acquire(blocking=False):
            log.warning("Another process is generating %s; waiting for it.", datapath)
            lock.acquire()
        try:
            if not datapath.exists():
                # What a killed process left; the lock tells that none is writing now.
                remove_partial(datapath)
                if self.parts == 1:
                    self._sample()
                missing = self.sampler.missing(self.shards)
                if missing:
                    log.info(
                        "Part %d of %d is done; other parts have %d of %d tasks left.",
                        self.part,
                        self.parts,
                        len(missing),
                        len(self.sampler.tasks) + len(self.sampler.checks),
                    )
                    return False
                self._write(datapath)
        finally:
            lock.release()
        compare(datapath, self.settings())
        return True

    def _check(self, datapath: Path) -> None:
        """Refuse what would fail only after the sampling."""
        check_folder(datapath.parent, self.sampler)
        if self.labels is not None:
            from gpip_plugins.report.beside import check_labels

            check_labels(self.labels, self.schedule.n_frames)

    def _sample(self) -> None:
        cores = number_of_cores(self.cores)
        sampler = self.sampler
        own = sampler.own_tasks
        missing = [task for task in own if not (self.shards / task.shard).exists()]
        log.info(
            "Sampling %d frames into %s: %d system(s) at %d temperature(s), %d of %d tasks to run "
            "here.",
            self.schedule.n_frames,
            self.datapath,
            len(sampler.systems),
            len(self.schedule.temperatures),
            len(missing),
            len(own),
        )
        for system, _, coverage in self.outlines:
            if coverage.force_field != self.force_field or len(self.outlines) <= FEW:
                log.info("%s: %s.", system.name, coverage.sentence())
        covered = sum(coverage.force_field == self.force_field for _, _, coverage in self.outlines)
        log.info(
            "force_field=%s covers %d of %d system(s) completely (%.0f %%).",
            self.force_field,
            covered,
            len(self.outlines),
            100 * covered / len(self.outlines),
        )
        if missing:
            log.info("Estimated time: %s.", sampler.estimate(self.shards, cores))
        sampler.run(self.shards, cores, self.progress, self.on_explosion == "drop")

    def _write(self, datapath: Path) -> None:
        metadata = {
            "sampling": self.settings(),
            "coverage": {system.name: asdict(coverage) for system, _, coverage in self.outlines},
            "generator": f"gpip_plugins {__version__}",
        }
        n_rows, cost = merge(
            self.sampler,
            self.shards,
            datapath,
            metadata,
            drop_exploded=self.on_explosion == "drop",
            min_difference=self.min_difference,
            progress=self.progress,
        )
        cost |= self._finish(datapath)
        log.info("%s", describe_cost(cost, n_rows))

    def _finish(self, datapath: Path) -> dict[str, dict[str, float]]:
        """Examine the database, remove the shards, and return what the examination cost."""
        cost = {}
        if self.quality:
            # Imported here: pictures take a second to import, which opening a database need not.
            from gpip_plugins.report.beside import report_beside

            n_atoms = sum(len(system.numbers) for system, _, _ in self.outlines)
            seconds = report_beside(
                datapath, n_atoms / len(self.outlines), self.labels, self.seed, self.progress
            )
            cost["quality report"] = {"core_seconds": round(seconds, 3), "gpu_seconds": 0.0}
        shutil.rmtree(self.shards)
        return cost


def _geometry(box: Box) -> str:
    """Return what tells a box from others of its composition: its edges, and where its atoms are.

    Molecules that the seed has yet to pack all lie at the origin.
    """
    edges = " x ".join(f"{edge:.3f}" for edge in np.linalg.norm(box.cell, axis=1))
    structure = fingerprint(box.cell.round(6).tolist(), box.positions.round(6).tolist())
    return f"{edges} Å ({structure})"
