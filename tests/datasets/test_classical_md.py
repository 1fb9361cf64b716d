"""The data module that samples a missing database."""

import errno
import os
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from ase import Atoms
from ase.db import connect
from omegaconf import OmegaConf
from schnetpack.data import ASEAtomsData

from gpip_plugins.datasets import ClassicalMD
from gpip_plugins.errors import InputError
from gpip_plugins.sampling.campaign import database
from gpip_plugins.sampling.campaign.generate import generate
from gpip_plugins.sampling.campaign.plan import make_plan
from gpip_plugins.sampling.dynamics.engine import Engine, Explosion
from gpip_plugins.sampling.settings import KEYWORDS
from gpip_plugins.sampling.systems.sources import Files, Presets, Smiles

SMALL = {
    "batch_size": 4,
    "system": Smiles(["O", "CO"]),
    "force_field": "mmff94",
    "n_frames": 12,
    "temperatures": [300, 600],
    "sampling_interval": 0.02,
    "equilibration": 0.1,
    "num_train": 8,
    "num_val": 4,
    "num_workers": 0,
    "split_file": None,
    "progress": False,
    "cores": 1,
    "energy_check": 0,
    "quality": False,
}


def module(datapath, **settings):
    return ClassicalMD(str(datapath), **SMALL | settings)


def rows(datapath):
    """Return the content of the rows, without ASE's time stamps and random ids."""
    with connect(datapath, use_lock_file=False) as db:
        return [
            (r.system, *(a.tobytes() for a in (r.numbers, r.positions, *r.data.values())))
            for r in db.select()
        ]


@pytest.fixture(scope="module")
def sampled(tmp_path_factory):
    path = tmp_path_factory.mktemp("sampled") / "data" / "two.db"
    module(path).prepare_data()
    return path


@pytest.fixture
def no_simulation(monkeypatch):
    def run(*args, **kwargs):
        raise AssertionError("a simulation was started")

    monkeypatch.setattr(Engine, "run", run)


def test_rows_hold_labels_temperature_and_system_with_units(sampled):
    data = ASEAtomsData(str(sampled))
    assert data.units == {
        "energy": "eV",
        "forces": "eV/Ang",
        "temperature": "K",
        "kinetic_temperature": "K",
    }
    assert data.distance_unit == "Ang"
    assert len(data) == 12
    found = list(data.iter_properties(load_metadata=True))
    assert [p["metadata"]["system"] for p in found] == ["O"] * 6 + ["CO"] * 6
    assert {p["metadata"]["force_field"] for p in found} == {"mmff94"}
    assert [p["temperature"].item() for p in found] == ([300.0] * 3 + [600.0] * 3) * 2
    for key in ("energy", "temperature", "kinetic_temperature"):
        assert found[0][key].shape == (1,)
    assert found[0]["forces"].shape == (3, 3)
    assert found[6]["forces"].shape == (6, 3)
    assert not found[0]["_pbc"].any()
    settings = data.metadata["sampling"]
    assert settings["force_field"] == "mmff94"
    assert settings["systems"] == {"O": "O", "CO": "CO"}
    cost = data.metadata["cost"]
    assert all(0 < cost[stage]["core_seconds"] < 60 for stage in ("trajectories", "writing"))


def test_nothing_but_the_database_is_left_in_the_folder(sampled):
    assert sorted(os.listdir(sampled.parent)) == [".two.db.generating", "two.db"]


def test_batches_come_out_and_the_database_is_not_sampled_again(sampled, no_simulation):
    data = module(sampled)
    data.prepare_data()
    data.setup()
    batch = next(iter(data.train_dataloader()))
    assert batch["energy"].shape == (4,)
    assert len(batch["forces"]) == batch["_n_atoms"].sum()


def test_content_depends_on_the_seed_only(sampled, tmp_path):
    module(tmp_path / "same.db").prepare_data()
    module(tmp_path / "other.db", seed=1).prepare_data()
    assert rows(tmp_path / "same.db") == rows(sampled)
    assert not set(rows(tmp_path / "other.db")) & set(rows(sampled))


