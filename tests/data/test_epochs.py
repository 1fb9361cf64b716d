"""Ranks, epochs and workers draw different random numbers; a resumed run repeats its own."""

from types import SimpleNamespace

import pytest
import torch
from ase.build import molecule
from pytorch_lightning import seed_everything
from schnetpack import properties

from gpip_plugins.data import GpipDataModule
from gpip_plugins.transform import GaussianNoise, MaskAtoms

NOISE, MASKED = "noise", "_is_masked"


@pytest.fixture
def epoch(write, tmp_path, monkeypatch):
    """Return a function that gives order, noise and masks of one epoch of one rank."""
    monkeypatch.chdir(tmp_path)
    path = write()

    def draw(rank=0, epoch=0, seed=1, num_workers=0, transforms=None, database=path):
        seed_everything(seed, verbose=False)
        data = GpipDataModule(
            database,
            batch_size=1,
            num_train=11,
            num_val=1,
            num_test=0,
            num_workers=num_workers,
            split_file=None,
            load_properties=[],
            transforms=transforms or [GaussianNoise(0.1), MaskAtoms(0.5)],
        )
        data.setup("fit")
        data.trainer = SimpleNamespace(global_rank=rank, current_epoch=epoch)
        batches = list(data.train_dataloader())
        order = [int(batch[properties.idx]) for batch in batches]
        return order, {
            k: tuple(b[key].double() for key in (NOISE, MASKED) if key in b)
            for k, b in zip(order, batches, strict=True)
        }

    return draw


def equal(one, other):
    return [all(map(torch.equal, one[k], other[k])) for k in one]


@pytest.mark.parametrize("num_workers", [0, 2])
def test_the_same_epoch_repeats_bit_for_bit(epoch, num_workers):
    (order, drawn), (again, repeated) = (epoch(epoch=3, num_workers=num_workers) for _ in range(2))
    assert order == again
    assert all(equal(drawn, repeated))


@pytest.mark.parametrize("other", [{"rank": 1}, {"epoch": 1}, {"seed": 2}, {"num_workers": 1}])
def test_rank_epoch_seed_and_worker_change_noise_and_masks(epoch, other):
    (order, drawn), (other_order, changed) = epoch(), epoch(**other)
    common = drawn.keys() & changed.keys()  # the seed of the run also splits the data
    assert len(common) >= 10
    assert not any(torch.equal(drawn[k][0], changed[k][0]) for k in common)
    assert not all(torch.equal(drawn[k][1], changed[k][1]) for k in common)
    # The distributed sampler divides one order: with different orders ranks would overlap.
    assert (order == other_order) == ("rank" in other or "num_workers" in other)


def test_workers_of_one_epoch_differ(epoch, write):
    """Equal molecules: equal streams would give equal noise."""
    path = write([molecule("H2O") for _ in range(12)], name="equal.db")
    _, drawn = epoch(num_workers=2, database=path)
    flat = [tuple(noise.flatten().tolist()) for noise, _ in drawn.values()]
    assert len(set(flat)) == len(flat) == 11


def test_two_noises_of_one_pipeline_are_independent(epoch):
    """With equal streams the second noise would repeat the first."""
    first = GaussianNoise(0.1, remove_mean=False)
    first.register_forward_hook(lambda *args: args[2].update(first=args[2][NOISE]))
    drawn = []
    second = GaussianNoise(0.1, remove_mean=False)
    second.register_forward_hook(lambda *args: drawn.append((args[2]["first"], args[2][NOISE])))
    epoch(transforms=[first, second])
    assert len(drawn) == 11
    a, b = (torch.cat(parts) for parts in zip(*drawn, strict=True))
    correlation = torch.corrcoef(torch.stack([a.flatten(), b.flatten()]))[0, 1]
    assert abs(correlation) < 4 / a.numel() ** 0.5
