"""Writes the stored files that the tests read: `python tests/potential/files/make_files.py`.

One of each kind that a user may hold, of the smallest network. They are kept in the repository and
not made anew, so that a change that cannot read yesterday's files is noticed.
"""

from pathlib import Path

import schnetpack as spk
import torch
from pytorch_lightning import Trainer
from schnetpack import nn as snn

from gpip_plugins.potential import Card

FOLDER = Path(__file__).parent


def small_model() -> spk.model.NeuralNetworkPotential:
    """Return a potential with random weights, as small as possible."""
    torch.manual_seed(0)
    representation = spk.representation.PaiNN(
        4, 1, snn.GaussianRBF(4, 3.0), snn.CosineCutoff(3.0), epsilon=1e-8
    )
    return spk.model.NeuralNetworkPotential(
        representation,
        [spk.atomistic.PairwiseDistances()],
        [spk.atomistic.Atomwise(4, output_key="energy"), spk.atomistic.Forces()],
        postprocessors=[spk.transform.CastTo64()],
    )


def main() -> None:
    """Write all files."""
    model = small_model()
    torch.save(model, FOLDER / "stock_best_model")
    torch.save(model.state_dict(), FOLDER / "state_dict.pt")
    Card(
        units={"energy": "kcal/mol", "forces": "kcal/mol/Ang"},
        distance_unit="Ang",
        cutoff=3.0,
        elements={"H": 20, "O": 10},
        n_train=10,
        n_val=2,
        level_of_theory="none, random numbers",
        data={"water.db": "0" * 64},
        errors={"val_loss": 0.25},
        epoch=3,
        settings={"class": "PaiNN", "n_atom_basis": 4},
        versions={"gpip_plugins": "0.1.0"},
        date="2026-11-28",
    ).attach(model)
    torch.save(model, FOLDER / "best_model")
    outputs = [spk.task.ModelOutput("energy", torch.nn.MSELoss(), metrics={})]
    task = spk.AtomisticTask(model, outputs, torch.optim.AdamW, {"lr": 1e-3})
    trainer = Trainer(logger=False, accelerator="cpu", enable_progress_bar=False)
    trainer.strategy.connect(task)
    trainer.save_checkpoint(FOLDER / "last.ckpt", weights_only=True)


if __name__ == "__main__":
    main()
