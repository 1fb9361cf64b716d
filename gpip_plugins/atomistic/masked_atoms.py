"""Prediction of masked atoms: re-mask, then decode by message passing."""

import torch
from schnetpack import properties as spk_properties
from schnetpack.nn import CosineCutoff, Dense, GaussianRBF, shifted_softplus
from schnetpack.representation.schnet import SchNetInteraction
from torch import nn

from gpip_plugins import properties

__all__ = ["MaskedAtoms"]


class MaskedAtoms(nn.Module):
    r"""Predict the features of masked atoms from their surroundings, GPIP section 4.2, task 1.

    The latent of every masked atom is replaced by a learned [DMASK] token; a message-passing
    decoder (continuous-filter convolutions over the same neighbours) then predicts its feature
    :math:`x_i^{out}` only from the latents of the other atoms:

    .. math:: x_i = t \text{ if } i \in M \text{ else } h_i, \quad
        x \leftarrow x + \text{cfconv}(x, r_{ij}), \quad x_i^{out} = W x_i + b

    Without the re-mask the decoder could copy the latent; without messages it would have only the
    token.

    Args:
        n_in: width of the scalar representation.
        cutoff: radius of the neighbour list in Å.
        n_out: width of the predicted feature: `max_z` classes for the target `Z_clean` (GPIP's
            code), the representation's `n_atom_basis` for `embedding_clean` (the paper's
            "original feature").
        n_layers: message-passing steps of the decoder.
        n_rbf: radial basis functions of the decoder.
        output_key: key of the result.

    Example:
        >>> decoder = MaskedAtoms(n_in=8, cutoff=5.0, n_out=100)
        >>> out = decoder({
        ...     "scalar_representation": torch.randn(2, 8),
        ...     "_Rij": torch.tensor([[1.0, 0, 0], [-1.0, 0, 0]]),
        ...     "_idx_i": torch.tensor([0, 1]), "_idx_j": torch.tensor([1, 0]),
        ...     "_is_masked": torch.tensor([True, False]),
        ... })
        >>> out["masked_atoms"].shape
        torch.Size([2, 100])
    """

    def __init__(
        self,
        n_in: int,
        cutoff: float,
        n_out: int = 100,
        n_layers: int = 1,
        n_rbf: int = 20,
        output_key: str = properties.masked_atoms,
    ):
        super().__init__()
        self.output_key = output_key
        self.model_outputs = [output_key]
        self.mask_token = nn.Parameter(torch.randn(n_in) / n_in**0.5)
        self.radial_basis = GaussianRBF(n_rbf=n_rbf, cutoff=cutoff)
        self.cutoff_fn = CosineCutoff(cutoff)
        self.interactions = nn.ModuleList(
            [
                SchNetInteraction(n_in, n_rbf, n_filters=n_in, activation=shifted_softplus)
                for _ in range(n_layers)
            ]
        )
        self.outnet = Dense(n_in, n_out)

    def forward(self, inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Write the predicted features of all atoms, shape (n_atoms, n_out)."""
        h = inputs["scalar_representation"]
        # A model that also predicts energies is used for structures without masked atoms.
        unmasked = torch.zeros(len(h), dtype=torch.bool, device=h.device)
        masked = inputs.get(properties.is_masked, unmasked)[:, None]
        d_ij = torch.linalg.vector_norm(inputs[spk_properties.Rij], dim=1)
        f_ij, rcut_ij = self.radial_basis(d_ij), self.cutoff_fn(d_ij)

        x = torch.where(masked, self.mask_token.to(h.dtype), h)
        for interaction in self.interactions:
            x = x + interaction(
                x, f_ij, inputs[spk_properties.idx_i], inputs[spk_properties.idx_j], rcut_ij
            )
        inputs[self.output_key] = self.outnet(x)
        return inputs
