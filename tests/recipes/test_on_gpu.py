"""Recipes on a GPU: the losses are those of the CPU, and every command of the chain runs there."""

import functools
import json

import numpy as np
import pytest
from ase.build import molecule
from ase.io import read, write

pytestmark = pytest.mark.gpu

SMALL = ["model.representation.n_atom_basis=16", "model.representation.n_interactions=2"]
EXPERIMENTS = {
    "gpip": ("experiment=gpip_pretrain", "data=configurations"),
    "gpip with the gradient": (
        "experiment=gpip_pretrain",
        "data=configurations",
        "pretext=[mask,noise_gradient,contrast]",
    ),
    "gpip and labels": ("experiment=gpip_classical_pretrain", "data=configurations"),
    "noisy nodes": ("experiment=gpip_finetune", "pretext=[noisy_nodes]"),
}


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_losses_are_those_of_the_cpu(train, name):
    logged = {}
    for accelerator in ("cpu", "cuda"):
        words = (*EXPERIMENTS[name], "data.num_train=4", "data.num_val=4", "data.num_test=4")
        logged[accelerator] = train(
            *words, folder=accelerator, accelerator=accelerator
        ).logged_metrics
    assert logged["cuda"].keys() == logged["cpu"].keys()
    for key, value in logged["cpu"].items():
        assert logged["cuda"][key].item() == pytest.approx(value.item(), rel=1e-3, abs=1e-5), key


def cost_of(run):
    return json.loads((run / "cost.json").read_text())


@pytest.mark.slow
def test_the_whole_chain_where_there_is_a_gpu(database, run_program, tmp_path):
    """Trainings take it by themselves; prediction there is that on a CPU; dynamics run."""
    run = functools.partial(run_program, tmp_path, gpu=True)
    sizes = ("data.num_train=8", "data.num_val=4", "data.num_test=0", "data.batch_size=4")
    labels = (f"data.datapath={database}", *sizes, *SMALL)
    words = ("experiment=gpip_pretrain", "data=configurations", *labels, "run.id=pre")
    run("spktrain", *words, "trainer.max_epochs=1")
    # A second epoch goes on from the first.
    run("spktrain", *words, "trainer.max_epochs=2")
    assert cost_of(tmp_path / "runs" / "pre")["steps"] == 4
    tuned = ("experiment=gpip_finetune", "pretrained.path=runs/pre/best_model", *labels)
    run("spktrain", *tuned, "run.id=tuned", "trainer.max_epochs=2")
    for name in ("pre", "tuned"):
        assert cost_of(tmp_path / "runs" / name)["gpu_seconds"] > 0

    write(tmp_path / "ethanol.xyz", [molecule("CH3CH2OH")])
    forces = []
    for device in ("cuda", "cpu"):
        file = f"{device}.xyz"
        words = ("predict", "runs/tuned", "ethanol.xyz", file, "--device", device)
        run("gpip", *words)
        forces.append(read(tmp_path / file).get_forces())
    np.testing.assert_allclose(forces[0], forces[1], atol=1e-4)

    run(
        "spkmd",
        "simulation=molecule_nvt",
        "calculator.model_file=runs/tuned/best_model",
        "system.molecule_file=ethanol.xyz",
        "system.n_replicas=2",
        "simulation_dir=md",
        "dynamics.n_steps=21",
        "callbacks.hdf5.every_n_steps=10",
    )
    assert (tmp_path / "md" / "simulation.hdf5").stat().st_size > 0
