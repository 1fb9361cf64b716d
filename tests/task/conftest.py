"""Fine-tuning tasks with small potentials and a dozen labelled molecules."""

import functools

import numpy as np
import pytest
import schnetpack as spk
import torch
from ase.build import molecule
from pytorch_lightning import seed_everything
from schnetpack.data import ASEAtomsData
from schnetpack.nn import CosineCutoff, GaussianRBF
from schnetpack.representation import FieldSchNet, PaiNN, SchNet, SO3net

from gpip_plugins.data import GpipDataModule
from gpip_plugins.task import FineTuningTask
from gpip_plugins.transform import NeighborList

REPRESENTATIONS = {
    "SchNet": (SchNet, {}),
    "PaiNN": (PaiNN, {}),
    "SO3net": (SO3net, {"lmax": 1, "return_vector_representation": True}),
    "FieldSchNet": (FieldSchNet, {"response_properties": ["energy"]}),
}


@pytest.fixture
def make_model():
    """Return a function that builds a small potential, always with the same weights."""

    def build(name="PaiNN", n_interactions=2, heads=(), postprocessors=()):
        torch.manual_seed(0)
        kind, extra = REPRESENTATIONS[name]
        representation = kind(
            n_atom_basis=8,
            n_interactions=n_interactions,
            radial_basis=GaussianRBF(5, 4.0),
            cutoff_fn=CosineCutoff(4.0),
            **extra,
        )
        energy = spk.atomistic.Atomwise(8, output_key="energy")
        return spk.model.NeuralNetworkPotential(
            representation,
            [spk.atomistic.PairwiseDistances()],
            [*heads, energy, spk.atomistic.Forces()],
            postprocessors=list(postprocessors),
        )

    return build


@pytest.fixture
def make_task(make_model):
    """Return a function that builds a task; `cls` may be that of SchNetPack."""

    def build(model=None, cls=FineTuningTask, lr=1e-2, **settings):
        outputs = [
            spk.task.ModelOutput(name, torch.nn.MSELoss(), 1.0, {}) for name in ("energy", "forces")
        ]
        fixed = {
            "optimizer_cls": torch.optim.AdamW,
            "optimizer_args": {"lr": lr},
            "warmup_steps": 0,
        }
        settings = fixed | settings
        return cls(model=model or make_model(), outputs=outputs, **settings)

    return build


@pytest.fixture
def database(tmp_path):
    """Return the path of twelve distorted molecules with random labels."""
    rng = np.random.default_rng(0)
    units = {"energy": "eV", "forces": "eV/Ang", "homo": "eV"}
    store = ASEAtomsData.create(
        str(tmp_path / "labels.db"), distance_unit="Ang", property_unit_dict=units
    )
    frames = [molecule(("CH3CH2OH", "H2O", "CH4")[k % 3]) for k in range(12)]
    labels = []
    for atoms in frames:
        atoms.positions += rng.normal(scale=0.1, size=atoms.positions.shape)
        numbers = {"energy": rng.normal(size=1), "homo": rng.normal(size=1) - 7.0}
        labels.append(numbers | {"forces": rng.normal(size=(len(atoms), 3))})
    store.add_systems(labels, frames)
    return str(tmp_path / "labels.db")


@pytest.fixture
def make_data(database, tmp_path):
    """Return a function that builds the data module; two training batches per epoch."""

    def build(*transforms):
        return GpipDataModule(
            database,
            batch_size=4,
            num_train=8,
            num_val=4,
            num_test=0,
            split_file=None,
            transforms=[*transforms, NeighborList(4.0), spk.transform.CastTo32()],
        )

    return build


@pytest.fixture
def make_trainer(quiet_trainer):
    """Return a function that builds a trainer with SchNetPack's moving average."""
    seed_everything(0, verbose=False)
    return functools.partial(quiet_trainer, enable_checkpointing=False)