def test_interruption_leaves_no_database_and_the_next_run_gives_the_same(
    sampled, tmp_path, monkeypatch
):
    calls = []
    original = Engine.run

    def run(self, temperature, *args, **kwargs):
        calls.append(temperature)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return original(self, temperature, *args, **kwargs)

    monkeypatch.setattr(Engine, "run", run)
    with pytest.raises(KeyboardInterrupt):
        module(tmp_path / "torn.db").prepare_data()
    assert sorted(os.listdir(tmp_path)) == [".torn.db.generating", "torn.parts"]
    module(tmp_path / "torn.db").prepare_data()
    assert len(calls) == 5  # three were kept, the fourth was run again
    assert rows(tmp_path / "torn.db") == rows(sampled)


@pytest.mark.parametrize("where", ["trajectory", "database"])
def test_a_disk_that_gets_full_leaves_no_database(sampled, tmp_path, full_disk, where):
    more, limit = {
        # One trajectory that is larger than a database without rows.
        "trajectory": ({"n_frames": 1000, "system": Smiles("O"), "temperatures": 300}, 80_000),
        "database": ({}, sampled.stat().st_size - 1),
    }[where]
    what = r"full.parts/.*\.npz" if where == "trajectory" else r"full\.db"
    with (
        full_disk(limit),
        pytest.raises(InputError, match=rf"Writing .*{what} failed .*free some space"),
    ):
        module(tmp_path / "full.db", **more).prepare_data()
    assert sorted(os.listdir(tmp_path)) == [".full.db.generating", "full.parts"]
    module(tmp_path / "full.db").prepare_data()
    assert rows(tmp_path / "full.db") == rows(sampled)


def test_what_a_killed_run_left_of_its_database_is_removed(tmp_path):
    for name in (".two.0a1b2c3d.part.db", ".two.0a1b2c3d.part.db-journal"):
        (tmp_path / name).write_text("unfinished")
    other = ".two.v2.0a1b2c3d.part.db"  # that another process is writing for two.v2.db
    (tmp_path / other).touch()
    module(tmp_path / "two.db").prepare_data()
    assert sorted(os.listdir(tmp_path)) == [".two.db.generating", other, "two.db"]


def test_hydras_lists_and_single_names_are_understood(tmp_path):
    data = module(
        tmp_path / "a.db",
        system=Presets(OmegaConf.create(["ethanol"])),
        temperatures=OmegaConf.create([300, 600]),
    )
    data.prepare_data()
    module(tmp_path / "a.db", system=Presets("ethanol")).prepare_data()


def test_structure_file_names_the_system(tmp_path, monkeypatch):
    Atoms("OHH", [[0, 0, 0], [0.96, 0, 0], [-0.24, 0.93, 0]]).write(tmp_path / "water.xyz")
    monkeypatch.chdir(tmp_path)
    data = module("a.db", system=Files("water.xyz"))
    data.prepare_data()
    assert {row[0] for row in rows(tmp_path / "a.db")} == {"water"}


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ({"seed": 3}, "seed"),
        ({"temperatures": [300, 700]}, "temperatures"),
        ({"system": Smiles(["O", "CCO"])}, "systems"),
        ({"force_field": "mmff94s"}, "force_field"),
        ({"n_frames": 24}, "n_frames"),
        ({"friction": 1.0}, "friction"),
        ({"time_step": 0.5}, "time_step"),
        ({"sampling_interval": 0.04}, "sampling_interval"),
        ({"equilibration": 0.2}, "equilibration"),
    ],
)
def test_database_of_other_settings_is_refused_with_the_key(sampled, no_simulation, settings, key):
    with pytest.raises(InputError, match=rf"was sampled with {key}=.* but {key}=.* is requested"):
        module(sampled, **settings).prepare_data()


