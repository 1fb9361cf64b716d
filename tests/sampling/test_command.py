"""The command `gpip sample`."""

import argparse
import os
import re
import shlex
import signal
import time

import hydra
import pytest
from ase import Atoms
from ase.db import connect
from omegaconf import OmegaConf

from gpip_plugins._search_path import recipes_folder
from gpip_plugins.sampling.command import add_sample
from gpip_plugins.sampling.systems.presets import MOLECULES
from gpip_plugins.sampling.systems.sources import Presets
from gpip_plugins.sampling.words import translate

SHORT = ["sampling_interval=0.02", "equilibration=0.02", "temperatures=[300,500]", "cores=1"]
SHORT += ["energy_check=1"]
SHORT += ["force_field=mmff94"]


@pytest.fixture
def sample(tmp_path, run_program):
    """Return a function that runs `gpip sample WORDS` and returns output and errors."""
    return lambda *words, code=0: run_program(tmp_path, "gpip", "sample", *words, code=code)


def rows(path):
    """Return the content of the rows, without ASE's time stamps and random ids."""
    with connect(path, use_lock_file=False) as db:
        return [
            (r.system, r.force_field, *(a.tobytes() for a in (r.positions, *r.data.values())))
            for r in db.select()
        ]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("system=electrolyte cation=Li", "data/system=electrolyte data.system.cation=Li"),
        ("-m system=ethanol,toluene", "-m data/system=ethanol,toluene"),
        ("preparation.npt=5 +seed=3", "data.preparation.npt=5 +data.seed=3"),
        ("++n_frames=4 ~fallback=x", "++data.n_frames=4 ~data.fallback=x"),
        ("hydra/launcher=joblib hydra.verbose=true", None),
        ("cluster=slurm size=paper run.data_dir=x data.n_frames=3 data/system=md17", None),
        ("--cfg job", None),
    ],
)
def test_prefixes_may_be_left_out(words, expected):
    assert translate(words.split()) == (expected or words).split()


def test_help_names_every_system_size_and_cluster():
    text = (recipes_folder() / "sample" / "config.yaml").read_text()
    words = text.split()
    assert set(MOLECULES) <= set(words)
    for folder in ("train/data/system", "train/size", "sample/cluster"):
        for path in (recipes_folder() / folder).glob("*.yaml"):
            assert path.stem in words, path


def test_all_arguments_are_passed_to_hydra():
    parser = argparse.ArgumentParser()
    add_sample(parser.add_subparsers())
    for words in (["--help"], ["-m", "a=1"], ["a=1", "--cfg", "job"], []):
        assert parser.parse_args(["sample", *words]).words == words


def typed():
    """Return the words of every `gpip sample` command in the recipes."""
    found = []
    for path in sorted(recipes_folder().rglob("*.yaml")):
        for line in re.findall(r"gpip sample (.*)", path.read_text()):
            words = shlex.split(line)
            if "=" in line and "..." not in line and not line.endswith(("again:", "reads.")):
                found.append(pytest.param(words, id=line))
    return found


def test_there_are_commands_in_the_recipes():
    assert len(typed()) > 10


@pytest.mark.parametrize("words", typed())
def test_commands_in_the_recipes_compose_and_leave_nothing_open(compose, words):
    words = [word for word in words if word != "-m" and "system=ethanol,tol" not in word]
    config = compose(*words)
    assert not OmegaConf.missing_keys(config)
    OmegaConf.to_container(config, resolve=True)


@pytest.mark.parametrize("name", MOLECULES)
def test_every_molecule_of_md17_is_a_choice_without_a_file(compose, name):
    assert hydra.utils.instantiate(compose(f"system={name}").data.system) == Presets(name)
    assert not (recipes_folder() / "train" / "data" / "system" / f"{name}.yaml").exists()


@pytest.mark.slow
def test_smiles_from_relative_paths(sample, tmp_path):
    words = ["system=smiles", "smiles=CO", "datapath=x/a.db", *SHORT]
    printed, _ = sample(*words, "n_frames=4")
    assert "Estimated time: about" in printed and "from a measured step" in printed
    assert "Cost: trajectories" in printed
    assert len(rows(tmp_path / "x" / "a.db")) == 4
    assert sorted(os.listdir(tmp_path / "x")) == [".a.db.generating", "a.db", "a_quality"]
    _, error = sample(*words, "n_frames=8", code=1)
    assert "was sampled with n_frames=4, but n_frames=8 is requested" in error


