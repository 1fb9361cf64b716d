"""Settings of a sampling, and the only place that holds their defaults.

They form groups: what is sampled (`SamplingSettings`), when frames are taken (`Schedule`), how the
equations of motion are integrated (`Dynamics`), how boxes are prepared (`Preparation`), what is
stored and checked (`Output`), and how the work is divided (`Workers`). A recipe and a Python call
name the settings without their groups (`SamplingSettings.from_keywords`).
`recipes/train/data/sampling.yaml` shows the same defaults; a test fails when the two differ.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final

from gpip_plugins.errors import InputError, check_choice, check_number, check_whole
from gpip_plugins.io.paths import resolve
from gpip_plugins.sampling.forcefield import force_field
from gpip_plugins.sampling.systems.sources import SystemSource, file_name

__all__ = [
    "KEYWORDS",
    "Dynamics",
    "Output",
    "Preparation",
    "SamplingSettings",
    "Schedule",
    "Workers",
]

ON_EXPLOSION: Final = ("refuse", "drop")
MIN_ENERGY_CHECK: Final = 1.0  # ps


@dataclass(frozen=True)
class Schedule:
    """When frames are taken; the defaults follow GPIP's first stage (arXiv:2309.15718).

    Every system is simulated at every temperature, `replicas` times with different noise. The
    frames are divided evenly among these trajectories; a remainder goes to the first trajectories,
    one frame each.

    Args:
        n_frames: number of frames of the whole data set, at least one for each trajectory.
        temperatures: temperatures of the thermostat in K, each positive, no duplicates.
        sampling_interval: time between two frames in ps, above 0.
        equilibration: time before the first frame of every trajectory in ps.
        replicas: independent trajectories of every system at every temperature.

    Raises:
        InputError: when a number is out of range.

    Example:
        >>> Schedule(n_frames=10, temperatures=(300, 500)).frames_per_trajectory(n_systems=2)
        [3, 3, 2, 2]
    """

    n_frames: int = 2400
    temperatures: float | Sequence[float] = (300, 400, 500, 600, 700, 800, 900, 1000)
    sampling_interval: float = 1.0
    equilibration: float = 10.0
    replicas: int = 1

    def __post_init__(self):
        """Check the numbers; temperatures become a tuple."""
        check_whole("n_frames", self.n_frames, least=1)
        check_whole("replicas", self.replicas, least=1)
        single = isinstance(self.temperatures, str) or not isinstance(self.temperatures, Sequence)
        temperatures = tuple(
            check_number("temperatures", t, above=0, unit="K", example=300)
            for t in ([self.temperatures] if single else self.temperatures)
        )
        if not temperatures or len(set(temperatures)) < len(temperatures):
            raise InputError(
                f"temperatures={list(temperatures)} must name at least one temperature and none "
                "twice; give for example temperatures=[300,500]."
            )
        interval = check_number(
            "sampling_interval", self.sampling_interval, above=0, unit="ps", example=1
        )
        equilibration = check_number("equilibration", self.equilibration, least=0, unit="ps")
        object.__setattr__(self, "temperatures", temperatures)
        object.__setattr__(self, "sampling_interval", interval)
        object.__setattr__(self, "equilibration", equilibration)

    def frames_per_trajectory(self, n_systems: int) -> list[int]:
        """Return the number of frames of every trajectory.

        Args:
            n_systems: number of systems.

        Returns:
            One number for each trajectory; systems vary slowest, then temperatures, then replicas.

        Raises:
            InputError: when there are fewer frames than trajectories.
        """
        n_trajectories = n_systems * len(self.temperatures) * self.replicas
        if self.n_frames < n_trajectories:
            raise InputError(
                f"n_frames={self.n_frames} is less than one frame for each of {n_systems} "
                f"system(s) at {len(self.temperatures)} temperature(s) with "
                f"replicas={self.replicas}; give at least n_frames={n_trajectories}."
            )
        share, rest = divmod(self.n_frames, n_trajectories)
        return [share + (i < rest) for i in range(n_trajectories)]


@dataclass(frozen=True)
class Dynamics:
    """How the equations of motion are integrated.

    Args:
        time_step: fs; at most 1 fs with flexible bonds to hydrogen up to 1000 K. A trajectory that
            explodes is repeated with half the time step.
        friction: friction of the Langevin thermostat in 1/ps; the correlation time of the total
            energy is about 1/friction.
        platform: OpenMM's platform for boxes; None takes `CUDA` if available, else `CPU`.
            Isolated molecules run on `Reference`.
        threads: threads of one box on the platform `CPU`; None takes all cores.

    Raises:
        InputError: when a number is out of range.

    Example:
        >>> Dynamics(time_step=1.0).halved().time_step
        0.5
    """

    time_step: float = 1.0
    friction: float = 2.0
    platform: str | None = None
    threads: int | None = 1

    def __post_init__(self):
        """Check the numbers."""
        time_step = check_number("time_step", self.time_step, above=0, unit="fs", example=1)
        friction = check_number("friction", self.friction, above=0, unit="1/ps", example=2)
        object.__setattr__(self, "time_step", time_step)
        object.__setattr__(self, "friction", friction)
        if self.threads is not None:
            check_whole("threads", self.threads, least=1, most=1023)

    def halved(self) -> "Dynamics":
        """Return these settings with half the time step."""
        return dataclasses.replace(self, time_step=self.time_step / 2)


@dataclass(frozen=True)
class Preparation:
    """How a packed box is equilibrated.

    The volume is found at constant pressure; then the box is annealed at that volume. The defaults
    are for a small cell on a laptop. The GPIP paper uses `npt=5000` and `annealing=10000`.

    Args:
        npt: time at constant pressure in ps; the volume is averaged over the second half. 0 keeps
            the given cell.
        temperature: temperature at constant pressure in K.
        pressure: atm.
        annealing: time of cooling at constant volume in ps, linear in time; 0 omits the annealing.
        annealing_start: temperature at the start of the annealing in K.
        annealing_end: temperature at its end in K.

    Raises:
        InputError: when a number is out of range.

    Example:
        >>> Preparation(npt=5000, annealing=10000).duration
        15000.0
    """

    npt: float = 200.0
    temperature: float = 300.0
    pressure: float = 1.0
    annealing: float = 200.0
    annealing_start: float = 1000.0
    annealing_end: float = 300.0

    def __post_init__(self):
        """Check the numbers."""
        for name in ("npt", "annealing"):
            value = check_number(name, getattr(self, name), least=0, unit="ps")
            object.__setattr__(self, name, value)
        for name in ("temperature", "annealing_start", "annealing_end"):
            value = check_number(name, getattr(self, name), above=0, unit="K", example=300)
            object.__setattr__(self, name, value)
        pressure = check_number("pressure", self.pressure, unit="atm")
        object.__setattr__(self, "pressure", pressure)

    @property
    def duration(self) -> float:
        """Simulated time in ps."""
        return self.npt + self.annealing


@dataclass(frozen=True)
class Output:
    """Which frames are stored, and how they are checked.

    Args:
        on_explosion: what to do with a trajectory that explodes twice: `refuse` to write the
            database, or `drop` the trajectory, which the metadata then name. The same holds for a
            box that explodes during its preparation, with all its trajectories.
        min_difference: Å; near-duplicates, frames that differ by no more than this from an earlier
            frame of their system at any temperature, are left out of the database, which then has
            fewer than `n_frames`. 0 keeps all frames: dropping frames shifts their distribution,
            most for systems of few atoms, and later temperatures lose more frames.
        energy_check: time without thermostat in ps, to check for the quality report that a system
            conserves its energy; 0 omits the check. At most eight systems are checked.
        quality: write a quality report beside the database (see `gpip quality`).
        labels: labelled structures whose coverage is stated in the report; None omits it. Needs
            the extra `analysis`.

    Raises:
        InputError: when a setting is out of range, or labels are given without a report.

    Example:
        >>> Output(on_explosion="drop").drop_exploded
        True
    """

    on_explosion: str = "refuse"
    min_difference: float = 0.0
    energy_check: float = 20.0
    quality: bool = True
    labels: str | None = None

    def __post_init__(self):
        """Check the settings."""
        check_choice("on_explosion", self.on_explosion, ON_EXPLOSION)
        difference = check_number(
            "min_difference", self.min_difference, least=0, unit="Å", example=0.02
        )
        energy_check = check_number("energy_check", self.energy_check, unit="ps")
        if energy_check and energy_check < MIN_ENERGY_CHECK:
            raise InputError(
                f"energy_check={energy_check} ps is too short for a drift of the energy; give "
                "1 ps or more, or energy_check=0 to leave it out."
            )
        if self.labels is not None and not self.quality:
            raise InputError(
                f"labels={self.labels} are compared in the quality report, which quality=False "
                "leaves out; omit one of the two."
            )
        object.__setattr__(self, "min_difference", difference)
        object.__setattr__(self, "energy_check", energy_check)

    @property
    def drop_exploded(self) -> bool:
        """Whether trajectories that explode are left out."""
        return self.on_explosion == "drop"


@dataclass(frozen=True)
class Workers:
    """How the work is divided; the frames do not depend on it.

    Args:
        cores: number of trajectories that run at the same time; None for all cores of the machine.
        part: number of this run, from 0, if several runs share the work.
        parts: number of runs that share the work; the last one to finish writes the database.
        progress: show progress bars.

    Raises:
        InputError: when a number is out of range.
    """

    cores: int | None = None
    part: int = 0
    parts: int = 1
    progress: bool = True

    def __post_init__(self):
        """Check the numbers."""
        if self.cores is not None:
            check_whole("cores", self.cores, least=1)
        check_whole("parts", self.parts, least=1)
        check_whole("part", self.part, least=0, most=self.parts - 1)


@dataclass(frozen=True)
class SamplingSettings:
    """All settings of a sampled data set.

    Args:
        datapath: the database, ending in `.db`; or a folder, ending in `/`, in which the database
            is named after the systems and the force field. A relative path counts from the folder
            in which the command was typed.
        system: what is sampled, a class of `gpip_plugins.sampling.systems.sources`.
        force_field: name of the force field (see `gpip_plugins.sampling.forcefield`).
        fallback: force field for systems with atoms or terms that `force_field` lacks; None refuses
            such systems.
        seed: seed of geometries, velocities and noise, from 0.
        schedule: when frames are taken.
        dynamics: how the equations of motion are integrated.
        preparation: how boxes are equilibrated; isolated molecules need no preparation.
        output: what is stored and checked.
        workers: how the work is divided.

    Raises:
        InputError: for settings that cannot work, as far as this is known before systems are built.

    Example:
        >>> from gpip_plugins.sampling.systems.sources import Presets
        >>> settings = SamplingSettings.from_keywords(
        ...     datapath="data/", system=Presets("ethanol"), n_frames=100, time_step=0.5
        ... )
        >>> Path(settings.datapath).name, settings.dynamics.time_step
        ('ethanol_opls.db', 0.5)
    """

    datapath: str
    system: SystemSource
    force_field: str = "opls"
    fallback: str | None = "mmff94"
    seed: int = 0
    schedule: Schedule = field(default_factory=Schedule)
    dynamics: Dynamics = field(default_factory=Dynamics)
    preparation: Preparation = field(default_factory=Preparation)
    output: Output = field(default_factory=Output)
    workers: Workers = field(default_factory=Workers)

    def __post_init__(self):
        """Check the settings; the path becomes absolute."""
        if not hasattr(self.system, "build"):
            raise InputError(
                f"system={self.system!r} does not say what to sample; give a class of "
                "gpip_plugins.sampling.systems.sources, for example Presets('ethanol')."
            )
        check_whole("seed", self.seed, least=0)
        force_field(self.force_field)
        if self.fallback is not None:
            force_field(self.fallback, "fallback")
        datapath = self.datapath
        if datapath.endswith("/"):
            datapath += f"{file_name(self.system.label)}_{self.force_field}.db"
        object.__setattr__(self, "datapath", resolve(datapath))
        if not self.datapath.endswith(".db"):
            raise InputError(
                f"datapath={self.datapath!r} is not an ASE database; let the name end in '.db'."
            )

    @classmethod
    def from_keywords(
        cls, datapath: str, system: SystemSource, **keywords: Any
    ) -> "SamplingSettings":
        """Return settings from keywords without their groups, as in a recipe.

        Args:
            datapath: the database, or a folder that ends in `/`.
            system: what is sampled.
            **keywords: any of `KEYWORDS`.

        Raises:
            InputError: as the class.
        """
        groups = {}
        for name, group in GROUPS.items():
            given = {f.name for f in fields(group)} & keywords.keys()
            groups[name] = group(**{key: keywords.pop(key) for key in given})
        return cls(datapath, system, **groups, **keywords)

    @property
    def shards(self) -> Path:
        """Folder beside the database, with finished trajectories until the database is written."""
        return Path(self.datapath).with_suffix(".parts")


GROUPS: Final = {
    "schedule": Schedule,
    "dynamics": Dynamics,
    "output": Output,
    "workers": Workers,
}
KEYWORDS: Final = frozenset(
    {f.name for f in fields(SamplingSettings)} - {"datapath", "system", *GROUPS}
    | {f.name for group in GROUPS.values() for f in fields(group)}
)
"""Keywords of `SamplingSettings.from_keywords` other than `datapath` and `system`."""
