"""Settings of a sampling: equal defaults in recipe and code, and refused values."""

from dataclasses import MISSING, asdict, fields

import pytest
from omegaconf import OmegaConf

from gpip_plugins.errors import InputError
from gpip_plugins.sampling.campaign.plan import covered_systems
from gpip_plugins.sampling.campaign.stored import record
from gpip_plugins.sampling.settings import (
    KEYWORDS,
    Dynamics,
    Output,
    Preparation,
    SamplingSettings,
    Schedule,
    Workers,
)
from gpip_plugins.sampling.systems.sources import SOURCES, Presets
from gpip_plugins.sampling.words import SYSTEM_KEYS


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
        ({"temperatures": [300, -5]}, r"temperatures=-5 is not a number above 0 \(K\)"),
        ({"temperatures": [0]}, r"temperatures=0 is not a number above 0 \(K\)"),
        ({"temperatures": []}, "at least one temperature"),
        ({"temperatures": [300, 300.0]}, "none twice"),
        ({"temperatures": ["hot"]}, "temperatures='hot' is not a number"),
        ({"temperatures": [float("nan")]}, "temperatures=nan is not a number"),
        ({"n_frames": 2.5}, "n_frames=2.5 is not a whole number"),
        ({"sampling_interval": 0}, "sampling_interval=0 is not a number above 0"),
        ({"sampling_interval": None}, "sampling_interval=None is not a number"),
        ({"equilibration": -1}, "equilibration=-1 is not a number of at least 0"),
        ({"replicas": 0}, "replicas=0 is not a whole number of at least 1"),
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
        (lambda: Preparation(npt=-1), r"npt=-1 is not a number of at least 0 \(ps\)"),
        (lambda: Preparation(annealing="long"), "annealing='long' is not a number"),
        (lambda: Preparation(annealing_end=0), r"annealing_end=0 is not a number above 0 \(K\)"),
        (lambda: Preparation(temperature=None), "temperature=None is not a number"),
        (lambda: Preparation(pressure=float("inf")), "pressure=inf is not a finite number"),
        (lambda: Dynamics(time_step=0.0), r"time_step=0.0 is not a number above 0 \(fs\)"),
        (lambda: Dynamics(time_step=float("nan")), "time_step=nan is not a number above 0"),
        (lambda: Dynamics(friction=-1.0), r"friction=-1.0 is not a number above 0 \(1/ps\)"),
        (lambda: Dynamics(threads=0), "threads=0 is not a whole number of at least 1"),
        (lambda: Workers(cores=0), "cores=0 is not a whole number of at least 1"),
        (lambda: Workers(parts=0), "parts=0 is not a whole number of at least 1"),
        (lambda: Workers(part=2, parts=2), "part=2 is not a whole number of .* at most 1"),
        (lambda: Workers(part=-1, parts=2), "part=-1 is not a whole number of at least 0"),
        (lambda: Workers(part=0.5, parts=2), "part=0.5 is not a whole number"),
        (lambda: Output(labels="a.db", quality=False), "quality=False leaves out"),
    ],
)
def test_bad_setting_of_a_group_is_named(settings, message):
    with pytest.raises(InputError, match=message):
        settings()


@pytest.fixture
def shown(compose):
    """Return a function that composes the node `data` of `gpip sample WORDS`."""

    def run(*words):
        return OmegaConf.to_container(compose(*words).data, resolve=True)

    return run


def test_the_recipe_shows_every_default(shown):
    """The configuration of `gpip sample system=ethanol`, including the preparation."""
    recipe = shown("system=ethanol")
    preparation = recipe.pop("preparation")
    assert preparation.pop("_target_") == "gpip_plugins.sampling.settings.Preparation"
    assert preparation == asdict(Preparation())
    assert recipe.pop("_target_").endswith("SamplingSettings.from_keywords")
    assert (recipe.pop("system")["molecules"], recipe.pop("datapath")) == ("ethanol", "data/")
    default = SamplingSettings("data/", Presets("ethanol"))
    groups = (default, default.schedule, default.dynamics, default.output, default.workers)
    values = {key: value for group in groups for key, value in vars(group).items()}
    values["temperatures"] = list(values["temperatures"])
    assert recipe == {key: values[key] for key in KEYWORDS - {"preparation"}}


@pytest.mark.parametrize(
    ("system", "differs"),
    [
        ("water64", set()),
        ("electrolyte", set()),
        ("isomers", set()),
        ("smiles", {"smiles"}),  # have to be named
        ("file", {"file"}),
    ],
)
def test_recipes_of_systems_show_every_default(shown, system, differs):
    recipe = shown(f"system={system}")["system"]
    name = recipe.pop("_target_").rpartition(".")[2]
    source = next(source for source in SOURCES if source.__name__ == name)
    defaults = {
        f.name: f.default if f.default_factory is MISSING else f.default_factory()
        for f in fields(source)
    }
    assert recipe.keys() == defaults.keys()
    assert {key for key in recipe if recipe[key] != defaults[key]} == differs


def test_an_unknown_setting_is_refused():
    with pytest.raises(TypeError, match="n_frame"):
        SamplingSettings.from_keywords("data/", Presets("ethanol"), n_frame=3)


def test_no_setting_of_a_system_hides_one_of_the_sampling():
    assert not SYSTEM_KEYS & KEYWORDS


def test_every_setting_is_recorded_or_changes_no_frame(tmp_path):
    """A database of other settings would else pass for the one that is asked for."""
    settings = SamplingSettings.from_keywords(f"{tmp_path}/", Presets("ethanol"))
    recorded = set(record(settings, covered_systems(settings)))
    sharing = {"cores", "part", "parts", "progress", "platform", "threads"}
    examining = {"on_explosion", "energy_check", "quality", "labels"}
    assert KEYWORDS - recorded == sharing | examining | {"fallback"}  # seen in `force_fields`
