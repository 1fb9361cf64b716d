"""Net3D, the 3D network of 3D Infomax (Stärk et al., ICML 2022), for whole batches."""

import torch
from schnetpack import properties as spk_properties
from schnetpack.nn import build_mlp
from torch import nn

from gpip_plugins import properties
from gpip_plugins.nn.graphs import complete_pairs, minimum_image, scatter_mean, system_index

__all__ = ["DistanceEncoding", "Net3D", "pool"]


class DistanceEncoding(nn.Module):
    r"""Encode distances by sines and cosines of decreasing frequency, and the distance itself.

    .. math:: d \mapsto [\sin(d/2^k), \cos(d/2^k)]_{k=0}^{K-1} \oplus d

    Args:
        n_encodings: K.

    Example:
        >>> DistanceEncoding(n_encodings=4)(torch.tensor([0.0]))
        tensor([[0., 0., 0., 0., 1., 1., 1., 1., 0.]])
    """

    def __init__(self, n_encodings: int = 4):
        super().__init__()
        self.n_out = 2 * n_encodings + 1
        self.register_buffer("scales", 2.0 ** torch.arange(n_encodings), persistent=False)

    def forward(self, d: torch.Tensor) -> torch.Tensor:
        """Encode distances in Å, shape (n_pairs,), to (n_pairs, 2 K + 1)."""
        scaled = d[:, None] / self.scales.to(d.dtype)
        return torch.cat([scaled.sin(), scaled.cos(), d[:, None]], dim=-1)


def pool(x: torch.Tensor, idx_m: torch.Tensor, n_atoms: torch.Tensor) -> torch.Tensor:
    """Pool the atoms of each configuration: minimum, maximum and mean, concatenated.

    Args:
        x: atom-wise features, shape (n_atoms, n).
        idx_m: configuration of each atom, shape (n_atoms,).
        n_atoms: atoms per configuration, shape (n_systems,).

    Returns:
        shape (n_systems, 3 n).

    Example:
        >>> pool(torch.tensor([[1.0], [3.0]]), torch.tensor([0, 0]), torch.tensor([2]))
        tensor([[1., 3., 2.]])
    """
    index = idx_m[:, None].expand_as(x)
    empty = x.new_zeros((len(n_atoms), x.shape[1]))
    lowest = empty.scatter_reduce(0, index, x, "amin", include_self=False)
    highest = empty.scatter_reduce(0, index, x, "amax", include_self=False)
    return torch.cat([lowest, highest, scatter_mean(x, idx_m, n_atoms)], dim=-1)


class Net3DLayer(nn.Module):
    """One round of messages on the complete graph; messages update the edges, gates weight them."""

    def __init__(self, n_hidden: int):
        super().__init__()
        self.message_net = build_mlp(3 * n_hidden, n_hidden, n_hidden=n_hidden)
        self.gate = nn.Linear(n_hidden, 1)
        self.update_net = build_mlp(n_hidden, n_hidden, n_hidden=n_hidden)

    def forward(self, x, edges, idx_i, idx_j):
        """Return updated nodes (n_atoms, n_hidden) and edges (n_pairs, n_hidden)."""
        messages = self.message_net(torch.cat([x[idx_i], x[idx_j], edges], dim=-1))
        edges = edges + messages
        gated = torch.sigmoid(self.gate(messages)) * messages
        total = torch.zeros_like(x).index_add(0, idx_i, gated)
        return x + self.update_net(x + total), edges


class Net3D(nn.Module):
    """Represent a configuration by its interatomic distances alone (GPIP's teacher, task 3).

    All pairwise distances of the clean configuration (minimum image in periodic cells, ours) are
    encoded; every node starts from the same learned vector, so elements are unknown here; messages
    are passed on the complete graph; the nodes are pooled by minimum, maximum and mean. The whole
    batch is one vectorised computation.

    Args:
        n_out: width of the latent, equal to that of the student.
        n_hidden: hidden width (GPIP's code: 20).
        n_layers: message-passing rounds (GPIP's code: 1).
        n_encodings: frequencies of the distance encoding.

    Example:
        >>> net = Net3D(n_out=16)
        >>> batch = {"_positions": torch.randn(5, 3), "_n_atoms": torch.tensor([3, 2]),
        ...          "_cell": torch.zeros(2, 3, 3), "_pbc": torch.zeros(6, dtype=torch.bool)}
        >>> net(batch).shape
        torch.Size([2, 16])
    """

    def __init__(self, n_out: int, n_hidden: int = 20, n_layers: int = 1, n_encodings: int = 4):
        super().__init__()
        self.encoding = DistanceEncoding(n_encodings)
        self.edge_net = build_mlp(self.encoding.n_out, n_hidden, n_hidden=n_hidden)
        self.node = nn.Parameter(torch.randn(n_hidden))
        self.layers = nn.ModuleList([Net3DLayer(n_hidden) for _ in range(n_layers)])
        self.readout = build_mlp(3 * n_hidden, n_out, n_hidden=n_hidden)

    def forward(self, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        """Return the latents of the clean configurations, shape (n_systems, n_out)."""
        n_atoms = inputs[spk_properties.n_atoms]
        idx_m = system_index(inputs)
        R = inputs.get(properties.R_clean, inputs[spk_properties.R]).detach()
        idx_i, idx_j = complete_pairs(n_atoms)
        Rij = minimum_image(
            R[idx_j] - R[idx_i],
            inputs[spk_properties.cell].view(-1, 3, 3),
            inputs[spk_properties.pbc],
            idx_m[idx_i],
        )
        edges = self.edge_net(self.encoding(torch.linalg.vector_norm(Rij, dim=1)))
        x = self.node.expand(len(R), -1)
        for layer in self.layers:
            x, edges = layer(x, edges, idx_i, idx_j)
        return self.readout(pool(x, idx_m, n_atoms))
