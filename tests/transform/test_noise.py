"""The statistics of the noise, and configurations without noise."""

import pytest
import torch
from schnetpack import properties as spk

from gpip_plugins import properties
from gpip_plugins.errors import InputError
from gpip_plugins.transform import GaussianNoise, MaskAtoms, SelectCorrupted


def batch(sizes, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return {
        spk.idx: torch.arange(len(sizes)),
        spk.n_atoms: torch.tensor(sizes),
        spk.R: torch.randn(sum(sizes), 3, generator=generator, dtype=torch.float64),
    }


def test_standard_deviation_and_gaussian_shape():
    torch.manual_seed(0)
    noise = GaussianNoise(sigma=0.15, remove_mean=False)(batch([20] * 5000))[properties.noise]
    n = noise.numel()
    # Standard errors of mean, variance and kurtosis of n normal numbers.
    assert abs(noise.mean()) < 4 / n**0.5
    assert abs(noise.var() - 1) < 4 * (2 / n) ** 0.5
    assert abs(noise.pow(4).mean() - 3) < 4 * (96 / n) ** 0.5


def test_mean_of_each_configuration_is_removed_and_target_is_the_displacement_over_sigma():
    inputs = batch([3, 9, 21])
    clean = inputs[spk.R].clone()
    out = GaussianNoise(sigma=0.1)(inputs)
    displacement = out[spk.R] - clean
    for part in displacement.split([3, 9, 21]):
        torch.testing.assert_close(part.mean(0), torch.zeros(3, dtype=torch.float64))
    torch.testing.assert_close(displacement, 0.1 * out[properties.noise])
    torch.testing.assert_close(out[properties.R_clean], clean)


def test_variance_after_removing_the_mean_is_that_of_n_minus_one_free_atoms():
    torch.manual_seed(1)
    noise = GaussianNoise(sigma=0.2)(batch([4] * 20000))[properties.noise]
    assert noise.var().item() == pytest.approx(3 / 4, rel=0.01)


def test_drawn_anew_without_seed_and_repeated_with_the_global_seed():
    transform = GaussianNoise()
    torch.manual_seed(7)
    first, second = (transform(batch([5, 6]))[properties.noise] for _ in range(2))
    torch.manual_seed(7)
    again = transform(batch([5, 6]))[properties.noise]
    assert not torch.allclose(first, second)
    assert torch.equal(first, again)


def test_fixed_per_configuration_whatever_the_batch():
    transform = GaussianNoise(seed=3)
    together = transform(batch([5, 6]))[properties.noise]
    torch.manual_seed(99)
    alone = transform(
        {
            spk.idx: torch.tensor([1]),
            spk.n_atoms: torch.tensor([6]),
            spk.R: torch.zeros(6, 3).double(),
        }
    )[properties.noise]
    assert torch.equal(together[5:], alone)
    assert not torch.allclose(GaussianNoise(seed=4)(batch([5, 6]))[properties.noise], together)
    assert not torch.allclose(together[:5], together[5:10])


def test_sigma_zero_switches_the_noise_off():
    inputs = batch([4])
    clean = inputs[spk.R].clone()
    out = GaussianNoise(sigma=0.0)(inputs)
    assert torch.equal(out[spk.R], clean)
    assert not out[properties.noise].any()


def test_configurations_left_clean_keep_their_positions():
    torch.manual_seed(0)
    inputs = SelectCorrupted(fraction=0.3)(batch([4] * 4000))
    clean = inputs[spk.R].clone()
    out = GaussianNoise()(inputs)
    chosen = out[properties.is_corrupted]
    assert chosen.view(-1, 4).float().mean().item() == pytest.approx(
        0.3, abs=4 * (0.21 / 4000) ** 0.5
    )
    assert torch.equal(chosen.view(-1, 4).all(1), chosen.view(-1, 4).any(1))
    assert torch.equal(out[properties.is_labelled], ~chosen)
    moved = (out[spk.R] != clean).any(1)
    assert torch.equal(moved, chosen)


@pytest.mark.parametrize("sigma", [-0.1, 1.5, float("nan")])
def test_sigma_out_of_range(sigma):
    with pytest.raises(InputError, match=r"sigma=.* give for example"):
        GaussianNoise(sigma=sigma)


@pytest.mark.parametrize("fraction", [-0.1, 1.5])
def test_fraction_out_of_range(fraction):
    with pytest.raises(InputError, match=r"fraction=.* give for example"):
        SelectCorrupted(fraction=fraction)


def test_without_a_selection_every_configuration_counts_as_corrupted():
    """Losses select by this key, so it must exist: a typing error must be found."""
    for transform in (GaussianNoise(), MaskAtoms(random_rate=0.0)):
        out = transform(batch([4, 2]) | {spk.Z: torch.ones(6, dtype=torch.long)})
        assert out[properties.is_corrupted].tolist() == [True] * 6


def test_a_selection_after_the_noise_is_refused():
    with pytest.raises(InputError, match=r"SelectCorrupted comes after .* put it first"):
        SelectCorrupted()(GaussianNoise()(batch([4])))
