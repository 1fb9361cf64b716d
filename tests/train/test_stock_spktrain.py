"""SchNetPack's own experiment with our callbacks, by the command that a user types."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gpip_plugins.checkpoint import load

pytestmark = pytest.mark.slow


@pytest.fixture
def spktrain(database, tmp_path):
    """Return a function that runs `spktrain experiment=md17` on a few molecules."""
    program = Path(sys.executable).parent / "spktrain"
    environment = {k: v for k, v in os.environ.items() if not k.startswith("TORCH_FORCE")}

    def run(*overrides):
        fixed = [
            "experiment=md17",
            "data=custom",
            "run.experiment=stock",
            f"data.datapath={database}",
            "data.num_train=8",
            "data.num_val=2",
            "data.num_test=2",
            "data.batch_size=4",
            "data.num_workers=0",
            "data.property_units.energy=eV",
            "data.property_units.forces=eV/Ang",
            "model.representation.n_atom_basis=8",
            "model.representation.n_interactions=1",
            "callbacks=gpip",
            "logger=csv",
            "trainer.accelerator=cpu",
        ]
        return subprocess.run(
            [program, *fixed, *overrides],
            cwd=tmp_path,
            env=environment | {"PWD": str(tmp_path), "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
        )

    return run


def test_finishes_resumes_and_starts_from_a_relative_path(spktrain, tmp_path):
    done = spktrain("run.id=one", "trainer.max_epochs=1")
    assert done.returncode == 0, done.stderr
    run = tmp_path / "runs" / "one"
    for name in ("best_model", "best_model.task", "curves.csv", "curves.png"):
        assert (run / name).is_file(), name

    # The folder exists, so the run goes on from checkpoints/last.ckpt.
    done = spktrain("run.id=one", "trainer.max_epochs=2")
    assert done.returncode == 0, done.stderr
    assert "Restored all states" in done.stderr
    assert len((run / "curves.csv").read_text().splitlines()) == 3

    start = ["+pretrained=representation", "pretrained.path=runs/one/best_model"]
    done = spktrain("run.id=two", "trainer.max_epochs=1", *start)
    assert done.returncode == 0, done.stderr
    assert load(run).sha256 in done.stdout and "newly initialised" in done.stdout
    assert (tmp_path / "runs" / "two" / "best_model").is_file()

    # Resuming that run does not load the file again, and no longer needs it.
    (run / "best_model").unlink()
    done = spktrain("run.id=two", "trainer.max_epochs=2", *start)
    assert done.returncode == 0, done.stderr
    assert "no pre-trained weights are loaded" in done.stdout


def test_mistakes_get_a_sentence_without_trace_back(spktrain):
    for overrides, words in (
        ([], "pretrained.path is not set"),
        (["pretrained.path=nothing"], "nothing does not exist"),
    ):
        done = spktrain("run.id=three", "+pretrained=representation", *overrides)
        assert done.returncode == 1
        assert words in done.stderr and "Traceback" not in done.stderr


def test_our_network_in_schnetpacks_own_experiment(spktrain, tmp_path):
    network = "model/representation=equivariant_transformer"
    done = spktrain("run.id=et", "trainer.max_epochs=1", network)
    assert done.returncode == 0, done.stderr
    assert "Warp" not in done.stdout + done.stderr
    settings = load(tmp_path / "runs" / "et").settings
    assert settings["class"] == "EquivariantTransformer"
