"""Net3D against a loop over graphs, and its invariances."""

import math

import pytest
import torch
from ase.build import bulk, molecule
from schnetpack import properties as spk

from gpip_plugins import properties
from gpip_plugins.atomistic import Contrastive, DistanceEncoding, Net3D, pool
from gpip_plugins.nn import NTXentLoss
from gpip_plugins.testing import make_batch, random_cell


def test_encoding_by_hand():
    out = DistanceEncoding(4)(torch.tensor([1.5]))[0]
    expected = [math.sin(1.5 / 2**k) for k in range(4)]
    expected += [math.cos(1.5 / 2**k) for k in range(4)] + [1.5]
    torch.testing.assert_close(out, torch.tensor(expected))


def test_one_call_for_a_batch_equals_one_call_for_each():
    torch.manual_seed(0)
    net = Net3D(n_out=12, n_layers=2).double()
    systems = [molecule("CH3CH2OH"), random_cell(7, seed=1), molecule("H2O"), molecule("H")]
    together = net(make_batch(systems, 3.0))
    alone = torch.cat([net(make_batch([a], 3.0)) for a in systems])
    torch.testing.assert_close(together, alone, atol=1e-12, rtol=0)


def test_reads_the_clean_positions_and_no_elements():
    torch.manual_seed(0)
    net = Net3D(n_out=6)
    batch = make_batch([molecule("CH3CH2OH")], 3.0, dtype=torch.float32)
    expected = net(batch)
    batch[properties.R_clean] = batch[spk.R]
    batch[spk.R] = torch.randn(9, 3)
    batch[spk.Z] = torch.zeros(9).long()
    torch.testing.assert_close(net(batch), expected)


def test_invariant_to_motion_mirror_and_order():
    torch.manual_seed(0)
    net = Net3D(n_out=6).double()
    atoms = molecule("CH3CH2OH")
    expected = net(make_batch([atoms], 3.0))
    moved = atoms[torch.randperm(9).tolist()]
    moved.rotate(37, (1, 2, 3))
    moved.positions *= [1, 1, -1]
    moved.translate([5, 6, 7])
    torch.testing.assert_close(net(make_batch([moved], 3.0)), expected, atol=1e-10, rtol=0)


def test_periodic_images_do_not_matter():
    torch.manual_seed(0)
    net = Net3D(n_out=6).double()
    atoms = bulk("NaCl", "rocksalt", a=5.6, cubic=True)
    atoms.rattle(0.2, seed=0)
    shifted = atoms.copy()
    shifted.positions += torch.randint(-2, 3, (8, 3)).numpy() @ atoms.cell.array
    expected = net(make_batch([atoms], 3.0))
    torch.testing.assert_close(net(make_batch([shifted], 3.0)), expected, atol=1e-10, rtol=0)
    isolated = atoms.copy()
    isolated.pbc = False
    assert not torch.allclose(net(make_batch([isolated], 3.0)), expected)


def test_pool_by_hand():
    x = torch.tensor([[1.0, -1.0], [3.0, 5.0], [2.0, 2.0]])
    out = pool(x, torch.tensor([0, 0, 1]), torch.tensor([2, 1]))
    expected = torch.tensor([[1.0, -1, 3, 5, 2, 2], [2.0, 2, 2, 2, 2, 2]])
    torch.testing.assert_close(out, expected)


@pytest.mark.parametrize("n_layers", [1, 3])
def test_gradient_reaches_every_weight(n_layers):
    net = Net3D(n_out=6, n_layers=n_layers)
    net(make_batch([molecule("CH3CH2OH")], 3.0, dtype=torch.float32)).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in net.parameters())


def test_centred_latents_have_no_common_part_and_train_from_the_start():
    torch.manual_seed(0)
    batch = make_batch([molecule("CH3CH2OH")] * 16, 3.0, dtype=torch.float32)
    batch["scalar_representation"] = torch.randn(16 * 9, 8)
    losses = {}
    for centered in (True, False):
        head = Contrastive(n_in=8, centered=centered)
        optimizer = torch.optim.Adam(head.parameters(), 1e-3)
        for _ in range(30):
            batch[properties.R_clean] = batch[spk.R] + 0.05 * torch.randn(16 * 9, 3)
            # Student and teacher see the same configuration.
            batch["scalar_representation"] = batch[properties.R_clean].norm(dim=1)[:, None] * (
                torch.arange(8) + 1.0
            )
            out = head(dict(batch))
            loss = NTXentLoss()(out[properties.structure_latent], out[properties.geometry_latent])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        losses[centered] = loss.item()
        mean = out[properties.structure_latent].mean(0).abs().max()
        assert (mean < 1e-5) == centered
    assert losses[True] < losses[False] - 0.3
