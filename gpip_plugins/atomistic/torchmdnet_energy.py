"""TorchMD-Net's energy head."""

from collections import OrderedDict

import torch
from schnetpack import properties
from schnetpack.nn import Dense
from torch import nn

from gpip_plugins.errors import check_choice
from gpip_plugins.representation.activations import ACTIVATIONS

__all__ = ["TorchMDNetEnergy"]


class GatedBlock(nn.Module):
    r"""Gated mixing of scalars and vectors, with the parameters of TorchMD-Net's block.

    .. math::
        (s, g) = W_2\, \sigma\left(W_1 [x, |U_1 \vec v|] + b_1\right) + b_2,\quad
        x' = s \text{ or } \sigma(s),\quad \vec v' = g \odot U_2 \vec v

    K. T. Schütt et al., PaiNN, arXiv:2102.03150. The derivatives of the norm are zero for vectors
    that are zero.

    Args:
        n_in: number of features.
        n_out: number of features of the result.
        activation: the function sigma.
        activated: whether the activation is also applied to the resulting scalars.
    """

    def __init__(self, n_in: int, n_out: int, activation: str, activated: bool):
        super().__init__()
        self.n_out = n_out
        act = ACTIVATIONS[activation]
        self.vec1_proj = Dense(n_in, n_in, bias=False)
        self.vec2_proj = Dense(n_in, n_out, bias=False)
        # In TorchMD-Net the activation counts as a layer.
        layers = {"0": Dense(2 * n_in, n_in, activation=act), "2": Dense(n_in, 2 * n_out)}
        self.update_net = nn.Sequential(OrderedDict(layers=nn.Sequential(OrderedDict(layers))))
        self.act = act if activated else nn.Identity()

    def forward(self, x: torch.Tensor, v: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the mixed scalars, (n_atoms, n_out), and vectors, (n_atoms, 3, n_out).

        Args:
            x: scalars, shape (n_atoms, n_in).
            v: vectors, shape (n_atoms, 3, n_in).
        """
        squares = self.vec1_proj(v).square().sum(dim=1)
        zero = squares == 0
        norm = squares.masked_fill(zero, 1.0).sqrt().masked_fill(zero, 0.0)
        x, gate = torch.split(self.update_net(torch.cat([x, norm], dim=1)), self.n_out, dim=1)
        return self.act(x), gate.unsqueeze(1) * self.vec2_proj(v)


class TorchMDNetEnergy(nn.Module):
    r"""Energy from scalars and vectors by two gated equivariant blocks.

    .. math::
        E = \bar E + \sum_i \left(\sigma\, e(x_i, \vec v_i) + E_{Z_i}\right)

    This is TorchMD-Net's output model `Scalar` of an Equivariant Transformer; with the same weights
    it gives the same energies. K. T. Schütt et al., PaiNN, arXiv:2102.03150 (the blocks); P.
    Thölke, G. De Fabritiis, arXiv:2202.02541.

    Args:
        n_in: number of features, those of the representation.
        activation: one of `ACTIVATIONS`, see `EquivariantTransformer`.
        output_key: name of the energy.
        mean: constant added to the energy of a system.
        std: unit of the network's energies.
        atomref: energy of each element, shape (n_elements,); row Z belongs to element Z. None: zero
            for elements up to 99.

    Example:
        >>> head = TorchMDNetEnergy(n_in=8)
        >>> inputs = {
        ...     "scalar_representation": torch.randn(3, 8),
        ...     "vector_representation": torch.randn(3, 3, 8),
        ...     "_atomic_numbers": torch.tensor([8, 1, 1]),
        ...     "_idx_m": torch.tensor([0, 0, 0]),
        ... }
        >>> head(inputs)["energy"].shape
        torch.Size([1])
    """

    def __init__(
        self,
        n_in: int,
        activation: str = "silu",
        output_key: str = properties.energy,
        mean: float = 0.0,
        std: float = 1.0,
        atomref: torch.Tensor | None = None,
    ):
        super().__init__()
        check_choice("activation", activation, ACTIVATIONS)
        self.output_key = output_key
        self.model_outputs = [output_key]
        self.output_network = nn.ModuleList(
            [
                GatedBlock(n_in, n_in // 2, activation, activated=True),
                GatedBlock(n_in // 2, 1, activation, activated=False),
            ]
        )
        self.register_buffer("mean", torch.tensor(float(mean)))
        self.register_buffer("std", torch.tensor(float(std)))
        self.register_buffer("atomref", torch.zeros(100) if atomref is None else atomref.clone())

    def forward(self, inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Add the energies, shape (n_systems,)."""
        x, v = inputs["scalar_representation"], inputs["vector_representation"]
        for block in self.output_network:
            x, v = block(x, v)
        energies = x[:, 0] * self.std + self.atomref[inputs[properties.Z]]
        if self.training:
            # The last vectors are not used, but distributed training waits for their gradient.
            energies = energies + 0.0 * v.sum()
        idx_m = inputs[properties.idx_m]
        total = energies.new_zeros(int(idx_m[-1]) + 1).index_add(0, idx_m, energies)
        inputs[self.output_key] = total + self.mean
        return inputs