def test_database_of_other_origin_is_refused(tmp_path, no_simulation):
    ASEAtomsData.create(str(tmp_path / "labels.db"), "Ang", {"energy": "eV"})
    with pytest.raises(InputError, match=r"was not sampled by ClassicalMD; .* data=custom"):
        module(tmp_path / "labels.db").prepare_data()


def test_corrupt_database_is_refused(tmp_path, no_simulation):
    (tmp_path / "corrupt.db").write_bytes(b"no database at all" * 100)
    with pytest.raises(InputError, match=r"corrupt.db cannot be read as an ASE database"):
        module(tmp_path / "corrupt.db").prepare_data()


def test_database_with_missing_rows_is_refused(tmp_path, no_simulation, sampled):
    (tmp_path / "short.db").write_bytes(sampled.read_bytes())
    with connect(tmp_path / "short.db") as db:
        db.delete([3])
    with pytest.raises(InputError, match=r"holds 11 rows instead of 12"):
        module(tmp_path / "short.db").prepare_data()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"system": None}, r"system=None does not say what to sample"),
        ({"system": Smiles([])}, r"smiles=\[\] leaves nothing to sample"),
        ({"system": Smiles("CC(")}, r"smiles='CC\(' does not parse"),
        ({"system": Presets(["asprin"])}, r"molecules='asprin' is not a preset"),
        ({"system": Smiles(["O", "[H]O"])}, r"the system 'O' is named 2 times"),
        ({"system": Smiles("F[P-](F)(F)(F)(F)F")}, r"force_field='mmff94' does not cover"),
        ({"system": Smiles("C[CH]C")}, r"smiles='C\[CH\]C' has 1 unpaired electron at atom 1"),
        ({"system": Files("nowhere.xyz")}, r"nowhere.xyz does not exist"),
        ({"force_field": "amber"}, r"force_field='amber' is unknown"),
        ({"on_explosion": "ignore"}, r"on_explosion='ignore' is unknown; choose from refuse"),
        ({"min_difference": -0.1}, r"min_difference=-0.1 is not a number of at least 0 \(Å\)"),
        ({"cores": 0}, r"cores=0 is not a whole number of at least 1"),
        ({"energy_check": -1.0}, r"energy_check=-1.0 ps is too short for a drift"),
        ({"energy_check": 0.1}, r"energy_check=0.1 ps is too short for a drift"),
        ({"replicas": 0}, r"replicas=0 is not a whole number of at least 1"),
        ({"temperatures": [-1]}, r"temperatures=-1 is not a number above 0 \(K\)"),
        ({"n_frames": 2, "num_train": 1, "num_val": 1}, r"n_frames=2 is less than one frame"),
        ({"num_train": 10}, r"= 14 is more than n_frames=12"),
        ({"min_difference": "a"}, r"min_difference='a' is not a number"),
        ({"min_difference": 0.02}, r"leaves fewer frames than n_frames=12, .* num_train=0.9"),
        ({"seed": "now"}, r"seed='now' is not a whole number"),
        ({"seed": -1}, r"seed=-1 is not a whole number of at least 0"),
        ({"time_step": -1.0}, r"time_step=-1.0 is not a number above 0 \(fs\)"),
        ({"sampling_interval": 0.0005}, r"is not a multiple of time_step=1.0 fs"),
    ],
)
def test_bad_setting_is_named_before_anything_runs(tmp_path, no_simulation, settings, message):
    with pytest.raises(InputError, match=message):
        module(tmp_path / "new.db", **settings).prepare_data()
    assert os.listdir(tmp_path) == []


def test_datapath_must_end_in_db(tmp_path):
    with pytest.raises(InputError, match=r"ethanol.xyz' is not .* let the name end in '.db'"):
        module(tmp_path / "ethanol.xyz")


def test_folder_that_cannot_be_made_is_named(tmp_path, no_simulation):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"cannot be written \(.*\); choose a datapath"):
        module(tmp_path / "file" / "new.db").prepare_data()


