"""Trajectories as independent tasks: seeds, shards, interruptions."""

import numpy as np
import pytest

from gpip_plugins.errors import InputError
from gpip_plugins.sampling.engine import LangevinEngine
from gpip_plugins.sampling.forcefield import force_field
from gpip_plugins.sampling.run import Sampler
from gpip_plugins.sampling.schedule import Schedule
from gpip_plugins.sampling.system import MolecularSystem

TEMPERATURES = (300.0, 500.0, 700.0)


def sampler(smiles=("O", "N#N"), n_frames=12, temperatures=TEMPERATURES, **settings):
    return Sampler(
        [MolecularSystem.from_smiles(s, name=s) for s in smiles],
        force_field("mmff94"),
        Schedule(n_frames, temperatures, sampling_interval=0.02, equilibration=0.02),
        **settings,
    )


def collect(sampler, folder):
    """Return {(system, temperature): positions}."""
    found = sampler.trajectories(folder, progress=False)
    return {(system.name, t): frames.positions for system, t, frames in found}


def same(first, second):
    return first.keys() == second.keys() and all((first[k] == second[k]).all() for k in first)


@pytest.fixture
def count_runs(monkeypatch):
    """Count the trajectories that are really simulated."""
    runs = []
    original = LangevinEngine.run

    def run(self, temperature, *args, **kwargs):
        runs.append((self.system.name, temperature))
        return original(self, temperature, *args, **kwargs)

    monkeypatch.setattr(LangevinEngine, "run", run)
    return runs


def test_every_molecule_is_sampled_at_every_temperature(tmp_path):
    found = collect(sampler(n_frames=13), tmp_path)
    assert list(found) == [(name, t) for name in ("O", "N#N") for t in TEMPERATURES]
    assert [len(positions) for positions in found.values()] == [3, 2, 2, 2, 2, 2]


def test_frames_depend_on_the_seed_only(tmp_path):
    first = collect(sampler(seed=1), tmp_path / "a")
    again = collect(sampler(seed=1), tmp_path / "b")
    other = collect(sampler(seed=2), tmp_path / "c")
    assert same(first, again)
    assert not any((first[key] == other[key]).all() for key in first)


def test_a_trajectory_does_not_depend_on_its_company(tmp_path):
    alone = collect(sampler(("N#N",), n_frames=2, temperatures=(500,)), tmp_path / "a")
    company = collect(sampler(), tmp_path / "b")
    assert (alone["N#N", 500.0] == company["N#N", 500.0]).all()


def test_temperatures_have_their_own_noise(tmp_path):
    """Equal noise would make hot and cold frames scaled copies of each other."""
    found = collect(sampler(("N#N",), n_frames=3), tmp_path)
    axes = [p[0, 0] / np.linalg.norm(p[0, 0]) for p in found.values()]
    assert abs(axes[0] @ axes[1]) < 0.999


def test_interrupted_run_keeps_finished_trajectories_and_goes_on(tmp_path, count_runs, monkeypatch):
    whole = collect(sampler(), tmp_path / "whole")
    assert len(count_runs) == 6
    count_runs.clear()

    frames = iter(range(7))  # 2 + 2 + 2 frames, then stopped in the fourth trajectory
    original = LangevinEngine._frame

    def frame(self, context):
        if next(frames, None) is None:
            raise KeyboardInterrupt
        return original(self, context)

    with monkeypatch.context() as patch:
        patch.setattr(LangevinEngine, "_frame", frame)
        with pytest.raises(KeyboardInterrupt):
            collect(sampler(), tmp_path / "torn")
    assert len(list((tmp_path / "torn").iterdir())) == 3
    count_runs.clear()

    assert same(collect(sampler(), tmp_path / "torn"), whole)
    assert count_runs == [("N#N", 300.0), ("N#N", 500.0), ("N#N", 700.0)]


def test_interrupted_writing_leaves_no_shard(tmp_path, monkeypatch):
    def savez(file, **arrays):
        file.write(b"half of it")
        raise OSError("No space left on device")

    monkeypatch.setattr(np, "savez", savez)
    with pytest.raises(OSError, match="No space"):
        collect(sampler(), tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "settings", [{"seed": 5}, {"friction": 3.0}, {"time_step": 0.5}, {"n_frames": 18}]
)
def test_shards_of_other_settings_are_not_taken(tmp_path, count_runs, settings):
    collect(sampler(), tmp_path)
    collect(sampler(), tmp_path)
    assert len(count_runs) == 6
    collect(sampler(**settings), tmp_path)
    assert len(count_runs) == 12


def test_explosion_stores_nothing_of_the_trajectory(tmp_path):
    hot = Sampler(
        [MolecularSystem.from_preset("ethanol")],
        force_field("mmff94"),
        Schedule(2, (300.0, 1000.0), sampling_interval=10.0, equilibration=0.0),
        time_step=5.0,
        friction=0.1,
    )
    with pytest.raises(InputError, match=r"trajectory of ethanol at \d+ K exploded"):
        collect(hot, tmp_path)
    assert not any("1000K" in shard.name for shard in tmp_path.iterdir())


def test_uncovered_molecule_is_refused_before_anything_runs(count_runs):
    with pytest.raises(InputError, match="does not cover"):
        sampler(("O", "F[P-](F)(F)(F)(F)F"))
    assert count_runs == []


def test_interval_is_checked_before_anything_runs():
    with pytest.raises(InputError, match=r"sampling_interval=0.02 ps is not a multiple"):
        sampler(time_step=0.3)
