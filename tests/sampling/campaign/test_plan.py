"""Trajectories as independent tasks: seeds, shards, interruptions, explosions."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from gpip_plugins.errors import InputError
from gpip_plugins.sampling.campaign.plan import Sampler
from gpip_plugins.sampling.campaign.tasks import Dynamics
from gpip_plugins.sampling.campaign.workers import _Progress
from gpip_plugins.sampling.dynamics.engine import Engine, Explosion
from gpip_plugins.sampling.forcefield import force_field
from gpip_plugins.sampling.schedule import Schedule
from gpip_plugins.sampling.systems.molecule import MolecularSystem

TEMPERATURES = (300.0, 500.0, 700.0)


def sampler(smiles=("O", "N#N"), n_frames=12, temperatures=TEMPERATURES, replicas=1, **settings):
    parts = {key: settings.pop(key) for key in ("seed", "part", "parts") if key in settings}
    systems = [MolecularSystem.from_smiles(s, name=s) for s in smiles]
    schedule = Schedule(n_frames, temperatures, 0.02, equilibration=0.02, replicas=replicas)
    return Sampler(
        systems, [force_field("mmff94")] * len(systems), schedule, Dynamics(**settings), **parts
    )


def collect(sampler, folder, cores=1):
    """Return {(system, temperature, replica): trajectory}."""
    sampler.run(folder, cores, progress=False)
    results = sampler.results(folder)
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
    """Count the trajectories that are really simulated."""
    runs = []
    original = Engine.run

    def run(self, temperature, *args, **kwargs):
        runs.append((self.system.name, temperature))
        return original(self, temperature, *args, **kwargs)

    monkeypatch.setattr(Engine, "run", run)
    return runs


def test_every_molecule_is_sampled_at_every_temperature(tmp_path):
    found = collect(sampler(n_frames=13), tmp_path)
    assert list(found) == [(name, t, 0) for name in ("O", "N#N") for t in TEMPERATURES]
    assert [len(frames) for frames in found.values()] == [3, 2, 2, 2, 2, 2]


def test_frames_depend_on_the_seed_only(tmp_path):
    first = collect(sampler(seed=1), tmp_path / "a")
    again = collect(sampler(seed=1), tmp_path / "b")
    other = collect(sampler(seed=2), tmp_path / "c")
    assert same(first, again)
    assert not any((first[key].positions == other[key].positions).all() for key in first)


def test_a_trajectory_does_not_depend_on_its_company(tmp_path):
    alone = collect(sampler(("N#N",), n_frames=2, temperatures=(500,)), tmp_path / "a")
    company = collect(sampler(), tmp_path / "b")
    assert (alone["N#N", 500.0, 0].positions == company["N#N", 500.0, 0].positions).all()


def test_frames_do_not_depend_on_the_number_of_processes(tmp_path):
    assert same(collect(sampler(), tmp_path / "a"), collect(sampler(), tmp_path / "b", cores=3))
    assert all(path.suffix in (".npz", ".lock") for path in (tmp_path / "b").iterdir())


def test_temperatures_and_replicas_have_their_own_noise(tmp_path):
    """Equal noise would make hot and cold frames scaled copies of each other."""
    found = collect(sampler(("N#N",), n_frames=6, replicas=2), tmp_path)
    assert len(found) == 6
    axes = np.array([f.positions[0, 0] for f in found.values()])
    axes /= np.linalg.norm(axes, axis=1)[:, None]
    products = np.abs(axes @ axes.T)[np.triu_indices(6, 1)]
    assert products.max() < 0.999


def test_more_replicas_keep_the_first(tmp_path):
    one = collect(sampler(("N#N",), n_frames=3), tmp_path / "a")
    two = collect(sampler(("N#N",), n_frames=6, replicas=2), tmp_path / "b")
    assert all((one[key].positions == two[key].positions).all() for key in one)


def test_parts_share_the_trajectories_and_none_is_run_twice(tmp_path, count_runs):
    whole = collect(sampler(), tmp_path / "whole")
    count_runs.clear()
    for part in range(4):
        halves = sampler(part=part, parts=4)
        halves.run(tmp_path / "parts", 1, progress=False)
        assert bool(halves.missing(tmp_path / "parts")) == (part < 3)
    assert sorted(count_runs) == sorted((name, t) for name, t, _ in whole)
    assert same(collect(sampler(), tmp_path / "parts"), whole)


@pytest.mark.parametrize(("part", "parts"), [(2, 2), (-1, 2), (0, 0), (0.5, 2)])
def test_part_that_is_none_is_refused(part, parts):
    with pytest.raises(InputError, match=rf"part={part} is not one of parts={parts} parts"):
        sampler(part=part, parts=parts)


def test_interrupted_run_keeps_finished_trajectories_and_goes_on(tmp_path, count_runs, monkeypatch):
    whole = collect(sampler(), tmp_path / "whole")
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
            collect(sampler(), tmp_path / "torn")
    assert len(shards(tmp_path / "torn")) == 3
    count_runs.clear()

    assert same(collect(sampler(), tmp_path / "torn"), whole)
    assert count_runs == [("N#N", 300.0), ("N#N", 500.0), ("N#N", 700.0)]


def test_interrupted_writing_leaves_no_shard(tmp_path, monkeypatch):
    def savez(file, **arrays):
        Path(file).write_bytes(b"half of it")
        raise OSError("No space left on device")

    monkeypatch.setattr(np, "savez", savez)
    with pytest.raises(InputError, match=r"Writing .*npz failed \(No space left on device\)"):
        collect(sampler(), tmp_path)
    assert shards(tmp_path) == []


@pytest.mark.parametrize(
    "settings", [{"seed": 5}, {"friction": 3.0}, {"time_step": 0.5}, {"n_frames": 18}]
)
def test_shards_of_other_settings_are_not_taken(tmp_path, count_runs, settings):
    collect(sampler(), tmp_path)
    collect(sampler(), tmp_path)
    assert len(count_runs) == 6
    collect(sampler(**settings), tmp_path)
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
    found = collect(sampler(("N#N",), n_frames=6), tmp_path / "halved")
    task = sampler(("N#N",), n_frames=6).tasks[1]
    facts = task.facts(tmp_path / "halved")
    assert facts["complete"] and facts["time_step"] == 0.5
    assert facts["explosions"] == ["exploded with 1.0 fs"]
    half = collect(sampler(("N#N",), n_frames=6, time_step=0.5), tmp_path / "half")
    assert (found["N#N", 500.0, 0].positions == half["N#N", 500.0, 0].positions).all()


def test_nothing_of_a_trajectory_that_explodes_twice_is_stored(tmp_path, monkeypatch, count_runs):
    explodes_above(0.4, monkeypatch)
    asked = sampler(("N#N",), n_frames=6)
    assert [t for _, t, _ in collect(asked, tmp_path)] == [300.0, 700.0]
    facts = asked.tasks[1].facts(tmp_path)
    assert not facts["complete"]
    assert facts["explosions"] == ["exploded with 1.0 fs", "exploded with 0.5 fs"]
    assert asked.missing(tmp_path) == []  # it is known, and not tried again
    count_runs.clear()
    collect(asked, tmp_path)
    assert count_runs == []


def test_a_real_explosion_is_noticed(tmp_path):
    hot = Sampler(
        [MolecularSystem.from_preset("ethanol")],
        [force_field("mmff94")],
        Schedule(1, (1000.0,), sampling_interval=10.0, equilibration=0.0),
        Dynamics(time_step=10.0, friction=0.1),
    )
    assert collect(hot, tmp_path) == {}
    assert len(hot.tasks[0].facts(tmp_path)["explosions"]) == 2


def test_cost_is_kept_with_the_frames(tmp_path):
    asked = sampler(("N#N",), n_frames=300)
    collect(asked, tmp_path)
    for task in asked.tasks:
        facts = task.facts(tmp_path)
        assert 0 < facts["core_seconds"] < 60
        assert facts["gpu_seconds"] == 0


def test_uncovered_molecule_is_refused_before_anything_runs(count_runs):
    with pytest.raises(InputError, match="does not cover"):
        sampler(("O", "F[P-](F)(F)(F)(F)F"))
    assert count_runs == []


def test_interval_is_checked_before_anything_runs():
    with pytest.raises(InputError, match=r"sampling_interval=0.02 ps is not a multiple"):
        sampler(time_step=0.3)


def test_one_system_cannot_be_named_twice():
    with pytest.raises(InputError, match=r"the system 'O' is named 2 times"):
        sampler(("O", "O"))


def test_progress_counts_in_units_of_a_tick_and_leaves_out_what_was_there(tmp_path):
    """Half a picosecond a tick: 3 ps are finished, 1 of 2 is under way."""
    (tmp_path / "a.npz").touch()
    (tmp_path / "b.ticks").write_bytes(b"..")
    tasks = [SimpleNamespace(shard="a.npz", n_ticks=6), SimpleNamespace(shard="b.npz", n_ticks=4)]
    progress = _Progress(tasks, tmp_path, "preparing", "ps", 0.5, True)
    with progress:
        shown = progress.bar.format_dict
    assert (shown["initial"], shown["n"], shown["total"]) == (3.0, 4.0, 5.0)
    assert shown["unit"] == "ps" and not shown["unit_scale"]
