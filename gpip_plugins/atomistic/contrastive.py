"""Contrast of the representation with a 3D network."""

import torch
from schnetpack import properties as spk_properties
from schnetpack.nn import build_mlp
from torch import nn

from gpip_plugins import properties
from gpip_plugins.atomistic.net3d import Net3D, pool
from gpip_plugins.nn.graphs import system_index

__all__ = ["Contrastive"]


class Contrastive(nn.Module):
    """Write the two latents of every configuration for the NT-Xent loss, GPIP task 3.

    Student: the representation of the corrupted configuration, pooled by minimum, maximum and mean
    and mapped to `n_out`. Teacher: `Net3D` on the clean configuration; it is trained together with
    the student.

    Args:
        n_in: width of the scalar representation.
        n_out: width of the latents; by default `n_in`, as in GPIP's code.
        n_hidden_3d, n_layers_3d, n_encodings: of `Net3D`.
        centered: subtract the mean over the batch from both latents (ours; 3D Infomax has batch
            normalisation). Configurations of one molecule start with nearly the same latent, so
            that all cosines are one and the loss stays at log(n_systems - 1) for thousands of
            steps; without their common part it falls from the start.

    Example:
        >>> head = Contrastive(n_in=8)
        >>> out = head({
        ...     "scalar_representation": torch.randn(5, 8), "_positions": torch.randn(5, 3),
        ...     "_n_atoms": torch.tensor([3, 2]), "_idx_m": torch.tensor([0, 0, 0, 1, 1]),
        ...     "_cell": torch.zeros(2, 3, 3), "_pbc": torch.zeros(6, dtype=torch.bool)})
        >>> out["structure_latent"].shape, out["geometry_latent"].shape
        (torch.Size([2, 8]), torch.Size([2, 8]))
    """

    def __init__(
        self,
        n_in: int,
        n_out: int | None = None,
        n_hidden_3d: int = 20,
        n_layers_3d: int = 1,
        n_encodings: int = 4,
        centered: bool = True,
    ):
        super().__init__()
        n_out = n_out or n_in
        self.model_outputs = [properties.structure_latent, properties.geometry_latent]
        self.centered = centered
        self.projection = build_mlp(3 * n_in, n_out, n_hidden=n_in)
        self.net3d = Net3D(n_out, n_hidden_3d, n_layers_3d, n_encodings)

    def forward(self, inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Write both latents, shape (n_systems, n_out)."""
        n_atoms = inputs[spk_properties.n_atoms]
        pooled = pool(inputs["scalar_representation"], system_index(inputs), n_atoms)
        inputs[properties.structure_latent] = self._center(self.projection(pooled))
        inputs[properties.geometry_latent] = self._center(self.net3d(inputs))
        return inputs

    def _center(self, latent: torch.Tensor) -> torch.Tensor:
        return latent - latent.mean(0) if self.centered and len(latent) > 1 else latent
