"""Normalisation of the vectors of an atom over its features, as in "Pre-training via Denoising"."""

import torch
from torch import nn

__all__ = ["WhitenedVectorNorm"]


class WhitenedVectorNorm(nn.Module):
    r"""Whitening of the vectors of every atom.

    .. math::
        V \to w \odot (C + \epsilon D + \epsilon)^{-1/2} (V - \bar V),\quad
        C = \frac{1}{n} (V - \bar V)(V - \bar V)^T,\quad D = \mathrm{diag}(1, 2, 3)

    with the mean over the n features. D keeps the eigenvalues different; otherwise the gradient of
    the root is not finite. Because D prefers axes, the result is equivariant only up to terms of
    relative size epsilon/C. The eigenvalues are computed in float64.

    S. Zaidi et al., Pre-training via Denoising for Molecular Property Prediction, arXiv:2206.00133,
    and the settings of its public code.

    Args:
        n_atom_basis: number of features n.
        epsilon: the small number, in units of C.

    Example:
        >>> norm = WhitenedVectorNorm(16)
        >>> norm(torch.randn(2, 3, 16)).shape
        torch.Size([2, 3, 16])
    """

    def __init__(self, n_atom_basis: int, epsilon: float = 1e-5):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(n_atom_basis))
        self.epsilon = epsilon

    def forward(self, vec: torch.Tensor) -> torch.Tensor:
        """Return the normalised vectors, shape (n_atoms, 3, n_atom_basis)."""
        wide = vec.to(torch.float64)
        wide = wide - wide.mean(dim=2, keepdim=True)
        apart = torch.diag(torch.arange(1, 4, dtype=wide.dtype, device=wide.device))
        covariance = wide @ wide.transpose(1, 2) / wide.shape[2] + self.epsilon * apart
        values, axes = torch.linalg.eigh(covariance)
        root = (axes / torch.sqrt(values + self.epsilon).unsqueeze(1)) @ axes.transpose(1, 2)
        return (root @ wide).to(vec.dtype) * self.weight
