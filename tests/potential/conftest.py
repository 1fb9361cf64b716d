"""Small potentials with a card: random weights, or fitted to springs."""

import numpy as np
import pytest
import torch
from ase.build import molecule
from schnetpack.atomistic import Atomwise, Forces, PairwiseDistances
from schnetpack.model import NeuralNetworkPotential
from schnetpack.nn import CosineCutoff, GaussianRBF
from schnetpack.representation import PaiNN

from gpip_plugins.potential import Card
from gpip_plugins.testing import make_batch


def potential(seed=0, cutoff=4.0, outputs=(), **card):
    """Return a potential with random weights."""
    torch.manual_seed(seed)
    heads = [Atomwise(8, output_key="energy"), *(outputs or [Forces()])]
    representation = PaiNN(8, 2, GaussianRBF(8, cutoff), CosineCutoff(cutoff))
    model = NeuralNetworkPotential(representation, [PairwiseDistances()], heads)
    Card(**{"units": {"energy": "eV"}, "distance_unit": "Ang"} | card).attach(model)
    return model


@pytest.fixture
def stored(tmp_path):
    """Return a function: the file of a potential with random weights."""

    def make(name="best_model", **settings):
        torch.save(potential(**settings), tmp_path / name)
        return str(tmp_path / name)

    return make


@pytest.fixture(scope="session")
def springs(tmp_path_factory):
    """The file of a potential fitted to water with springs of 10 eV/Å^2 between all atoms."""
    model, water, rng = potential().double(), molecule("H2O"), np.random.default_rng(0)
    frames, forces = [], []
    for _ in range(30):
        frames.append(water.copy())
        frames[-1].positions += rng.normal(scale=0.08, size=(3, 3))
        R = frames[-1].positions
        d = R[:, None] - R[None]
        r = np.linalg.norm(d, axis=2) + np.eye(3)
        pull = -10.0 * (r - water.get_all_distances() - np.eye(3)) / r
        forces.append((pull[..., None] * d).sum(1))
    batch = make_batch(frames, 4.0, torch.float64)
    target = torch.tensor(np.concatenate(forces))
    optimiser = torch.optim.Adam(model.parameters(), lr=2e-2)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, 150)
    for _ in range(150):
        loss = (model(dict(batch))["forces"] - target).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        scheduler.step()
    assert loss < 0.003 * target.square().mean()
    path = tmp_path_factory.mktemp("springs") / "best_model"
    torch.save(model, path)
    return str(path)
