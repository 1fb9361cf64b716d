"""Temperatures, times and numbers of frames."""

import pytest
from omegaconf import OmegaConf

from gpip_plugins.errors import InputError
from gpip_plugins.sampling.schedule import PreparationSchedule, Schedule


def test_defaults_are_those_of_gpip():
    schedule = Schedule(n_frames=80)
    assert schedule.temperatures == (300, 400, 500, 600, 700, 800, 900, 1000)
    assert schedule.sampling_interval == 1.0
    assert schedule.equilibration > 0


@pytest.mark.parametrize(("n_frames", "n_systems"), [(8, 1), (17, 2), (100, 3), (24, 3)])
def test_frames_are_shared_out_evenly_and_completely(n_frames, n_systems):
    shares = Schedule(n_frames).frames_per_trajectory(n_systems)
    assert len(shares) == 8 * n_systems
    assert sum(shares) == n_frames
    assert max(shares) - min(shares) <= 1


def test_one_temperature_and_hydras_lists_are_understood():
    assert Schedule(10, temperatures=500).temperatures == (500.0,)
    assert Schedule(10, temperatures=OmegaConf.create([300, 400])).temperatures == (300.0, 400.0)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"temperatures": [300, -5]}, "temperatures=-5 is not above 0 K"),
        ({"temperatures": [0]}, "temperatures=0 is not above 0 K"),
        ({"temperatures": []}, "at least one temperature"),
        ({"temperatures": [300, 300.0]}, "none twice"),
        ({"temperatures": ["hot"]}, "temperatures='hot' is not a finite number"),
        ({"temperatures": [float("nan")]}, "temperatures=nan is not a finite number"),
        ({"n_frames": 2.5}, "n_frames=2.5 is not a whole number"),
        ({"sampling_interval": 0}, "sampling_interval=0 must be positive"),
        ({"sampling_interval": None}, "sampling_interval=None is not a finite number"),
        ({"equilibration": -1}, "equilibration=-1 must not be negative"),
        ({"replicas": 0}, "replicas=0 leaves no trajectory"),
        ({"replicas": 1.5}, "replicas=1.5 is not a whole number"),
    ],
)
def test_bad_number_is_named(settings, message):
    with pytest.raises(InputError, match=message):
        Schedule(**{"n_frames": 10} | settings)


def test_fewer_frames_than_trajectories_are_refused():
    with pytest.raises(InputError, match=r"n_frames=10 .* give at least n_frames=16"):
        Schedule(n_frames=10).frames_per_trajectory(n_systems=2)


def test_replicas_multiply_the_trajectories():
    schedule = Schedule(n_frames=13, temperatures=(300, 500), replicas=3)
    assert schedule.frames_per_trajectory(n_systems=2) == [2] + 11 * [1]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"npt": -1}, r"npt=-1.0 must not be negative; .* npt=0 to leave it out"),
        ({"annealing": "long"}, "annealing='long' is not a finite number"),
        ({"annealing_end": 0}, "annealing_end=0.0 is not above 0 K"),
        ({"temperature": None}, "temperature=None is not a finite number"),
        ({"pressure": float("inf")}, "pressure=inf is not a finite number"),
    ],
)
def test_bad_number_of_the_preparation_is_named(settings, message):
    with pytest.raises(InputError, match=message):
        PreparationSchedule(**settings)
