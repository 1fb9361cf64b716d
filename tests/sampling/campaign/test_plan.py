"""Trajectories as independent tasks: seeds, shards, interruptions, explosions."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from gpip_plugins.errors import InputError
from gpip_plugins.sampling.campaign.plan import make_plan
from gpip_plugins.sampling.campaign.run import run_plan
from gpip_plugins.sampling.campaign.tasks import missing
from gpip_plugins.sampling.campaign.workers import _Progress
from gpip_plugins.sampling.dynamics.engine import Engine, Explosion
from gpip_plugins.sampling.settings import SamplingSettings
from gpip_plugins.sampling.systems.sources import Presets, Smiles

TEMPERATURES = (300.0, 500.0, 700.0)


def sampling(folder, smiles=("O", "N#N"), **settings):
    """Return the settings of a short sampling into a folder."""
    keywords = {
        "force_field": "mmff94",
        "n_frames": 12,
        "temperatures": TEMPERATURES,
        "sampling_interval": 0.02,
        "equilibration": 0.02,
        "energy_check": 0,
        "cores": 1,
        "progress": False,
    }
    return SamplingSettings.from_keywords(
        f"{folder}.db", Smiles(list(smiles)), **keywords | settings
    )


def collect(settings):
    """Return {(system, temperature, replica): trajectory}."""
    plan = make_plan(settings)
    run_plan(plan, settings)
    results = plan.results(settings.shards)
    return {(task.system.name, task.temperature, task.replica): found for task, found in results}


def same(first, second):
    names = ("positions", "energy", "forces", "kinetic_temperature", "cell")
    return first.keys() == second.keys() and all(
        np.array_equal(getattr(first[k], name), getattr(second[k], name))
        for k in first
        for name in names
    )


def shards(folder):
    return sorted(path for path in folder.iterdir() if path.suffix != ".lock")


@pytest.fixture
def count_runs(monkeypatch):
    """Count the trajectories that are simulated."""
    runs = []
    original = Engine.run

    def run(self, temperature, *args, **kwargs):
        runs.append((self.system.name, temperature))
        return original(self, temperature, *args, **kwargs)

    monkeypatch.setattr(Engine, "run", run)
    return runs


def test_every_molecule_is_sampled_at_every_temperature(tmp_path):
    found = collect(sampling(tmp_path, n_frames=13))
    assert list(found) == [(name, t, 0) for name in ("O", "N#N") for t in TEMPERATURES]
    assert [len(frames) for frames in found.values()] == [3, 2, 2, 2, 2, 2]


def test_frames_depend_on_the_seed_only(tmp_path):
    first = collect(sampling(tmp_path / "a", seed=1))
    again = collect(sampling(tmp_path / "b", seed=1))
    other = collect(sampling(tmp_path / "c", seed=2))
    assert same(first, again)
    assert not any((first[key].positions == other[key].positions).all() for key in first)


def test_a_trajectory_does_not_depend_on_other_trajectories(tmp_path):
    alone = collect(sampling(tmp_path / "a", ("N#N",), n_frames=2, temperatures=(500,)))
    company = collect(sampling(tmp_path / "b"))
    assert (alone["N#N", 500.0, 0].positions == company["N#N", 500.0, 0].positions).all()


def test_frames_do_not_depend_on_the_number_of_processes(tmp_path):
    assert same(collect(sampling(tmp_path / "a")), collect(sampling(tmp_path / "b", cores=3)))
    assert all(path.suffix in (".npz", ".lock") for path in (tmp_path / "b.parts").iterdir())


def test_temperatures_and_replicas_have_different_noise(tmp_path):
    """Equal noise would make hot and cold frames scaled copies of each other."""
    found = collect(sampling(tmp_path, ("N#N",), n_frames=6, replicas=2))
    assert len(found) == 6
    axes = np.array([f.positions[0, 0] for f in found.values()])
    axes /= np.linalg.norm(axes, axis=1)[:, None]
    products = np.abs(axes @ axes.T)[np.triu_indices(6, 1)]
    assert products.max() < 0.999


def test_more_replicas_keep_the_first(tmp_path):
    one = collect(sampling(tmp_path / "a", ("N#N",), n_frames=3))
    two = collect(sampling(tmp_path / "b", ("N#N",), n_frames=6, replicas=2))
    assert all((one[key].positions == two[key].positions).all() for key in one)


def test_parts_share_the_trajectories_and_none_is_run_twice(tmp_path, count_runs):
    whole = collect(sampling(tmp_path / "whole"))
    count_runs.clear()
    for part in range(4):
        quarter = sampling(tmp_path / "parts", part=part, parts=4)
        plan = make_plan(quarter)
        run_plan(plan, quarter)
        assert bool(missing(plan.tasks, quarter.shards)) == (part < 3)
    assert sorted(count_runs) == sorted((name, t) for name, t, _ in whole)
    assert same(collect(sampling(tmp_path / "parts")), whole)


def test_interrupted_run_keeps_finished_trajectories_and_goes_on(tmp_path, count_runs, monkeypatch):
    whole = collect(sampling(tmp_path / "whole"))
    assert len(count_runs) == 6

    frames = iter(range(7))  # 2 + 2 + 2 frames, then stopped in the fourth trajectory
    original = Engine._frame

    def frame(self, context):
        if next(frames, None) is None:
            raise KeyboardInterrupt
        return original(self, context)

    with monkeypatch.context() as patch:
        patch.setattr(Engine, "_frame", frame)
        with pytest.raises(KeyboardInterrupt):
            collect(sampling(tmp_path / "torn"))
    assert len(shards(tmp_path / "torn.parts")) == 3
    count_runs.clear()

    assert same(collect(sampling(tmp_path / "torn")), whole)
    assert count_runs == [("N#N", 300.0), ("N#N", 500.0), ("N#N", 700.0)]


def test_interrupted_writing_leaves_no_shard(tmp_path, monkeypatch):
    def savez(file, **arrays):
        Path(file).write_bytes(b"half of it")
        raise OSError("No space left on device")

    monkeypatch.setattr(np, "savez", savez)
    with pytest.raises(InputError, match=r"Writing .*npz failed \(No space left on device\)"):
        collect(sampling(tmp_path))
    assert shards(sampling(tmp_path).shards) == []


@pytest.mark.parametrize(
    "settings", [{"seed": 5}, {"friction": 3.0}, {"time_step": 0.5}, {"n_frames": 18}]
)
def test_shards_of_other_settings_are_not_taken(tmp_path, count_runs, settings):
    collect(sampling(tmp_path))
    collect(sampling(tmp_path))
    assert len(count_runs) == 6
    collect(sampling(tmp_path, **settings))
    assert len(count_runs) == 12


def explodes_above(time_step, monkeypatch):
    """Make trajectories at 500 K explode when the time step is larger."""
    original = Engine.run

    def run(self, temperature, *args, **kwargs):
        if temperature == 500.0 and self.time_step > time_step:
            raise Explosion(f"exploded with {self.time_step} fs")
        return original(self, temperature, *args, **kwargs)

    monkeypatch.setattr(Engine, "run", run)


def test_exploded_trajectory_is_run_again_with_half_the_time_step(tmp_path, monkeypatch):
    explodes_above(0.5, monkeypatch)
    found = collect(sampling(tmp_path / "halved", ("N#N",), n_frames=6))
    settings = sampling(tmp_path / "halved", ("N#N",), n_frames=6)
    facts = make_plan(settings).tasks[1].facts(settings.shards)
    assert facts["complete"] and facts["time_step"] == 0.5
    assert facts["explosions"] == ["exploded with 1.0 fs"]
    half = collect(sampling(tmp_path / "half", ("N#N",), n_frames=6, time_step=0.5))
    assert (found["N#N", 500.0, 0].positions == half["N#N", 500.0, 0].positions).all()


def test_nothing_of_a_trajectory_that_explodes_twice_is_stored(tmp_path, monkeypatch, count_runs):
    explodes_above(0.4, monkeypatch)
    asked = sampling(tmp_path, ("N#N",), n_frames=6)
    assert [t for _, t, _ in collect(asked)] == [300.0, 700.0]
    tasks = make_plan(asked).tasks
    facts = tasks[1].facts(asked.shards)
    assert not facts["complete"]
    assert facts["explosions"] == ["exploded with 1.0 fs", "exploded with 0.5 fs"]
    assert missing(tasks, asked.shards) == []  # it is known, and not tried again
    count_runs.clear()
    collect(asked)
    assert count_runs == []


def test_a_real_explosion_is_noticed(tmp_path):
    hot = SamplingSettings.from_keywords(
        f"{tmp_path}/hot.db",
        Presets("ethanol"),
        force_field="mmff94",
        n_frames=1,
        temperatures=1000,
        sampling_interval=10.0,
        equilibration=0.0,
        time_step=10.0,
        friction=0.1,
        energy_check=0,
        progress=False,
    )
    assert collect(hot) == {}
    assert len(make_plan(hot).tasks[0].facts(hot.shards)["explosions"]) == 2


def test_cost_is_kept_with_the_frames(tmp_path):
    asked = sampling(tmp_path, ("N#N",), n_frames=300)
    collect(asked)
    for task in make_plan(asked).tasks:
        facts = task.facts(asked.shards)
        assert 0 < facts["core_seconds"] < 60
        assert facts["gpu_seconds"] == 0


def test_uncovered_molecule_is_refused_before_anything_runs(tmp_path, count_runs):
    with pytest.raises(InputError, match="does not cover"):
        make_plan(sampling(tmp_path, ("O", "F[P-](F)(F)(F)(F)F")))
    assert count_runs == []


def test_interval_is_checked_before_anything_runs(tmp_path):
    with pytest.raises(InputError, match=r"sampling_interval=0.02 ps is not a multiple"):
        make_plan(sampling(tmp_path, time_step=0.3))


def test_one_system_cannot_be_named_twice(tmp_path):
    with pytest.raises(InputError, match=r"the system 'O' is named 2 times"):
        make_plan(sampling(tmp_path, ("O", "O")))


def test_progress_counts_ticks_and_ignores_earlier_tasks(tmp_path):
    """One tick is 0.5 ps; 3 ps are finished, and 1 ps of 2 ps is running."""
    (tmp_path / "a.npz").touch()
    (tmp_path / "b.ticks").write_bytes(b"..")
    tasks = [SimpleNamespace(shard="a.npz", n_ticks=6), SimpleNamespace(shard="b.npz", n_ticks=4)]
    progress = _Progress(tasks, tmp_path, "preparing", "ps", 0.5, True)
    with progress:
        shown = progress.bar.format_dict
    assert (shown["initial"], shown["n"], shown["total"]) == (3.0, 4.0, 5.0)
    assert shown["unit"] == "ps" and not shown["unit_scale"]
