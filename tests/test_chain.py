"""The whole job, typed as a user types it: sample, pre-train, import, fine-tune, simulate, predict.

Each fixture runs one command in an empty folder, with a network and data as small as can be; the
tests look at what it left and said.
"""

import csv
import os
import re
import shlex
import time

import numpy as np
import pytest
from ase import Atoms
from ase.build import molecule
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import read, write
from schnetpack.data import ASEAtomsData

pytestmark = pytest.mark.slow

NETWORK = ["model.representation.n_atom_basis=16", "model.representation.n_interactions=2"]
PRETRAIN = [
    "experiment=gpip_pretrain",
    "data.n_frames=40",
    "data.num_train=32",
    "data.num_val=4",
    "data.temperatures=[300,600]",
    "data.equilibration=0.1",
    "data.sampling_interval=0.05",
    "data.batch_size=8",
    "trainer.accelerator=cpu",
    *NETWORK,
]


def curves(run):
    with open(run / "curves.csv") as handle:
        return list(csv.DictReader(handle))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("a user's folder")


@pytest.fixture(scope="module")
def pretrained(folder, run_program):
    """Return what pre-training printed; its run is runs/pre."""
    out, _ = run_program(folder, "spktrain", *PRETRAIN, "run.id=pre", "trainer.max_epochs=2")
    return out


@pytest.fixture(scope="module")
def labels(folder, pretrained, run_program):
    """Label the sampled configurations with their OPLS-AA energies, far from zero as DFT's are."""
    data = ASEAtomsData(str(folder / "data" / "ethanol_opls.db"))
    frames = []
    for k in range(len(data)):
        row = data[k]
        atoms = Atoms(row["_atomic_numbers"].numpy(), row["_positions"].numpy())
        atoms.calc = SinglePointCalculator(
            atoms, energy=row["energy"].item() - 4200.0, forces=row["forces"].numpy()
        )
        frames.append(atoms)
    write(folder / "labels.xyz", frames)
    words = ["import", "labels.xyz", "labels.db", "--energy-unit", "eV"]
    return run_program(folder, "gpip", *words)[0]


@pytest.fixture(scope="module")
def finetuned(folder, pretrained, labels, run_program):
    """Return what fine-tuning printed; its run is runs/tuned."""
    words = ["experiment=gpip_finetune", "run.id=tuned", "trainer.max_epochs=2", *NETWORK]
    paths = ["pretrained.path=runs/pre/best_model", "data.datapath=labels.db"]
    return run_program(folder, "spktrain", *words, *paths, "trainer.accelerator=cpu")[0]


def test_pretraining_leaves_data_model_curves_and_the_next_commands(folder, pretrained):
    run = folder / "runs" / "pre"
    for name in ("best_model", "curves.csv", "curves.png", "config.yaml", "checkpoints/last.ckpt"):
        assert (run / name).stat().st_size > 0, name
    assert len(ASEAtomsData(str(folder / "data" / "ethanol_opls.db"))) == 40
    rows = curves(run)
    assert len(rows) == 2
    for task in ("masked_atoms", "noise", "structure_latent"):
        assert np.isfinite(float(rows[1][f"val_{task}_loss"])), task
    printed = dict(re.findall(r"^  ([\w-]+): +(.*)$", pretrained, re.MULTILINE))
    # Quoted for the shell, and within that for Hydra.
    path = f'pretrained.path="{run / "best_model"}"'
    words = ["spktrain", "experiment=gpip_finetune", path, "data.datapath=labels.db"]
    assert shlex.split(printed["fine-tune"]) == words
    assert printed["simulate"].startswith("spkmd simulation=molecule_nvt calculator.model_file=")


def test_the_printed_command_fine_tunes(folder, pretrained, labels, run_program):
    """Typed as it was printed, in the folder that holds labels.db; the folder's name has blanks."""
    line = re.search(r"^  fine-tune: +(.*)$", pretrained, re.MULTILINE)[1]
    program, *words = shlex.split(line)
    more = ["run.id=printed", "trainer.max_epochs=1", "trainer.accelerator=cpu"]
    out, _ = run_program(folder, program, *words, *more)
    assert "newly initialised" in out
    assert (folder / "runs" / "printed" / "best_model").is_file()


def test_import_says_what_it_wrote(folder, labels):
    assert labels.startswith("labels.db: 40 frames written")
    data = ASEAtomsData(str(folder / "labels.db"))
    first = read(folder / "labels.xyz", 0)
    assert data[0]["energy"].item() == pytest.approx(first.get_potential_energy(), abs=1e-6)


def test_finetuning_from_relative_paths(folder, finetuned):
    assert "newly initialised" in finetuned and "output_modules" in finetuned
    run = folder / "runs" / "tuned"
    assert (run / "best_model").is_file()
    assert len(curves(run)) == 2
    assert "spkmd simulation=molecule_nvt" in finetuned


def test_a_network_of_another_width_is_refused(folder, pretrained, labels, run_program):
    words = ["experiment=gpip_finetune", "run.id=wide", "pretrained.path=runs/pre/best_model"]
    more = ["data.datapath=labels.db", "trainer.accelerator=cpu"]
    width = "model.representation.n_atom_basis=32"
    _, sentence = run_program(folder, "spktrain", *words, *more, width, code=1)
    assert f"{width} contradicts pretrained.path=" in sentence and "network has 16" in sentence


