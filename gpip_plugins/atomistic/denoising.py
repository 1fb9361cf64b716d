"""Prediction of the noise: a vector head, and a gradient head for invariant representations."""

from typing import Literal

import torch
import torch.nn.functional as F
from schnetpack import properties as spk_properties
from schnetpack.atomistic import Atomwise
from schnetpack.nn import build_gated_equivariant_mlp
from torch import nn

from gpip_plugins import properties
from gpip_plugins.errors import InputError, check_choice

__all__ = ["GradientNoise", "VectorNoise"]


class VectorNoise(nn.Module):
    """Predict the noise of every atom from vector features, GPIP eq. (5).

    Gated equivariant blocks (PaiNN) turn scalar and vector representation into one vector per
    atom. Needs a representation with `vector_representation` of shape (n_atoms, 3, n_in): PaiNN,
    SO3net with `return_vector_representation=True`, the Equivariant Transformer.

    Args:
        n_in: width of the representation.
        n_hidden: width of the hidden layers; None halves the width from layer to layer.
        n_layers: number of layers.
        output_key: key of the result.

    Raises:
        InputError: the representation wrote no vectors.

    Example:
        >>> head = VectorNoise(n_in=8)
        >>> out = head({"scalar_representation": torch.randn(4, 8),
        ...             "vector_representation": torch.randn(4, 3, 8)})
        >>> out["noise"].shape
        torch.Size([4, 3])
    """

    def __init__(
        self,
        n_in: int,
        n_hidden: int | None = None,
        n_layers: int = 2,
        output_key: str = properties.noise,
    ):
        super().__init__()
        self.output_key = output_key
        self.model_outputs = [output_key]
        self.outnet = build_gated_equivariant_mlp(
            n_in=n_in,
            n_out=1,
            n_hidden=n_hidden,
            n_layers=n_layers,
            activation=F.silu,
            sactivation=F.silu,
        )

    def forward(self, inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Write the predicted noise in units of sigma, shape (n_atoms, 3)."""
        if "vector_representation" not in inputs:
            raise InputError(
                "VectorNoise needs vector_representation; use the gradient head "
                "(pretext=[mask,noise_gradient,contrast]), or for SO3net "
                "return_vector_representation=true of the representation."
            )
        features = (inputs["scalar_representation"], inputs["vector_representation"])
        _, vectors = self.outnet(features)
        inputs[self.output_key] = vectors.squeeze(-1)
        return inputs


class GradientNoise(Atomwise):
    r"""Predict the noise as the gradient of an atom-wise scalar, for any representation.

    .. math:: \hat\epsilon_i / \sigma = s \, \partial U / \partial \hat R_i, \quad U = \sum_i u(h_i)

    With `sign="physical"` (s = +1) the field :math:`-\partial U / \partial R` points back to the
    clean structure as a force does, so U has its minimum there and its head can be reused as an
    energy head. GPIP's code has the opposite sign (s = -1, U maximal at the clean structure):
    `sign="gpip"`.

    The head is SchNetPack's `Atomwise` (same parameters, same names), so that it can be
    transferred to the energy head of a fine-tuned potential.

    Args:
        n_in: width of the scalar representation.
        n_hidden, n_layers, activation: of the atom-wise network, as in `Atomwise`.
        sign: `physical` or `gpip`.
        output_key: key of the noise.
        energy_key: key of U, shape (n_systems,).

    Raises:
        InputError: unknown sign.
    """

    def __init__(
        self,
        n_in: int,
        n_hidden: int | None = None,
        n_layers: int = 2,
        sign: Literal["physical", "gpip"] = "physical",
        output_key: str = properties.noise,
        energy_key: str = properties.pseudo_energy,
    ):
        check_choice("sign", sign, ("physical", "gpip"))
        super().__init__(n_in=n_in, n_hidden=n_hidden, n_layers=n_layers, output_key=energy_key)
        self.noise_key = output_key
        self.model_outputs = [output_key]
        self.required_derivatives = [spk_properties.R]
        self.factor = 1.0 if sign == "physical" else -1.0

    def forward(self, inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Write the predicted noise in units of sigma, shape (n_atoms, 3)."""
        inputs = super().forward(inputs)
        scalar = inputs[self.output_key]
        (gradient,) = torch.autograd.grad(
            [scalar], [inputs[spk_properties.R]], [torch.ones_like(scalar)], create_graph=True
        )
        # A constant has no gradient: without this zero the last bias would not be in the graph,
        # and DDP would wait for it.
        inputs[self.noise_key] = self.factor * gradient + 0.0 * scalar.sum()
        return inputs
