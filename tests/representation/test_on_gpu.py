"""Every representation gives the same energies, forces, stresses and gradients on a GPU."""

import pytest
import torch
from schnetpack.atomistic import Atomwise, Forces, PairwiseDistances, Strain
from schnetpack.model import NeuralNetworkPotential
from schnetpack.nn import CosineCutoff, GaussianRBF
from schnetpack.representation import FieldSchNet, PaiNN, SchNet, SO3net

from gpip_plugins import representation as ours
from gpip_plugins.testing import make_batch, random_cell, random_molecule

pytestmark = pytest.mark.gpu

CUTOFF, N = 4.0, 16


def basis():
    return {"radial_basis": GaussianRBF(8, CUTOFF), "cutoff_fn": CosineCutoff(CUTOFF)}


REPRESENTATIONS = {
    "schnet": lambda: SchNet(N, 2, **basis()),
    "painn": lambda: PaiNN(N, 2, **basis()),
    "so3net": lambda: SO3net(N, 2, lmax=2, **basis()),
    "field_schnet": lambda: FieldSchNet(N, 2, external_fields=[], **basis()),
    "equivariant_transformer": lambda: ours.EquivariantTransformer(
        N, 2, ours.ExpNormalRBF(8, CUTOFF), ours.CosineCutoff(CUTOFF), n_heads=4
    ),
}


def outcome(model, batch, device):
    """Return energies, forces, stress and the gradients of a loss on them, on the CPU."""
    model = model.to(device)
    model.zero_grad()
    out = model({key: value.to(device) for key, value in batch.items()})
    assert out["forces"].device.type == torch.device(device).type
    (out["forces"].square().sum() + out["energy"].square().sum()).backward()
    found = {key: out[key].detach().cpu() for key in ("energy", "forces", "stress")}
    for name, parameter in model.named_parameters():
        if parameter.grad is not None:
            found[name] = parameter.grad.cpu().clone()
    return found


@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 2e-4)], ids=["64", "32"]
)
@pytest.mark.parametrize("name", REPRESENTATIONS)
def test_potential_equals_that_on_the_cpu(name, dtype, tolerance):
    torch.manual_seed(0)
    model = NeuralNetworkPotential(
        REPRESENTATIONS[name](),
        [Strain(), PairwiseDistances()],
        [Atomwise(N, output_key="energy"), Forces(calc_stress=True)],
    ).to(dtype)
    systems = [random_molecule(7, seed=1), random_cell(5, seed=2), random_molecule(3, seed=3)]
    batch = make_batch(systems, CUTOFF, dtype)
    here = outcome(model, batch, "cpu")
    there = outcome(model, batch, "cuda")
    assert here.keys() == there.keys()
    for key, expected in here.items():
        size = float(expected.abs().max())
        torch.testing.assert_close(
            there[key], expected, rtol=0, atol=tolerance * max(size, 1e-3), msg=key
        )


def test_equivariant_transformer_equals_torchmd_net_on_the_gpu(pair):
    """TorchMD-Net has special kernels for pairs on a GPU."""
    reference, model = (one.cuda() for one in pair(torch.float64))
    atoms = random_molecule(9, seed=4)
    batch = make_batch([atoms], CUTOFF, torch.float64)
    batch = PairwiseDistances()({key: value.cuda() for key, value in batch.items()})
    out = model(batch)
    x, vec, *_ = reference(batch["_atomic_numbers"], batch["_positions"], batch["_idx_m"])
    torch.testing.assert_close(out["scalar_representation"], x, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(out["vector_representation"], vec, rtol=1e-9, atol=1e-9)
