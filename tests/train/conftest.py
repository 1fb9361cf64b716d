"""A tiny potential, task and data set, for tests that train for a few batches."""

import numpy as np
import pytest
import schnetpack as spk
import schnetpack.nn as snn
import torch
import torchmetrics
from ase.build import molecule
from schnetpack import transform
from schnetpack.data import ASEAtomsData, AtomsDataModule
from schnetpack.representation import FieldSchNet, PaiNN, SchNet, SO3net

from gpip_plugins.train import ModelCheckpoint

REPRESENTATIONS = {
    "SchNet": (SchNet, {}),
    "PaiNN": (PaiNN, {}),
    "SO3net": (SO3net, {"lmax": 2}),
    "FieldSchNet": (FieldSchNet, {"response_properties": ["energy"]}),
}


@pytest.fixture
def make_model():
    """Return a function that builds a small potential with random weights."""

    def build(name="PaiNN", n_atom_basis=8, n_interactions=1, cutoff=4.0, n_rbf=6, **settings):
        kind, extra = REPRESENTATIONS[name]
        representation = kind(
            n_atom_basis=n_atom_basis,
            n_interactions=n_interactions,
            radial_basis=snn.GaussianRBF(n_rbf=n_rbf, cutoff=cutoff),
            cutoff_fn=snn.CosineCutoff(cutoff),
            **extra,
            **settings,
        )
        return spk.model.NeuralNetworkPotential(
            representation=representation,
            input_modules=[spk.atomistic.PairwiseDistances()],
            output_modules=[
                spk.atomistic.Atomwise(n_in=n_atom_basis, output_key="energy"),
                spk.atomistic.Forces(),
            ],
        )

    return build


@pytest.fixture
def make_task(make_model):
    """Return a function that builds a task around a small potential."""

    def build(model=None):
        def output(name):
            metrics = {"mae": torchmetrics.regression.MeanAbsoluteError()}
            return spk.task.ModelOutput(name, torch.nn.MSELoss(), 1.0, metrics)

        return spk.AtomisticTask(
            model=model or make_model(),
            outputs=[output("energy"), output("forces")],
            optimizer_cls=torch.optim.AdamW,
            optimizer_args={"lr": 1e-2},
            scheduler_cls=spk.train.ReduceLROnPlateau,
            scheduler_args={"patience": 1},
            scheduler_monitor="val_loss",
        )

    return build


@pytest.fixture
def database(tmp_path):
    """Return the path of twelve distorted ethanol molecules with random labels."""
    rng = np.random.default_rng(0)
    path = tmp_path / "ethanol.db"
    store = ASEAtomsData.create(
        str(path),
        distance_unit="Ang",
        property_unit_dict={"energy": "eV", "forces": "eV/Ang"},
    )
    frames, labels = [], []
    for _ in range(12):
        atoms = molecule("CH3CH2OH")
        atoms.positions += rng.normal(scale=0.1, size=atoms.positions.shape)
        frames.append(atoms)
        labels.append({"energy": rng.normal(size=1), "forces": rng.normal(size=(9, 3))})
    store.add_systems(labels, frames)
    return path


@pytest.fixture
def make_data(database, tmp_path):
    """Return a function that builds the data module."""

    def build():
        return AtomsDataModule(
            str(database),
            batch_size=4,
            num_train=8,
            num_val=2,
            num_test=2,
            num_workers=0,
            split_file=str(tmp_path / "split.npz"),
            transforms=[transform.ASENeighborList(cutoff=4.0), transform.CastTo32()],
        )

    return build


@pytest.fixture
def make_trainer(tmp_path, quiet_trainer):
    """Return a function that builds a trainer that stores checkpoints, with EMA."""

    def build(*callbacks, max_epochs=1, **options):
        checkpoint = ModelCheckpoint(
            model_path=str(tmp_path / "best_model"),
            monitor="val_loss",
            dirpath=str(tmp_path / "checkpoints"),
        )
        return quiet_trainer(checkpoint, *callbacks, max_epochs=max_epochs, **options)

    return build
