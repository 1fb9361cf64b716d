"""TorchMD-Net's energy head. Not among the imports of the package, as it imports TorchMD-Net."""

import torch
from schnetpack import properties
from torch import nn

from gpip_plugins.representation._torchmdnet import blocks

__all__ = ["TorchMDNetEnergy"]


class _GatedBlock(blocks.GatedEquivariantBlock):
    """TorchMD-Net's gated block, with a norm whose derivatives are finite for zero vectors."""

    def forward(self, x: torch.Tensor, v: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        squares = self.vec1_proj(v).square().sum(dim=1)
        zero = squares == 0
        norm = squares.masked_fill(zero, 1.0).sqrt().masked_fill(zero, 0.0)
        x = self.update_net(torch.cat([x, norm], dim=1))
        x, gate = torch.split(x, self.out_channels, dim=1)
        v = gate.unsqueeze(1) * self.vec2_proj(v)
        if self.act is not None:
            x = self.act(x)
        return x, v


class TorchMDNetEnergy(nn.Module):
    r"""Energy from scalars and vectors by two gated equivariant blocks.

    .. math::
        E = \bar E + \sum_i \left(\sigma\, e(x_i, \vec v_i) + E_{Z_i}\right)

    This is TorchMD-Net's output model `Scalar` of an Equivariant Transformer; with its weights it
    gives its energies. K. T. Schütt et al., PaiNN, arXiv:2102.03150 (the blocks); P.
    Thölke, G. De Fabritiis, arXiv:2202.02541.

    Args:
        n_in: number of features, those of the representation.
        activation: a name of TorchMD-Net, see `EquivariantTransformer`.
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
        self.output_key = output_key
        self.model_outputs = [output_key]
        self.output_network = nn.ModuleList(
            [
                _GatedBlock(n_in, n_in // 2, activation=activation, scalar_activation=True),
                _GatedBlock(n_in // 2, 1, activation=activation),
            ]
        )
        for block in self.output_network:
            block.reset_parameters()
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
            # The last vectors lead nowhere, but distributed training waits for their gradient.
            energies = energies + 0.0 * v.sum()
        idx_m = inputs[properties.idx_m]
        total = energies.new_zeros(int(idx_m[-1]) + 1).index_add(0, idx_m, energies)
        inputs[self.output_key] = total + self.mean
        return inputs
