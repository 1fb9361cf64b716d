"""The choice of masked atoms, and their new elements."""

import pytest
import torch
from schnetpack import properties as spk

from gpip_plugins import properties
from gpip_plugins.errors import InputError
from gpip_plugins.transform import MaskAtoms, SelectCorrupted


def batch(sizes, elements=(1, 6, 8)):
    n = sum(sizes)
    return {
        spk.idx: torch.arange(len(sizes)),
        spk.n_atoms: torch.tensor(sizes),
        spk.R: torch.zeros(n, 3),
        spk.Z: torch.tensor(elements)[torch.arange(n) % len(elements)],
    }


@pytest.mark.parametrize(("rate", "sizes"), [(0.15, [9, 21, 1]), (0.5, [4, 7]), (1.0, [3])])
def test_count_per_configuration(rate, sizes):
    out = MaskAtoms(mask_rate=rate, random_rate=0.0)(batch(sizes))
    for masked, n in zip(out[properties.is_masked].split(sizes), sizes, strict=True):
        assert int(masked.sum()) == max(1, round(rate * n))


def test_every_atom_is_equally_likely():
    torch.manual_seed(0)
    out = MaskAtoms(mask_rate=0.25, random_rate=0.0)(batch([8] * 8000))
    frequency = out[properties.is_masked].view(-1, 8).float().mean(0)
    assert (frequency - 0.25).abs().max() < 4 * (0.25 * 0.75 / 8000) ** 0.5


def test_random_elements_come_from_the_data_at_their_rate_and_stay_masked():
    torch.manual_seed(0)
    transform = MaskAtoms(mask_rate=0.5, random_rate=0.15, elements=[1, 6, 8])
    out = transform(batch([10] * 4000))
    masked = out[properties.is_masked]
    substituted = out[spk.Z][masked] != 0
    n = int(masked.sum())
    assert substituted.float().mean().item() == pytest.approx(0.15, abs=4 * (0.1275 / n) ** 0.5)
    drawn = out[spk.Z][masked][substituted]
    counts = torch.stack([(drawn == z).sum() for z in (1, 6, 8)]) / len(drawn)
    assert (counts - 1 / 3).abs().max() < 4 * (2 / 9 / len(drawn)) ** 0.5
    assert torch.equal(out[spk.Z][~masked], out[properties.Z_clean][~masked])


def test_heavy_elements_and_another_token():
    out = MaskAtoms(mask_rate=0.5, random_rate=0.0, mask_token=99)(batch([6], (17, 53, 3, 79)))
    assert set(out[spk.Z][out[properties.is_masked]].tolist()) == {99}
    assert torch.equal(out[properties.Z_clean], batch([6], (17, 53, 3, 79))[spk.Z])


def test_clean_configurations_are_not_masked():
    torch.manual_seed(0)
    out = MaskAtoms(random_rate=0.0)(SelectCorrupted(fraction=0.5)(batch([5] * 40)))
    assert not (out[properties.is_masked] & ~out[properties.is_corrupted]).any()
    assert out[properties.is_masked].sum() == out[properties.is_corrupted].sum() / 5


def test_fixed_per_configuration_whatever_the_batch():
    transform = MaskAtoms(random_rate=0.0, seed=1)
    together = transform(batch([6, 6]))[properties.is_masked]
    alone = batch([6])
    alone[spk.idx] = torch.tensor([1])
    assert torch.equal(together[6:], transform(alone)[properties.is_masked])


def test_rate_zero_masks_nothing():
    out = MaskAtoms(mask_rate=0.0, random_rate=0.0)(batch([5, 3]))
    assert not out[properties.is_masked].any()


@pytest.mark.parametrize("name", ["mask_rate", "random_rate"])
@pytest.mark.parametrize("value", [-0.1, 1.5])
def test_rates_out_of_range(name, value):
    with pytest.raises(InputError, match=rf"{name}={value} .* give for example"):
        MaskAtoms(**{name: value})


def test_random_elements_need_known_elements():
    with pytest.raises(InputError, match="random_rate"):
        MaskAtoms(random_rate=0.1)(batch([5]))
