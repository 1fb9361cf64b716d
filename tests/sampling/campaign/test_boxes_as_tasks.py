"""Boxes in a data set: prepared once for all temperatures, stored with their cell."""

from dataclasses import replace
from types import SimpleNamespace

import ase.io
import numpy as np
import pytest
from ase import Atoms
from schnetpack.data import ASEAtomsData

from gpip_plugins.errors import InputError
from gpip_plugins.sampling.campaign import preparation_task
from gpip_plugins.sampling.campaign.generate import generate
from gpip_plugins.sampling.campaign.plan import covered_systems, make_plan
from gpip_plugins.sampling.campaign.run import run_plan
from gpip_plugins.sampling.campaign.stored import record
from gpip_plugins.sampling.campaign.thinning import distinct_frames
from gpip_plugins.sampling.dynamics.engine import Explosion
from gpip_plugins.sampling.dynamics.trajectory import Trajectory
from gpip_plugins.sampling.settings import Preparation, SamplingSettings
from gpip_plugins.sampling.systems import packing
from gpip_plugins.sampling.systems.sources import Electrolyte, Files, Water

SMALL = {
    "system": Water(count=27, cell=9.35),
    "n_frames": 8,
    "temperatures": [300, 500],
    "replicas": 2,
    "sampling_interval": 0.02,
    "equilibration": 0.0,
    "preparation": Preparation(npt=0, annealing=0.04),
    "force_field": "tip3p",
    "platform": "CPU",
    "cores": 1,
    "energy_check": 0,
    "quality": False,
    "progress": False,
}


def sampling(datapath, **settings):
    return SamplingSettings.from_keywords(str(datapath), **SMALL | settings)


def run(settings):
    """Run all tasks; return the trajectories and the folder of their shards."""
    plan = make_plan(settings)
    run_plan(plan, settings)
    return plan.trajectories, settings.shards


@pytest.fixture
def prepared(monkeypatch):
    """Count the preparations that are run."""
    runs = []
    original = preparation_task.prepare

    def prepare(box, *args, **settings):
        runs.append(box.name)
        return original(box, *args, **settings)

    monkeypatch.setattr(preparation_task, "prepare", prepare)
    return runs


def test_temperatures_share_a_prepared_box_and_replicas_do_not(tmp_path, prepared):
    asked = sampling(tmp_path / "a.db")
    tasks, folder = run(asked)
    assert [(t.temperature, t.replica) for t in tasks] == [(300, 0), (300, 1), (500, 0), (500, 1)]
    assert tasks[0].preparation.shard == tasks[2].preparation.shard
    assert tasks[0].preparation.shard != tasks[1].preparation.shard
    assert prepared == ["water27"] * 2
    first, second = (tasks[k].preparation.result(folder) for k in (0, 1))
    assert np.abs(first.positions - second.positions).max() > 0.05
    assert np.array_equal(first.cell, np.eye(3) * 9.35)


def test_rows_are_periodic_and_the_box_is_logged(tmp_path):
    asked = sampling(tmp_path / "a.db", replicas=1)
    assert generate(asked)
    data = ASEAtomsData(str(tmp_path / "a.db"))
    assert len(data) == 8
    for k in (0, 7):
        row = data[k]
        assert row["_pbc"].all()
        np.testing.assert_allclose(row["_cell"][0], np.eye(3) * 9.35)
        assert row["forces"].shape == (81, 3)
    box = data.metadata["boxes"]["water27, replica 0"]
    assert box["density"] == pytest.approx(27 * 18.015 / 6.02214e23 / (9.35e-8) ** 3, rel=1e-3)
    assert box["molarity"]["water"] == pytest.approx(27 / 6.02214e23 / (9.35e-9) ** 3, rel=1e-3)
    assert data.metadata["sampling"]["preparation"]["annealing"] == 0.04
    assert data.metadata["sampling"]["force_fields"] == {"water27": "tip3p"}
    assert data.metadata["coverage"]["water27"]["force_field"] == "tip3p"
    assert data.metadata["cost"]["preparation"]["core_seconds"] > 0
    assert generate(sampling(tmp_path / "a.db", replicas=1))
    with pytest.raises(InputError, match="was sampled with preparation="):
        schedule = Preparation(npt=0, annealing=0.08)
        generate(sampling(tmp_path / "a.db", replicas=1, preparation=schedule))


