"""The data module that samples what is missing."""

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
from gpip_plugins.sampling import database
from gpip_plugins.sampling.engine import LangevinEngine

SMALL = {
    "batch_size": 4,
    "n_frames": 12,
    "smiles": ["O", "CO"],
    "temperatures": [300, 600],
    "sampling_interval": 0.02,
    "equilibration": 0.1,
    "num_train": 8,
    "num_val": 4,
    "num_workers": 0,
    "split_file": None,
    "progress": False,
}


def module(datapath, **settings):
    return ClassicalMD(str(datapath), **SMALL | settings)


def rows(datapath):
    """Return what the rows hold, without ASE's time stamps and random ids."""
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

    monkeypatch.setattr(LangevinEngine, "run", run)


def test_rows_hold_labels_temperature_and_system_with_units(sampled):
    data = ASEAtomsData(str(sampled))
    assert data.units == {"energy": "eV", "forces": "eV/Ang", "temperature": "K"}
    assert data.distance_unit == "Ang"
    assert len(data) == 12
    found = list(data.iter_properties(load_metadata=True))
    assert [p["metadata"]["system"] for p in found] == ["O"] * 6 + ["CO"] * 6
    assert [p["temperature"].item() for p in found] == ([300.0] * 3 + [600.0] * 3) * 2
    assert found[0]["energy"].shape == found[0]["temperature"].shape == (1,)
    assert found[0]["forces"].shape == (3, 3)
    assert found[6]["forces"].shape == (6, 3)
    assert not found[0]["_pbc"].any()
    settings = data.metadata["sampling"]
    assert settings["force_field"] == "mmff94"
    assert settings["molecules"] == {"O": "O", "CO": "CO"}


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
    original = LangevinEngine.run

    def run(self, temperature, *args, **kwargs):
        calls.append(temperature)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return original(self, temperature, *args, **kwargs)

    monkeypatch.setattr(LangevinEngine, "run", run)
    with pytest.raises(KeyboardInterrupt):
        module(tmp_path / "torn.db").prepare_data()
    assert sorted(os.listdir(tmp_path)) == [".torn.db.generating", "torn.parts"]
    module(tmp_path / "torn.db").prepare_data()
    assert len(calls) == 5  # three were kept, the fourth was run again
    assert rows(tmp_path / "torn.db") == rows(sampled)


def test_full_disk_while_merging_leaves_no_database(tmp_path, monkeypatch):
    def add_systems(*args, **kwargs):
        raise OSError("No space left on device")

    monkeypatch.setattr(ASEAtomsData, "add_systems", add_systems)
    with pytest.raises(OSError, match="No space"):
        module(tmp_path / "full.db").prepare_data()
    assert sorted(os.listdir(tmp_path)) == [".full.db.generating", "full.parts"]


def test_hydras_lists_and_single_names_are_understood(tmp_path):
    data = module(
        tmp_path / "a.db",
        smiles=None,
        molecules=OmegaConf.create(["ethanol"]),
        temperatures=OmegaConf.create([300, 600]),
    )
    data.prepare_data()
    module(tmp_path / "a.db", smiles=None, molecules="ethanol").prepare_data()


def test_structure_file_names_the_system(tmp_path, monkeypatch):
    Atoms("OHH", [[0, 0, 0], [0.96, 0, 0], [-0.24, 0.93, 0]]).write(tmp_path / "water.xyz")
    monkeypatch.chdir(tmp_path)
    data = module("a.db", smiles=None, structures="water.xyz")
    data.prepare_data()
    assert {row[0] for row in rows(tmp_path / "a.db")} == {"water"}


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ({"seed": 3}, "seed"),
        ({"temperatures": [300, 700]}, "temperatures"),
        ({"smiles": ["O", "CCO"]}, "molecules"),
        ({"force_field": "mmff94s"}, "force_field"),
        ({"n_frames": 24}, "n_frames"),
        ({"friction": 1.0}, "friction"),
        ({"time_step": 0.5}, "time_step"),
        ({"sampling_interval": 0.04}, "sampling_interval"),
        ({"equilibration": 0.2}, "equilibration"),
    ],
)
def test_database_of_other_settings_is_refused_with_the_key(sampled, no_simulation, settings, key):
    with pytest.raises(InputError, match=rf"was sampled with {key}=.* but {key}=.* is asked for"):
        module(sampled, **settings).prepare_data()