def test_folder_without_permission_is_named(tmp_path, no_simulation, monkeypatch):
    def refuse(dir):  # a folder's mode does not stop the root user, who may run the tests
        raise PermissionError(errno.EACCES, "Permission denied", dir)

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    with pytest.raises(InputError, match=r"cannot be written \(Permission denied\)"):
        module(tmp_path / "new.db").prepare_data()


def test_disk_without_space_is_named(tmp_path, no_simulation, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda folder: SimpleNamespace(free=10))
    with pytest.raises(InputError, match=r"n_frames=12 needs about .* MB are free"):
        module(tmp_path / "new.db").prepare_data()


def test_estimate_of_the_space_holds(sampled):
    n_atoms, n_frames = 6, 12
    empty = 60_000  # of a database without rows
    assert sampled.stat().st_size - empty < database.bytes_needed(n_frames, n_atoms)
    assert np.dtype(float).itemsize * 6 * n_atoms < database.bytes_needed(1, n_atoms)


TWO_AT_ONCE = """
import logging, sys, time
from pathlib import Path
from gpip_plugins.datasets import ClassicalMD
from gpip_plugins.sampling.systems.sources import Presets
logging.basicConfig(level=logging.INFO)
folder = Path(sys.argv[1])
(folder / f"ready{sys.argv[2]}").touch()
while not (folder / "go").exists():
    time.sleep(0.01)
ClassicalMD(
    str(folder / "data.db"), 4, Presets("ethanol"), n_frames=40, force_field="mmff94",
    temperatures=[300, 600], progress=False,
).prepare_data()
"""