def test_near_duplicates_of_boxes_are_found_across_the_boundary():
    """Replica 1 is replica 0, translated and wrapped, followed by a different frame."""
    system = Water(count=27, cell=9.35).build(0)[0]
    frame = Atoms(system.numbers, system.positions, cell=system.cell, pbc=True)
    moved, other = frame.copy(), frame.copy()
    moved.positions += (1.0, 4.0, -3.0)
    moved.wrap()
    other.rattle(0.1, seed=0)

    def result(shard, frames):
        task = SimpleNamespace(system=system, shard=shard)
        none = np.zeros(len(frames))
        positions = np.array([atoms.positions for atoms in frames])
        return task, Trajectory(positions, none, np.zeros_like(positions), none, system.cell)

    results = [result("0", [frame, other]), result("1", [moved, other, frame])]
    kept = distinct_frames(results, 0.02, seed=0, progress=False)
    assert {shard: mask.tolist() for shard, mask in kept.items()} == {
        "0": [True, True],
        "1": [False, False, False],
    }
    only = distinct_frames(results[1:], 0.02, seed=0, progress=False)["1"]
    assert only.tolist() == [True, True, False]
    assert len(results[1][1].only(only)) == 2


def test_a_box_that_explodes_is_prepared_again_with_half_the_time_step(tmp_path, monkeypatch):
    original = preparation_task.prepare

    def prepare(box, force_field, preparation, dynamics, *args, **settings):
        if dynamics.time_step > 0.5:
            raise Explosion("too hot")
        return original(box, force_field, preparation, dynamics, *args, **settings)

    monkeypatch.setattr(preparation_task, "prepare", prepare)
    asked = sampling(tmp_path / "a.db", replicas=1)
    tasks, folder = run(asked)
    facts = tasks[0].preparation.facts(folder)
    assert (facts["time_step"], facts["explosions"]) == (0.5, ["too hot"])


@pytest.fixture
def one_explodes(monkeypatch):
    """Let the box of 20 molecules explode in every preparation; count the preparations."""
    tries = []
    original = preparation_task.prepare

    def prepare(box, force_field, preparation, dynamics, *args, **settings):
        if box.name == "water20":
            tries.append(dynamics.time_step)
            raise Explosion("water20 is too hot.")
        return original(box, force_field, preparation, dynamics, *args, **settings)

    monkeypatch.setattr(preparation_task, "prepare", prepare)
    return tries


class TwoBoxes:
    """A box of 20 molecules and one of 27."""

    label = "two"

    def build(self, seed, packed=True):
        sources = Water(count=20, cell=9.35), Water(count=27, cell=9.35)
        return [box for source in sources for box in source.build(seed, packed)]


def test_a_box_that_always_explodes_is_reported(tmp_path, one_explodes):
    two = sampling(tmp_path / "a.db", system=TwoBoxes(), replicas=1)
    message = r"1 of 2 boxes exploded .*water20, replica 0: water20 is too hot\); .*=drop\.$"
    with pytest.raises(Explosion, match=message):
        generate(two)
    assert not (tmp_path / "a.db").exists()
    assert not [t for t in make_plan(two).tasks if (two.shards / t.shard).exists()]


def test_a_box_that_always_explodes_may_be_dropped(tmp_path, one_explodes, caplog):
    two = sampling(tmp_path / "a.db", system=TwoBoxes(), replicas=1, on_explosion="drop")
    assert generate(two)
    assert one_explodes == [1.0, 0.5]
    data = ASEAtomsData(str(tmp_path / "a.db"))
    assert {len(data[k]["_atomic_numbers"]) for k in range(len(data))} == {81}
    assert len(data) == 4
    assert data.metadata["dropped"] == ["water20 at 300 K", "water20 at 500 K"]
    assert data.metadata["boxes"]["water20, replica 0"]["density"] is None
    left_out = "water20, replica 0: left out because it exploded during its preparation"
    assert left_out in caplog.text
    assert generate(sampling(tmp_path / "a.db", system=TwoBoxes(), replicas=1))


def test_nothing_is_written_when_every_box_explodes(tmp_path, one_explodes):
    alone = sampling(
        tmp_path / "a.db", system=Water(count=20, cell=9.35), on_explosion="drop", energy_check=1.0
    )
    with pytest.raises(InputError, match=r"all 4 trajectories exploded.*leaves nothing to store"):
        generate(alone)
    (check,) = make_plan(alone).checks
    assert check.facts(alone.shards)["drift"] is None
    assert not (tmp_path / "a.db").exists()