def test_database_of_other_origin_is_refused(tmp_path, no_simulation):
    ASEAtomsData.create(str(tmp_path / "labels.db"), "Ang", {"energy": "eV"})
    with pytest.raises(InputError, match=r"was not sampled by ClassicalMD; .* data=custom"):
        module(tmp_path / "labels.db").prepare_data()


def test_corrupt_database_is_refused(tmp_path, no_simulation):
    (tmp_path / "corrupt.db").write_bytes(b"no database at all" * 100)
    with pytest.raises(InputError, match=r"corrupt.db' is not a readable ASE database"):
        module(tmp_path / "corrupt.db").prepare_data()


def test_database_with_missing_rows_is_refused(tmp_path, no_simulation, sampled):
    (tmp_path / "short.db").write_bytes(sampled.read_bytes())
    with connect(tmp_path / "short.db") as db:
        db.delete([3])
    with pytest.raises(InputError, match=r"holds 11 rows instead of n_frames=12"):
        module(tmp_path / "short.db").prepare_data()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"smiles": None}, r"leave nothing to sample"),
        ({"smiles": ["CC("]}, r"smiles='CC\(' does not parse"),
        ({"molecules": ["asprin"]}, r"molecules='asprin' is not a preset"),
        ({"smiles": ["O", "[H]O"]}, r"the molecule 'O' is named 2 times"),
        ({"smiles": ["F[P-](F)(F)(F)(F)F"]}, r"force_field='mmff94' does not cover"),
        ({"structures": ["nowhere.xyz"]}, r"nowhere.xyz' does not exist"),
        ({"force_field": "uff"}, r"force_field='uff' is unknown"),
        ({"temperatures": [-1]}, r"temperatures=-1 is not above 0 K"),
        ({"n_frames": 2, "num_train": 1, "num_val": 1}, r"n_frames=2 is less than one frame"),
        ({"num_train": 10}, r"= 14 is more than n_frames=12"),
        ({"seed": "now"}, r"seed='now' is not a whole number"),
        ({"time_step": -1.0}, r"time_step=-1.0 must be positive"),
        ({"sampling_interval": 0.0005}, r"is not a multiple of time_step=1.0 fs"),
    ],
)
def test_bad_setting_is_named_before_anything_runs(tmp_path, no_simulation, settings, message):
    with pytest.raises(InputError, match=message):
        module(tmp_path / "new.db", **settings).prepare_data()
    assert os.listdir(tmp_path) == []


def test_datapath_must_end_in_db(tmp_path):
    with pytest.raises(InputError, match=r"let the name end in '.db'"):
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
from types import SimpleNamespace
from gpip_plugins.datasets import ClassicalMD
logging.basicConfig(level=logging.INFO)
folder = Path(sys.argv[1])
(folder / f"ready{sys.argv[2]}").touch()
while not (folder / "go").exists():
    time.sleep(0.01)
ClassicalMD(
    str(folder / "data.db"), batch_size=4, n_frames=40, molecules="ethanol",
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


@pytest.mark.slow
def test_killed_run_goes_on_where_it_was(tmp_path):
    """SIGKILL leaves no chance to tidy up; the result is the same nevertheless."""
    settings = SMALL | {"molecules": "ethanol", "smiles": None, "n_frames": 60}
    settings |= {"temperatures": [300, 400, 500, 600, 700, 800], "sampling_interval": 1.0}
    path = str(tmp_path / "killed.db")
    code = "from gpip_plugins.datasets import ClassicalMD\n"
    code += f"ClassicalMD({path!r}, **{settings}).prepare_data()"
    process = subprocess.Popen([sys.executable, "-W", "ignore", "-c", code])
    parts = tmp_path / "killed.parts"
    deadline = time.monotonic() + 120
    while len(list(parts.glob("*.npz"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    process.kill()
    process.wait()
    assert not Path(path).exists()
    assert len(list(parts.glob("*.npz"))) >= 2
    ClassicalMD(path, **settings).prepare_data()
    ClassicalMD(str(tmp_path / "whole.db"), **settings).prepare_data()
    assert rows(path) == rows(tmp_path / "whole.db")
    assert not parts.exists()
