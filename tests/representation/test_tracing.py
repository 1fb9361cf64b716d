"""The Equivariant Transformer as a traced graph of operations, for a compiler."""

import pytest
import torch
from schnetpack import properties
from torch.fx.experimental.proxy_tensor import make_fx

from gpip_plugins.representation import CosineCutoff, EquivariantTransformer, ExpNormalRBF
from gpip_plugins.testing import make_batch, random_cell, random_molecule

pytestmark = pytest.mark.slow

CUTOFF = 4.0
NAMES = (properties.Z, properties.R, properties.idx_i, properties.idx_j, properties.offsets)


def tensors(systems):
    batch = make_batch(systems, CUTOFF)
    return [batch[name] for name in NAMES]


@pytest.mark.parametrize("vector_cutoff", [True, False])
def test_energy_and_forces_for_any_number_of_atoms_and_pairs(vector_cutoff):
    """Traced with one batch, evaluated with another, of other sizes and with lone atoms."""
    torch.manual_seed(0)
    model = EquivariantTransformer(
        8, 2, ExpNormalRBF(6, CUTOFF), CosineCutoff(CUTOFF), 2, vector_cutoff=vector_cutoff
    ).double()

    def energy_and_forces(z, r, idx_i, idx_j, offsets):
        r = r.detach().requires_grad_()
        r_ij = r.index_select(0, idx_j) - r.index_select(0, idx_i) + offsets
        inputs = dict(zip(NAMES, (z, r, idx_i, idx_j, offsets), strict=True))
        out = model(inputs | {properties.Rij: r_ij})
        energy = out["scalar_representation"].square().sum()
        energy = energy + out["vector_representation"].pow(4).sum()
        return energy, -torch.autograd.grad(energy, r, create_graph=True)[0]

    sample = tensors([random_molecule(9, seed=1), random_molecule(5, seed=2)])
    graph = make_fx(energy_and_forces, tracing_mode="symbolic", _allow_non_fake_inputs=True)
    graph = graph(*sample)
    for systems in (
        [random_molecule(6, seed=3), random_cell(4, seed=4), random_molecule(1)],
        [random_molecule(1), random_molecule(7, seed=5)],
    ):
        inputs = tensors(systems)
        expected, found = energy_and_forces(*inputs), graph(*inputs)
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
