"""Configurations of molecules from classical molecular dynamics, generated where they are used."""

import logging
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import fasteners
from ase.db import connect

from gpip_plugins import __version__
from gpip_plugins.data import GpipDataModule
from gpip_plugins.errors import InputError
from gpip_plugins.paths import resolve
from gpip_plugins.sampling.database import bytes_needed, write_database
from gpip_plugins.sampling.forcefield import force_field as force_field_by_name
from gpip_plugins.sampling.run import Sampler
from gpip_plugins.sampling.schedule import DEFAULT_TEMPERATURES, Schedule
from gpip_plugins.sampling.system import MolecularSystem

__all__ = ["ClassicalMD"]

log = logging.getLogger(__name__)


class ClassicalMD(GpipDataModule):
    """Samples molecules by classical NVT dynamics when the database is missing.

    Where SchNetPack's own data sets are downloaded, this one is generated in `prepare_data`: every
    molecule at every temperature (GPIP's first stage, arXiv:2309.15718). A database that is there
    is used if it was made with the same settings, and refused otherwise. Generation resumes after
    an interruption; of several processes one generates and the others wait. Frames depend on the
    settings and the seed only.

    Every row has `energy` (eV, (1,)), `forces` (eV/Å, (n_atoms, 3)), both of the force field, the
    thermostat's `temperature` (K, (1,)), and the key-value pair `system`. The settings stand in
    the metadata under `sampling`.

    Args:
        datapath: the database, ending in `.db`; a relative path counts from where the command was
            typed.
        batch_size: configurations in a training batch.
        n_frames: frames of the whole data set, shared out evenly among molecules and temperatures.
        molecules: names of presets (see `gpip_plugins.sampling.presets`), one or several.
        smiles: SMILES of one or several molecules; hydrogens are added.
        structures: structure files that ASE reads, one molecule each, one or several.
        charge: total charge of the molecules in `structures`, in e.
        force_field: name of the force field (see `gpip_plugins.sampling.forcefield`).
        temperatures: temperatures of the thermostat in K.
        sampling_interval: ps between two frames.
        equilibration: ps before the first frame of every trajectory.
        time_step: fs.
        friction: friction of the Langevin thermostat in 1/ps.
        seed: seed of geometries, velocities and noise.
        progress: show a progress bar while generating.
        **kwargs: everything else that `gpip_plugins.data.GpipDataModule` takes.

    Raises:
        InputError: for every setting that cannot work, before anything is simulated.
    """

    def __init__(
        self,
        datapath: str,
        batch_size: int,
        n_frames: int = 2400,
        molecules: str | Sequence[str] | None = None,
        smiles: str | Sequence[str] | None = None,
        structures: str | Sequence[str] | None = None,
        charge: int = 0,
        force_field: str = "mmff94",
        temperatures: float | Sequence[float] = DEFAULT_TEMPERATURES,
        sampling_interval: float = 1.0,
        equilibration: float = 10.0,
        time_step: float = 1.0,
        friction: float = 2.0,
        seed: int = 0,
        progress: bool = True,
        **kwargs: Any,
    ):
        datapath = resolve(datapath)
        if not datapath.endswith(".db"):
            raise InputError(
                f"datapath={datapath!r} is not an ASE database; let the name end in '.db'."
            )
        super().__init__(datapath=datapath, batch_size=batch_size, **kwargs)
        self.molecules = _names(molecules)
        self.smiles = _names(smiles)
        self.structures = _names(structures)
        self.charge = charge
        self.force_field = force_field_by_name(force_field)
        self.schedule = Schedule(n_frames, temperatures, sampling_interval, equilibration)
        self.time_step = time_step
        self.friction = friction
        if isinstance(seed, bool) or not isinstance(seed, int):
            raise InputError(f"seed={seed!r} is not a whole number; give for example seed=0.")
        self.seed = seed
        self.progress = progress
        if not self.molecules + self.smiles + self.structures:
            raise InputError(
                "molecules=null, smiles=null and structures=null leave nothing to sample; name "
                "for example molecules=[ethanol]."
            )
        asked = [n for n in (self.num_train, self.num_val, self.num_test) if isinstance(n, int)]
        if sum(asked) > n_frames:
            raise InputError(
                f"num_train + num_val + num_test = {sum(asked)} is more than n_frames={n_frames}; "
                "raise n_frames or lower the others."
            )

    def prepare_data(self) -> None:
        """Generate the database if it is missing, else check that it is the one asked for."""
        sampler = Sampler(
            self._systems(),
            self.force_field,
            self.schedule,
            self.time_step,
            self.friction,
            self.seed,
        )
        settings = _settings(sampler)
        datapath = Path(self.datapath)
        if not datapath.exists():
            _check_folder(datapath.parent, sampler)
            lock = fasteners.InterProcessLock(datapath.with_name(f".{datapath.name}.generating"))
            if not lock.acquire(blocking=False):
                log.warning("Another process is generating %s; waiting for it.", datapath)
                lock.acquire()
            try:
                if not datapath.exists():
                    self._generate(datapath, sampler, settings)
            finally:
                lock.release()
        _compare(datapath, settings)

    def _systems(self) -> list[MolecularSystem]:
        systems = [MolecularSystem.from_preset(name, self.seed) for name in self.molecules]
        systems += [MolecularSystem.from_smiles(smiles, seed=self.seed) for smiles in self.smiles]
        systems += [MolecularSystem.from_file(path, charge=self.charge) for path in self.structures]
        names = [system.name for system in systems]
        for name in names:
            if names.count(name) > 1:
                raise InputError(
                    f"the molecule {name!r} is named {names.count(name)} times in molecules, "
                    "smiles and structures; name it once."
                )
        return systems

    def _generate(self, datapath: Path, sampler: Sampler, settings: dict[str, Any]) -> None:
        log.info("Sampling %d frames into %s", self.schedule.n_frames, datapath)
        shards = datapath.with_suffix(".parts")
        write_database(
            datapath,
            sampler.trajectories(shards, progress=self.progress),
            metadata={"sampling": settings, "generator": f"gpip_plugins {__version__}"},
        )
        shutil.rmtree(shards)