@pytest.mark.slow
def test_file_and_its_own_name(sample, tmp_path):
    Atoms("OHH", [[0, 0, 0], [0.96, 0, 0], [-0.24, 0.93, 0]]).write(tmp_path / "mine.xyz")
    sample("system=file", "file=mine.xyz", "n_frames=2", *SHORT)
    assert {row[0] for row in rows(tmp_path / "data" / "mine_mmff94.db")} == {"mine"}


@pytest.mark.slow
def test_training_samples_a_box_from_nothing_and_gpip_sample_finds_it(
    run_program, sample, tmp_path
):
    sampling = ["n_frames=8", "temperatures=[300,600]", "sampling_interval=0.02"]
    sampling += ["equilibration=0", "energy_check=0", "count=27", "cell=9.35", "cores=2"]
    sampling += ["preparation.npt=0", "preparation.annealing=0.04"]
    training = translate(["system=water64", *sampling])[1:]
    training += ["data.num_train=4", "data.num_val=2", "data.batch_size=2", "trainer.max_epochs=1"]
    training += ["trainer.accelerator=cpu", "globals.cutoff=3.0"]
    run_program(tmp_path, "spktrain", "experiment=gpip_water", *training)
    assert len(list(tmp_path.glob("runs/*/best_model"))) == 1
    database = tmp_path / "data" / "water27_tip3p.db"
    written = database.stat().st_mtime_ns
    assert "water27_tip3p.db exists already" in sample("system=water64", *sampling)[0]
    assert database.stat().st_mtime_ns == written


@pytest.mark.slow
def test_interrupted_sampling_keeps_finished_trajectories(start_program, tmp_path):
    words = ["system=ethanol", "datapath=a.db", "n_frames=8000", "cores=2", "force_field=mmff94"]
    process = start_program(tmp_path, "gpip", "sample", *words)
    deadline = time.monotonic() + 300
    while not list(tmp_path.glob("a.parts/*.ticks")) and time.monotonic() < deadline:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    error = process.communicate(timeout=120)[1]
    assert process.returncode == 130, error
    assert "finished trajectories are kept" in error
    assert "Traceback" not in error
    assert not (tmp_path / "a.db").exists()
    assert not list(tmp_path.glob("a.parts/*.part"))


@pytest.mark.slow
@pytest.mark.parametrize("cluster", ["local", "joblib"])
def test_jobs_of_hydras_launchers_write_what_one_run_writes(sample, tmp_path, cluster):
    words = ["system=ethanol", "n_frames=6", *SHORT, "temperatures=[300,400,500]"]
    sample(*words, "datapath=one.db")
    sample(*words, "datapath=many.db", f"cluster={cluster}", "parts=2")
    assert rows(tmp_path / "many.db") == rows(tmp_path / "one.db")
    assert not (tmp_path / "many.parts").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("system=unobtainium", "gpip: system=unobtainium is unknown; choose from aspirin"),
        ("system=smiles", "smiles is not given, but this system needs it; add smiles=..."),
        ("system=smiles smiles=XX", "smiles='XX' does not parse"),
        ("system=file file=no.xyz", "no.xyz does not exist"),
        ("system=isomers count=-3", "count=-3 is not a whole number of at least 1"),
        ("system=water64 count=-1", "composition.water=-1 is not a whole number of at least 1"),
        ("system=electrolyte concentration=0", "concentration=0 is not a number above 0 (mol/L)"),
        ("system=electrolyte cation=Al", "cation='Al' is unknown; choose from Li, Na"),
        ("system=smiles smiles=C[CH]C", "has 1 unpaired electron at atom 1"),
        ("system=smiles smiles=[CH2-]C(=O)C", "its charges add up to +0.000 e"),
        ("system=water64 count=1 preparation.npt=0", "allows a cutoff of only 1.6"),
        ("force_field=amber", "force_field='amber' is unknown"),
        ("n_frames=-5", "n_frames=-5 is not a whole number of at least 1"),
        ("n_frames=100000000000", "MB are free; free some space"),
    ],
)
def test_mistakes_are_reported_before_anything_runs(sample, tmp_path, words, message):
    assert message in sample(*words.split(), code=1)[1]
    assert not list(tmp_path.rglob("*.npz")) and not list(tmp_path.rglob("*.db"))