def test_simulation(folder, finetuned, run_program):
    from schnetpack.md.data import HDF5Loader

    write(folder / "ethanol.xyz", molecule("CH3CH2OH"))
    run_program(
        folder,
        "spkmd",
        "simulation=molecule_nvt",
        "calculator.model_file=runs/tuned/best_model",
        "system.molecule_file=ethanol.xyz",
        "simulation_dir=md",
        "dynamics.n_steps=21",
        "callbacks.hdf5.every_n_steps=10",
    )
    loader = HDF5Loader(str(folder / "md" / "simulation.hdf5"))
    loader.database.close()
    assert loader.entries == 3
    moved = loader.get_positions()[-1] - loader.get_positions()[0]
    assert np.isfinite(moved).all() and np.abs(moved).max() > 0


def test_simulation_of_an_element_that_no_label_had(folder, finetuned, run_program):
    write(folder / "chloride.xyz", molecule("CH3Cl"))
    _, sentence = run_program(
        folder,
        "spkmd",
        "simulation=molecule_nvt",
        "calculator.model_file=runs/tuned/best_model",
        "system.molecule_file=chloride.xyz",
        "simulation_dir=md2",
        code=1,
    )
    assert "contains Cl (Z = 17), but the model knows only H, C, O" in sentence


def test_prediction(folder, finetuned, run_program):
    words = ["predict", "runs/tuned/best_model", "labels.xyz", "predicted.xyz"]
    out, _ = run_program(folder, "gpip", *words)
    assert "predicted.xyz: 40 structures" in out and re.search(r"forces +MAE [\d.]+", out)
    energies = [atoms.get_potential_energy() for atoms in read(folder / "predicted.xyz", ":")]
    # The mean energy of the labels comes back with the post-processing.
    assert np.mean(energies) == pytest.approx(-4200, abs=50)
    write(folder / "chloride.xyz", molecule("CH3Cl"))
    words = ["predict", "runs/tuned", "chloride.xyz", "x.xyz"]
    _, sentence = run_program(folder, "gpip", *words, code=1)
    assert "contains Cl (Z = 17), but the model knows only H, C, O" in sentence


def test_interruption_company_and_resumption(folder, pretrained, run_program, start_program):
    """A run is killed; meanwhile another in its folder is refused; afterwards it goes on."""
    words = [*PRETRAIN, "run.id=long"]
    run = folder / "runs" / "long"
    first = start_program(folder, "spktrain", *words, "trainer.max_epochs=100000")
    try:
        deadline = time.monotonic() + 300
        while not (run / "checkpoints" / "last.ckpt").is_file():
            assert first.poll() is None, first.communicate()[1]
            assert time.monotonic() < deadline
            time.sleep(0.5)
        _, sentence = run_program(folder, "spktrain", *words, code=1)
        assert "Another run is going on in" in sentence and "run.id=" in sentence
        assert first.poll() is None
    finally:
        first.kill()
        first.communicate()
    # As after a crash of the machine; the run goes on from its other checkpoint.
    os.truncate(run / "checkpoints" / "last.ckpt", 1000)
    done = int(curves(run)[-1]["epoch"])
    out, err = run_program(folder, "spktrain", *words, f"trainer.max_epochs={done + 3}")
    assert "last.ckpt is damaged" in err and "Restored all states" in err + out
    epochs = [int(row["epoch"]) for row in curves(run)]
    assert epochs == list(range(done + 3)), "no epoch twice, none left out"
    assert (run / "best_model").is_file() and not (run / "unfinished.txt").exists()
    assert len(list((run / "checkpoints").iterdir())) == 2


def test_a_queue_stops_the_run_and_the_printed_command_goes_on(
    folder, finetuned, run_program, start_program
):
    """From a checkpoint as our runs name it, in a folder with blanks and brackets."""
    best = next((folder / "runs" / "tuned" / "checkpoints").glob("epoch=*.ckpt"))
    words = ["experiment=gpip_finetune", f"pretrained.path={best}", "data.datapath=labels.db"]
    words += ["trainer.accelerator=cpu", "run.id=a=b (1),[2]"]
    run = folder / "runs" / "a=b (1),[2]"
    first = start_program(folder, "spktrain", *words, "trainer.max_epochs=100000")
    deadline = time.monotonic() + 300
    while not (run / "checkpoints" / "last.ckpt").is_file():
        assert first.poll() is None and time.monotonic() < deadline
        time.sleep(0.5)
    first.terminate()
    said = first.communicate()[1].strip().splitlines()[-1]
    assert first.returncode == 143 and "was stopped by SIGTERM" in said
    assert "has not finished" in run_program(folder, "gpip", "info", str(run))[0]
    program, *words = shlex.split(said.partition("same folder: ")[2])
    done = int(curves(run)[-1]["epoch"])
    last = f"trainer.max_epochs={done + 2}"
    run_program(folder, program, *[w for w in words if "max_epochs" not in w], last)
    assert "has not finished" not in run_program(folder, "gpip", "info", str(run))[0]