def _names(values: str | Sequence[str] | None) -> list[str]:
    """Return none, one or several names as a list."""
    if values is None:
        return []
    return [values] if isinstance(values, str) else list(values)


def _settings(sampler: Sampler) -> dict[str, Any]:
    """Return everything that determines the frames, under the names that the user knows."""
    return {
        "molecules": {system.name: system.source for system in sampler.systems},
        "force_field": sampler.force_field.name,
        "n_frames": sampler.schedule.n_frames,
        "temperatures": list(sampler.schedule.temperatures),
        "sampling_interval": float(sampler.schedule.sampling_interval),
        "equilibration": float(sampler.schedule.equilibration),
        "time_step": float(sampler.time_step),
        "friction": float(sampler.friction),
        "seed": sampler.seed,
    }


def _compare(datapath: Path, settings: dict[str, Any]) -> None:
    """Raise `InputError` when a database was not made with these settings."""
    try:
        with connect(datapath, use_lock_file=False) as database:
            stored = database.metadata.get("sampling")
            n_rows = database.count()
    except Exception as error:  # sqlite3, OSError or KeyError, depending on what the file is
        raise InputError(
            f"datapath={str(datapath)!r} is not a readable ASE database "
            f"({type(error).__name__}: {error}); delete it or choose another datapath."
        ) from error
    if stored is None:
        raise InputError(
            f"datapath={str(datapath)!r} was not sampled by ClassicalMD; choose another datapath, "
            "or read it with data=custom."
        )
    for key, value in settings.items():
        if stored.get(key) != value:
            raise InputError(
                f"datapath={str(datapath)!r} was sampled with {key}={stored.get(key)}, but "
                f"{key}={value} is asked for; choose another datapath, delete the file, or ask for "
                "what it holds."
            )
    if n_rows != settings["n_frames"]:
        raise InputError(
            f"datapath={str(datapath)!r} holds {n_rows} rows instead of "
            f"n_frames={settings['n_frames']}; delete the file, and it is sampled again."
        )


def _check_folder(folder: Path, sampler: Sampler) -> None:
    """Raise `InputError` when the folder cannot take the data."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise InputError(
            f"the folder {str(folder)!r} of datapath cannot be written ({error.strerror}); choose "
            "a datapath in a folder of yours."
        ) from error
    n_atoms = max(len(system.numbers) for system in sampler.systems)
    needed = bytes_needed(sampler.schedule.n_frames, n_atoms)
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise InputError(
            f"n_frames={sampler.schedule.n_frames} needs about {needed / 1e6:.0f} MB in "
            f"{str(folder)!r}, where {free / 1e6:.0f} MB are free; free some space, choose another "
            "datapath or fewer frames."
        )
