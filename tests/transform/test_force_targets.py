"""Force targets of every kind, and the choice of displaced configurations."""

import pytest
import torch
from schnetpack import properties as spk

from gpip_plugins import properties
from gpip_plugins.errors import InputError
from gpip_plugins.properties import Kind
from gpip_plugins.transform import ForceTargets, GaussianNoise, MaskAtoms, SelectCorrupted

SELECTIONS = (properties.is_off_equilibrium, properties.is_equilibrium, properties.is_perturbed)


def batch(kinds, n_atoms=4):
    """Return configurations of some kinds; only off-equilibrium ones have forces."""
    generator = torch.Generator().manual_seed(0)
    kinds = torch.tensor([int(kind) for kind in kinds])
    n = n_atoms * len(kinds)
    forces = torch.randn(n, 3, generator=generator, dtype=torch.float64)
    forces[(kinds != Kind.OFF_EQUILIBRIUM).repeat_interleave(n_atoms)] = torch.nan
    return {
        spk.idx: torch.arange(len(kinds)),
        spk.n_atoms: torch.full((len(kinds),), n_atoms),
        spk.R: torch.randn(n, 3, generator=generator, dtype=torch.float64),
        spk.Z: torch.ones(n, dtype=torch.long),
        properties.kind: kinds,
        spk.forces: forces,
    }


def test_every_kind_has_its_target_and_only_minima_move():
    torch.manual_seed(0)
    kinds = [Kind.OFF_EQUILIBRIUM, Kind.UNLABELLED, *[Kind.EQUILIBRIUM] * 2000]
    inputs = batch(kinds)
    before = {key: value.clone() for key, value in inputs.items()}
    out = ForceTargets(sigma=0.1, stiffness=30.0, perturbed_fraction=0.25)(inputs)
    off, minima, moved = (out[key] for key in SELECTIONS)
    target = out[properties.force_targets]
    displacement = out[spk.R] - before[spk.R]

    assert torch.equal(off, torch.arange(len(off)) < 4)
    torch.testing.assert_close(target[off], before[spk.forces][off])
    assert not (minima & moved).any() and torch.equal(minima | moved, torch.arange(len(off)) >= 8)
    assert not target[minima].any()
    torch.testing.assert_close(target[moved], -30.0 * displacement[moved])
    assert not displacement[~moved].any()
    assert target[4:8].isnan().all()
    # Standard errors of a fraction and of a variance; removing the mean leaves 3 of 4.
    n = moved.view(-1, 4).all(1).sum().item()
    assert moved.view(-1, 4).any(1).sum() == n
    assert n / 2000 == pytest.approx(0.25, abs=4 * (0.25 * 0.75 / 2000) ** 0.5)
    variance = displacement[moved].square().mean().item() / 0.01
    assert variance == pytest.approx(0.75, abs=4 * 0.75 * (2 / (9 * n)) ** 0.5)
    assert displacement.view(-1, 4, 3).mean(1).abs().max() < 1e-12
    kinds_now = out[properties.kind]
    assert torch.equal(kinds_now == Kind.PERTURBED, moved.view(-1, 4)[:, 0])


def test_fixed_draws_do_not_depend_on_the_batch():
    transform = ForceTargets(seed=1)
    together = transform(batch([Kind.EQUILIBRIUM] * 20))
    single = batch([Kind.EQUILIBRIUM] * 20)
    alone = {k: v[7:8] if len(v) == 20 else v[28:32] for k, v in single.items()}
    assert torch.equal(transform(alone)[spk.R], together[spk.R][28:32])
    assert 0 < int(together[properties.is_perturbed].view(-1, 4)[:, 0].sum()) < 20


def test_the_choice_is_independent_of_the_displacement():
    """Both come from one stream; a displaced first atom must not be biased by the choice."""
    n = 4000
    out = ForceTargets(sigma=1.0, seed=0)(batch([Kind.EQUILIBRIUM] * n))
    moved = out[properties.is_perturbed].view(-1, 4)[:, 0]
    first = -out[properties.force_targets].view(-1, 4, 3)[moved][:, 0] / 30.0
    assert first.mean().abs() < 4 * (0.75 / (3 * int(moved.sum()))) ** 0.5


def test_corrupted_configurations_give_no_forces():
    torch.manual_seed(0)
    inputs = SelectCorrupted(0.5)(batch([Kind.EQUILIBRIUM, Kind.OFF_EQUILIBRIUM] * 50))
    out = MaskAtoms(random_rate=0.0)(GaussianNoise()(ForceTargets()(inputs)))
    corrupted = out[properties.is_corrupted]
    assert 0 < int(corrupted.sum()) < len(corrupted)
    learned = torch.stack([out[key] for key in SELECTIONS]).sum(0)
    assert torch.equal(learned == 1, ~corrupted) and torch.equal(learned == 0, corrupted)
    assert torch.equal(out[properties.force_targets].isnan().any(1), corrupted)


def test_wrong_orders_are_refused():
    with pytest.raises(InputError, match="comes after noise or mask"):
        ForceTargets()(GaussianNoise()(batch([Kind.EQUILIBRIUM])))
    for later in (GaussianNoise(), MaskAtoms(random_rate=0.0)):
        with pytest.raises(InputError, match="put SelectCorrupted before ForceTargets"):
            later(ForceTargets()(batch([Kind.EQUILIBRIUM])))


def test_data_without_kinds_or_forces_are_refused():
    inputs = batch([Kind.OFF_EQUILIBRIUM])
    with pytest.raises(InputError, match=r"forces_key=F is no label of the data; set it"):
        ForceTargets(forces_key="F")(dict(inputs))
    del inputs[properties.kind]
    with pytest.raises(InputError, match=r"use a mixture \(data=mixture\)"):
        ForceTargets()(inputs)


@pytest.mark.parametrize(
    "settings", [{"sigma": 0.0}, {"sigma": 2.0}, {"stiffness": -1.0}, {"perturbed_fraction": 1.1}]
)
def test_settings_out_of_range(settings):
    (name,) = settings
    with pytest.raises(InputError, match=f"{name}=.* give for example"):
        ForceTargets(**settings)
