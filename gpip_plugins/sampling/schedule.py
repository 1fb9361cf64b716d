"""When frames are taken, and how a box is prepared before: durations and temperatures."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gpip_plugins.errors import InputError

__all__ = ["DEFAULT_TEMPERATURES", "PreparationSchedule", "Schedule", "finite_number"]

DEFAULT_TEMPERATURES = (300.0, 400.0, 500.0, 600.0, 700.0, 800.0, 900.0, 1000.0)


@dataclass(frozen=True)
class Schedule:
    """The trajectories of one data set; the defaults follow GPIP's first stage.

    Every system is simulated at every temperature, `replicas` times with different noise. The
    frames are shared out evenly among these trajectories; where the number does not divide, the
    first ones get one frame more.

    Args:
        n_frames: number of frames of the whole data set.
        temperatures: temperatures of the thermostat in K, each positive, no duplicates.
        sampling_interval: time between two frames in ps.
        equilibration: time before the first frame in ps.
        replicas: independent trajectories of every system at every temperature.

    Raises:
        InputError: when a number is out of range.

    Example:
        >>> Schedule(n_frames=10, temperatures=(300, 500)).frames_per_trajectory(n_systems=2)
        [3, 3, 2, 2]
    """

    n_frames: int
    temperatures: Sequence[float] = DEFAULT_TEMPERATURES
    sampling_interval: float = 1.0
    equilibration: float = 10.0
    replicas: int = 1

    def __post_init__(self):
        """Check the numbers."""
        temperatures = tuple(finite_number("temperatures", t) for t in _sequence(self.temperatures))
        object.__setattr__(self, "temperatures", temperatures)
        for t in temperatures:
            if t <= 0:
                raise InputError(
                    f"temperatures={t:g} is not above 0 K; give positive temperatures such as "
                    "temperatures=[300,500]."
                )
        if not temperatures or len(set(temperatures)) < len(temperatures):
            raise InputError(
                f"temperatures={list(temperatures)} must name at least one temperature and none "
                "twice; give for example temperatures=[300,500]."
            )
        if isinstance(self.n_frames, bool) or not isinstance(self.n_frames, int):
            raise InputError(f"n_frames={self.n_frames!r} is not a whole number; give one.")
        if isinstance(self.replicas, bool) or not isinstance(self.replicas, int):
            raise InputError(f"replicas={self.replicas!r} is not a whole number; give one.")
        if self.replicas < 1:
            raise InputError(
                f"replicas={self.replicas} leaves no trajectory; give replicas=1 or more."
            )
        if finite_number("sampling_interval", self.sampling_interval) <= 0:
            raise InputError(
                f"sampling_interval={self.sampling_interval} must be positive; give it in ps, for "
                "example sampling_interval=1.0."
            )
        if finite_number("equilibration", self.equilibration) < 0:
            raise InputError(
                f"equilibration={self.equilibration} must not be negative; give it in ps, for "
                "example equilibration=10."
            )

    def frames_per_trajectory(self, n_systems: int) -> list[int]:
        """Return the number of frames of every trajectory.

        Args:
            n_systems: number of systems.

        Returns:
            One number for each trajectory; systems outside, then temperatures, then replicas.

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
class PreparationSchedule:
    """How a packed box comes to its density and forgets how it was packed.

    Constant pressure gives the volume, then the box is annealed in that volume. The defaults are
    for a small cell on a laptop. The GPIP paper takes `npt=5000` and `annealing=10000`.

    Args:
        npt: ps at constant pressure; the second half is averaged. 0 keeps the cell as it is, for
            cells whose size is known.
        temperature: K, at constant pressure.
        pressure: atm.
        annealing: ps of cooling at constant volume, linear in time; 0 leaves it out.
        annealing_start: K, where cooling begins.
        annealing_end: K, where it ends.

    Raises:
        InputError: when a number is out of range.

    Example:
        >>> PreparationSchedule(npt=5000, annealing=10000).duration
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
        for key in ("npt", "annealing"):
            value = finite_number(key, getattr(self, key))
            if value < 0:
                raise InputError(
                    f"{key}={value} must not be negative; give it in ps, or {key}=0 to leave it "
                    "out."
                )
            object.__setattr__(self, key, value)
        for key in ("temperature", "annealing_start", "annealing_end"):
            value = finite_number(key, getattr(self, key))
            if value <= 0:
                raise InputError(f"{key}={value} is not above 0 K; give it in K, such as 300.")
            object.__setattr__(self, key, value)
        object.__setattr__(self, "pressure", finite_number("pressure", self.pressure))

    @property
    def duration(self) -> float:
        """Simulated time in ps."""
        return self.npt + self.annealing


def _sequence(values) -> Sequence:
    """Return a single value as a sequence of one."""
    return values if isinstance(values, Sequence) and not isinstance(values, str) else [values]


def finite_number(key: str, value: Any) -> float:
    """Return a finite number or raise `InputError`.

    Args:
        key: what the user calls it.
        value: what the user gave.

    Example:
        >>> finite_number("equilibration", "10")
        10.0
    """
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise InputError(f"{key}={value!r} is not a finite number; give a number.")
    return number
