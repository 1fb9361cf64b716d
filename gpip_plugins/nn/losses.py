"""Losses of the pretext tasks that torch and SchNetPack do not have."""

import torch
import torch.nn.functional as F
from torch import nn

from gpip_plugins.errors import check_number

__all__ = ["ForceLoss", "NTXentLoss", "ScaledCosineError"]


class ScaledCosineError(nn.Module):
    r"""Scaled cosine error between predicted and original features, GPIP eq. (4).

    .. math:: L = \frac{1}{|M|} \sum_{i \in M} (1 - \cos(x_i^0, x_i^{out}))^\gamma, \gamma \ge 1

    A gamma above one down-weights atoms that are already predicted well (GraphMAE).

    Args:
        gamma: exponent, at least 1. GPIP's code uses 1, GraphMAE 2 to 3.

    Raises:
        InputError: gamma is below 1.

    Example:
        >>> loss = ScaledCosineError(gamma=2.0)
        >>> loss(torch.tensor([[0.0, 2.0]]), torch.tensor([[3.0, 0.0]]))
        tensor(1.)
        >>> loss(torch.tensor([[0.0, 2.0]]), torch.tensor([1]))  # class indices: one-hot targets
        tensor(0.)
    """

    def __init__(self, gamma: float = 2.0):
        super().__init__()
        self.gamma = check_number("gamma", gamma, least=1.0, example=2.0)

    def forward(self, x_out: torch.Tensor, x_0: torch.Tensor) -> torch.Tensor:
        """Return the mean error.

        Args:
            x_out: predicted features, shape (n_masked, n_out).
            x_0: original features, shape (n_masked, n_out), or class indices, shape (n_masked,),
                which stand for one-hot vectors.

        Returns:
            scalar between 0 and 2**gamma.
        """
        if x_0.dim() == 1:
            cosine = F.normalize(x_out, dim=-1).gather(-1, x_0[:, None]).squeeze(-1)
        else:
            cosine = F.cosine_similarity(x_out, x_0, dim=-1)
        # Rounding can make the cosine slightly larger than 1, where a power has no real value.
        return (1.0 - cosine).clamp(min=0.0).pow(self.gamma).mean()


class NTXentLoss(nn.Module):
    r"""Contrast of paired latents (NT-Xent), GPIP eq. (6).

    .. math:: L = -\frac{1}{n} \sum_i \log
        \frac{\exp(s_{ii}/\tau)}{\sum_{k \neq i} \exp(s_{ik}/\tau)},
        \quad s_{ik} = \cos(h_i^a, h_k^b)

    Every configuration has to identify its partner in the batch. The paper's denominator does not
    contain the positive pair, so the loss may be negative.

    Args:
        temperature: tau, positive. GPIP's code uses 0.1.
        include_positive: add the positive pair to the denominator (as in InfoNCE).
        eps: latents shorter than this are divided by it instead of by their length. Centred
            latents of equal configurations are zero except for rounding (1e-6). As unit vectors
            they would turn rounding into similarity, with gradients of up to 1 / (eps tau). Real
            latents had lengths of 0.002 to 0.6 for untrained networks.

    Raises:
        InputError: the temperature or eps is not positive.

    Example:
        >>> h = torch.eye(2)
        >>> NTXentLoss(temperature=0.5)(h, h)
        tensor(-2.)
        >>> NTXentLoss()(h[:1], h[:1])  # nothing to contrast with
        tensor(0.)
    """

    #: least number of configurations in a batch with a contrast
    min_rows: int = 2

    def __init__(self, temperature: float = 0.1, include_positive: bool = False, eps: float = 1e-3):
        super().__init__()
        self.temperature = check_number("temperature", temperature, above=0.0, example=0.1)
        self.include_positive = include_positive
        self.eps = check_number("eps", eps, above=0.0, example=1e-3)

    def forward(self, h_a: torch.Tensor, h_b: torch.Tensor) -> torch.Tensor:
        """Return the contrast loss.

        Args:
            h_a: latents of one view, shape (n_systems, n_out).
            h_b: latents of the other view, same order and shape.

        Returns:
            scalar; zero, still part of the graph, for a single configuration.
        """
        if len(h_a) < self.min_rows:
            return 0.0 * (h_a.sum() + h_b.sum())
        unit_a, unit_b = (F.normalize(h, dim=-1, eps=self.eps) for h in (h_a, h_b))
        similarity = unit_a @ unit_b.T / self.temperature
        positive = similarity.diagonal()
        if not self.include_positive:
            itself = torch.eye(len(h_a), dtype=torch.bool, device=h_a.device)
            similarity = similarity.masked_fill(itself, -torch.inf)
        return (torch.logsumexp(similarity, dim=1) - positive).mean()


class ForceLoss(nn.Module):
    r"""Mean over atoms of a power of the length of the force error.

    .. math:: L = \frac{1}{N} \sum_i |F_i - \hat F_i|^p

    Used in force-centric pre-training (arXiv:2308.14759). With p = 2 it is the squared error
    summed over the three components; with p = 1 large errors have less weight.

    Args:
        p: exponent, in [1, 2].

    Raises:
        InputError: p lies outside [1, 2].

    Example:
        >>> F, target = torch.tensor([[3.0, 4.0, 0.0], [0.0, 0.0, 0.0]]), torch.zeros(2, 3)
        >>> ForceLoss(p=2)(F, target), ForceLoss(p=1)(F, target)
        (tensor(12.5000), tensor(2.5000))
    """

    def __init__(self, p: float = 2.0):
        super().__init__()
        self.p = check_number("p", p, least=1.0, most=2.0, example=2.0)

    def forward(self, forces: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Return the mean in (eV/Å)^p.

        Args:
            forces: predicted forces in eV/Å, shape (n_atoms, 3).
            target: target forces in eV/Å, shape (n_atoms, 3).
        """
        error = forces - target
        if self.p == 2.0:
            return error.square().sum(-1).mean()
        # The sub-gradient of the norm at zero is zero, so that perfect forces do not give NaN.
        return torch.linalg.vector_norm(error, dim=-1).pow(self.p).mean()