@pytest.mark.slow
def test_two_processes_sample_once(tmp_path):
    command = [sys.executable, "-W", "ignore", "-c", TWO_AT_ONCE, str(tmp_path)]
    processes = [
        subprocess.Popen([*command, str(i)], stderr=subprocess.PIPE, text=True) for i in range(2)
    ]
    deadline = time.monotonic() + 120
    while len(list(tmp_path.glob("ready*"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    (tmp_path / "go").touch()
    outputs = [process.communicate(timeout=120)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs
    assert sum("Sampling 40 frames" in output for output in outputs) == 1
    assert sum("Another process is generating" in output for output in outputs) == 1
    assert len(rows(tmp_path / "data.db")) == 40


SAMPLE_ONLY = """
from gpip_plugins.sampling.campaign.plan import make_plan
from gpip_plugins.sampling.campaign.run import run_plan
from gpip_plugins.sampling.settings import SamplingSettings
from gpip_plugins.sampling.systems.sources import Smiles
settings = SamplingSettings.from_keywords({path!r}, **{settings!r})
run_plan(make_plan(settings), settings)
"""


@pytest.mark.slow
def test_run_killed_five_times_gives_the_same_as_an_undisturbed_one(tmp_path):
    """SIGKILL at random times allows no clean-up."""
    settings = SMALL | {"n_frames": 240, "sampling_interval": 1.0, "cores": 2}
    settings |= {"temperatures": [300, 400, 500, 600, 700, 800], "replicas": 2}
    path = str(tmp_path / "killed.db")
    # Only the sampling is killed: it loads in a fraction of the time of SchNetPack.
    sampling = {key: settings[key] for key in {"system", *KEYWORDS} & settings.keys()}
    code = SAMPLE_ONLY.format(path=path, settings=sampling)
    parts = tmp_path / "killed.parts"
    rng = np.random.default_rng()
    n_shards = 0
    for _ in range(5):
        process = subprocess.Popen([sys.executable, "-W", "ignore", "-c", code])
        deadline = time.monotonic() + 120
        # Work goes on every time, else the kills would all hit the imports.
        while len(list(parts.glob("*.npz"))) <= n_shards and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(rng.uniform(0.0, 0.3))
        process.kill()
        process.wait()
        assert not Path(path).exists()
        n_shards = len(list(parts.glob("*.npz")))
    assert 5 <= n_shards < 24
    data = ClassicalMD(path, **settings)
    known = {task.shard for task in make_plan(data.sampling).tasks}
    assert {shard.name for shard in parts.glob("*.npz")} <= known
    data.prepare_data()
    ClassicalMD(str(tmp_path / "whole.db"), **settings).prepare_data()
    assert rows(path) == rows(tmp_path / "whole.db")
    assert len(rows(path)) == 240
    assert not parts.exists()


def test_drift_of_the_energy_is_stored_for_the_report(tmp_path):
    module(tmp_path / "a.db", energy_check=1.0).prepare_data()
    metadata = ASEAtomsData(str(tmp_path / "a.db")).metadata
    assert metadata["nve_drift"].keys() == {"O", "CO"}
    assert all(0 < abs(drift) < 1.0 for drift in metadata["nve_drift"].values())
    assert metadata["cost"]["energy check"]["core_seconds"] > 0


def exploding(monkeypatch):
    original = Engine.run

    def run(self, temperature, *args, **kwargs):
        if temperature == 600.0 and self.system.name == "CO":
            raise Explosion(f"the trajectory exploded with {self.time_step} fs")
        return original(self, temperature, *args, **kwargs)

    monkeypatch.setattr(Engine, "run", run)


def test_explosions_are_refused_or_dropped_but_never_stored(tmp_path, monkeypatch, caplog):
    exploding(monkeypatch)
    with pytest.raises(InputError, match=r"1 of 4 trajectories exploded.*CO at 600 K.*=drop"):
        module(tmp_path / "a.db").prepare_data()
    assert not (tmp_path / "a.db").exists()
    module(tmp_path / "a.db", on_explosion="drop").prepare_data()  # nothing is run again
    assert "the trajectory exploded with 0.5 fs" in caplog.text
    data = ASEAtomsData(str(tmp_path / "a.db"))
    assert len(data) == 9
    assert data.metadata["dropped"] == ["CO at 600 K"]
    module(tmp_path / "a.db", on_explosion="drop").prepare_data()


def test_near_duplicates_are_left_out_and_counted(sampled, tmp_path, caplog):
    """The frames of each system, at both temperatures, against a plain search for near ones."""
    tolerance = 0.04  # frames 20 fs apart in molecules this small
    thinned = {"min_difference": tolerance, "num_train": 0.7, "num_val": 0.3}
    with caplog.at_level("INFO"):
        module(tmp_path / "a.db", **thinned).prepare_data()
    with connect(sampled, use_lock_file=False) as db:
        atoms = [row.toatoms() for row in db.select()]
    kept: list[int] = []
    for k, frame in enumerate(atoms):
        before = [atoms[j] for j in kept if len(atoms[j]) == len(frame)]
        distances = frame.get_all_distances()[np.triu_indices(len(frame), 1)]
        others = [a.get_all_distances()[np.triu_indices(len(frame), 1)] for a in before]
        if all(np.sqrt(np.mean((distances - other) ** 2)) > tolerance for other in others):
            kept.append(k)
    dropped = {
        name: sum(len(atoms[k]) == n for k in set(range(12)) - set(kept))
        for name, n in (("O", 3), ("CO", 6))
    }
    assert sum(dropped.values()) > 1
    assert rows(tmp_path / "a.db") == [rows(sampled)[k] for k in kept]
    metadata = ASEAtomsData(str(tmp_path / "a.db")).metadata
    assert metadata["near_duplicates_dropped"] == dropped
    assert f"O: {dropped['O']} near-duplicates (up to 0.04 Å) dropped" in caplog.text
    assert metadata["cost"]["near-duplicates"]["core_seconds"] > 0
    with pytest.raises(InputError, match=r"sampled with min_difference=0.04, but.*=0.0"):
        module(tmp_path / "a.db").prepare_data()


def test_parts_write_one_database_together(sampled, tmp_path):
    done = []
    for part in (1, 0, 2):
        data = module(tmp_path / "parts.db", part=part, parts=3)
        done.append(generate(data.sampling))
    assert done == [False, False, True]
    assert rows(tmp_path / "parts.db") == rows(sampled)