def test_opening_a_database_packs_nothing(tmp_path, monkeypatch):
    assert generate(sampling(tmp_path / "a.db", replicas=1))

    def refuse(folder):
        raise AssertionError("Packmol must not run")

    monkeypatch.setattr(packing, "_runs", refuse)
    assert generate(sampling(tmp_path / "a.db", replicas=1))
    with pytest.raises(InputError, match="was sampled with systems="):
        generate(sampling(tmp_path / "a.db", replicas=1, system=Water(count=28, cell=9.35)))
    with pytest.raises(InputError, match=r"was sampled with cells=.*9.350 x 9.350.* but cells="):
        generate(sampling(tmp_path / "a.db", replicas=1, system=Water(count=27, cell=9.5)))
    with pytest.raises(AssertionError, match="Packmol must not run"):  # the guard itself works
        generate(sampling(tmp_path / "b.db", replicas=1))


def test_a_box_file_that_was_changed_is_not_taken_for_the_old_one(tmp_path):
    box = Water(count=27, cell=9.35).build(0)[0]
    atoms = Atoms(box.numbers, box.positions, cell=box.cell, pbc=True)
    ase.io.write(tmp_path / "box.xyz", atoms)
    asked = sampling(tmp_path / "a.db", system=Files(str(tmp_path / "box.xyz")))
    before = record(asked, covered_systems(asked))["cells"]
    atoms.positions[0] += 0.1
    ase.io.write(tmp_path / "box.xyz", atoms)
    again = sampling(tmp_path / "a.db", system=Files(str(tmp_path / "box.xyz")))
    after = record(again, covered_systems(again))["cells"]
    assert after.keys() == before.keys() == {"box"}
    assert after != before


class Thin:
    """Water with a molarity that its cell does not have."""

    label = "thin"

    def build(self, seed, packed=True):
        (box,) = Water(count=20, cell=9.35).build(seed, packed)
        return [replace(box, molarity_asked={"water": 50.0})]


def test_reached_and_requested_molarity_are_logged(tmp_path, caplog):
    caplog.set_level("INFO")
    schedule = Preparation(npt=0, annealing=0)
    thin = sampling(
        tmp_path / "a.db",
        system=Thin(),
        n_frames=1,
        temperatures=[300],
        replicas=1,
        preparation=schedule,
    )
    assert generate(thin)
    (box,) = ASEAtomsData(str(tmp_path / "a.db")).metadata["boxes"].values()
    assert box["molarity_asked"] == {"water": 50.0}
    assert box["molarity"]["water"] == pytest.approx(20 / 0.602214 / 9.35**3 * 1000, rel=1e-4)
    assert "water 40.63 (asked: 50, -18.7%)" in caplog.text
    assert "concentration=61.5 may come closer" in caplog.text  # 50 * 50 / 40.63


@pytest.mark.parametrize(("concentration", "asked"), [(1, {}), (4, {}), (2.0, {"Na": 2.0})])
def test_the_papers_compositions_request_no_molarity(concentration, asked):
    (box,) = Electrolyte("Na", "PF6", "DME", concentration).build(seed=0, packed=False)
    assert box.molarity_asked == asked


@pytest.mark.slow
def test_boxes_do_not_depend_on_the_number_of_processes(tmp_path):
    found = []
    for cores in (1, 2):
        asked = sampling(tmp_path / f"{cores}.db", cores=cores)
        tasks, folder = run(asked)
        found.append([task.result(folder).positions for task in tasks])
    for one, two in zip(*found, strict=True):
        assert np.array_equal(one, two)


def test_all_electrolytes_are_neutral_boxes_with_different_names():
    source = Electrolyte(["Li", "Na"], ["PF6", "TFSI"], ["DME", "EC:DMC"], [1, 4])
    names = [name for name, _ in source.compositions()]
    assert len(set(names)) == 16
    assert "Na-TFSI-EC-DMC-4M" in names


@pytest.mark.parametrize(
    ("system", "message"),
    [
        (Water(count=0), r"composition.water=0 is not a whole number of at least 1"),
        (Water(count=27, cell=-3.0), r"cell=-3.0 is not positive"),
        (Electrolyte(concentration=0), r"concentration=0 is not a number above 0 \(mol/L\)"),
        (Electrolyte(anion="ClO4"), r"anion='ClO4' has no constants .* choose from PF6"),
        (Electrolyte(box="huge"), r"box='huge' is unknown"),
    ],
)
def test_impossible_boxes_are_refused_before_anything_runs(tmp_path, prepared, system, message):
    with pytest.raises(InputError, match=message):
        generate(sampling(tmp_path / "a.db", system=system))
    assert prepared == []


def test_missing_platform_is_refused_before_anything_runs(tmp_path, prepared):
    with pytest.raises(InputError, match=r"platform='Abacus' is not available"):
        generate(sampling(tmp_path / "a.db", platform="Abacus"))
    assert prepared == []
