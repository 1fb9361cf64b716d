"""The paper's losses against numbers computed by hand."""

import math

import pytest
import torch

from gpip_plugins.errors import InputError
from gpip_plugins.nn import NTXentLoss, ScaledCosineError


def test_scaled_cosine_error_by_hand():
    # cos = 0.6 and 0: (0.4**2 + 1**2) / 2
    x_0 = torch.tensor([[1.0, 0.0], [0.0, 5.0]])
    x_out = torch.tensor([[3.0, 4.0], [-2.0, 0.0]])
    assert ScaledCosineError(2.0)(x_out, x_0).item() == pytest.approx(0.58)
    assert ScaledCosineError(1.0)(x_out, x_0).item() == pytest.approx(0.70)


def test_class_indices_stand_for_one_hot_vectors():
    x_out = torch.randn(7, 10)
    classes = torch.randint(10, (7,))
    one_hot = torch.nn.functional.one_hot(classes, 10).float()
    loss = ScaledCosineError(3.0)
    torch.testing.assert_close(loss(x_out, classes), loss(x_out, one_hot))


def test_gradient_is_finite_at_a_perfect_match():
    x = torch.tensor([[1.0, 1.0, 1.0]], requires_grad=True)
    ScaledCosineError(1.5)(x, x.detach()).backward()
    assert torch.isfinite(x.grad).all()


def test_nt_xent_by_hand():
    # Cosines: s = [[1, 0.6], [0, 0.8]], tau = 0.5; the positive is left out of the denominator,
    # so for two configurations each denominator has one term.
    h_a = torch.tensor([[2.0, 0.0], [0.0, 1.0]])
    h_b = torch.tensor([[3.0, 0.0], [0.6, 0.8]])
    expected = -((1.0 - 0.6) / 0.5 + (0.8 - 0.0) / 0.5) / 2
    assert NTXentLoss(0.5)(h_a, h_b).item() == pytest.approx(expected)
    info = (
        math.log(math.exp(2) + math.exp(1.2)) - 2 + math.log(math.exp(0) + math.exp(1.6)) - 1.6
    ) / 2
    assert NTXentLoss(0.5, include_positive=True)(h_a, h_b).item() == pytest.approx(info)


def test_nt_xent_of_three_by_the_formula():
    torch.manual_seed(0)
    h_a, h_b = torch.randn(3, 4), torch.randn(3, 4)
    total = 0.0
    for i in range(3):
        s = [torch.cosine_similarity(h_a[i], h_b[k], dim=0).item() / 0.1 for k in range(3)]
        total -= s[i] - math.log(sum(math.exp(s[k]) for k in range(3) if k != i))
    assert NTXentLoss(0.1)(h_a, h_b).item() == pytest.approx(total / 3, rel=1e-5)


def test_one_configuration_contributes_nothing_but_has_a_gradient():
    h = torch.randn(1, 4, requires_grad=True)
    loss = NTXentLoss()(h, torch.randn(1, 4))
    loss.backward()
    assert loss.item() == 0.0
    assert not h.grad.any()


def test_bad_settings():
    with pytest.raises(InputError, match=r"gamma=0\.5"):
        ScaledCosineError(0.5)
    with pytest.raises(InputError, match="temperature=0"):
        NTXentLoss(0)


@pytest.mark.parametrize("rounding", [0.0, 1e-7, 1e-6])
@pytest.mark.parametrize("other", ["equal", "different"])
def test_gradient_of_the_contrast_is_bounded_for_equal_configurations(rounding, other):
    """Centred latents of equal configurations are rounding errors around zero."""
    torch.manual_seed(0)
    h_a = (rounding * torch.randn(4, 8)).requires_grad_()
    h_b = (rounding if other == "equal" else 0.5) * torch.randn(4, 8)
    loss = NTXentLoss(0.1)(h_a, h_b)
    loss.backward()
    # The latents cannot be distinguished: the loss of a guess among three.
    assert loss.item() == pytest.approx(math.log(3), abs=0.1)
    # 1 / (eps tau n) for each of the two terms of a row.
    assert h_a.grad.norm(dim=1).max() <= 2 / (1e-3 * 0.1 * 4)


def test_latents_of_usual_length_do_not_depend_on_eps():
    torch.manual_seed(0)
    h_a, h_b = (0.01 * torch.randn(5, 8) for _ in range(2))
    torch.testing.assert_close(NTXentLoss()(h_a, h_b), NTXentLoss(eps=1e-12)(h_a, h_b))
    with pytest.raises(InputError, match=r"eps=0.0 is not a number above 0"):
        NTXentLoss(eps=0.0)
