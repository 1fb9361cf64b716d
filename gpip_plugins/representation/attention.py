r"""Layers of the Equivariant Transformer on SchNetPack's list of pairs.

They follow P. Thölke, G. De Fabritiis, arXiv:2202.02541, with the names and shapes of TorchMD-Net's
parameters. An atom attends to itself by a pair at zero distance and without a direction, after the
pairs of the neighbour list. So pairs of an atom with its periodic image are treated like all
others, whereas TorchMD-Net takes every pair of equal indices for an atom with itself.

Shapes: `n_atoms`, `n_pairs`, `n_atom_basis` features, `n_rbf` radial functions.
"""

import torch
from schnetpack.nn import Dense
from torch import nn
from torch.nn import functional

from gpip_plugins.representation.activations import ACTIVATIONS
from gpip_plugins.representation.pairs import Pairs

__all__ = ["EquivariantAttention", "NeighborEmbedding", "ValueProjection"]


class NeighborEmbedding(nn.Module):
    r"""Mixes the elements of the neighbours into the embedding of an atom.

    .. math::
        n_i = \sum_j \phi(r_{ij})\, W e(r_{ij}) \odot E^\mathrm{nbh}_{Z_j},\quad
        x_i = W' [E_{Z_i}, n_i] + b'

    P. Thölke, G. De Fabritiis, arXiv:2202.02541, eq. 3.

    Args:
        n_atom_basis: number of features.
        n_rbf: number of radial functions.
        max_z: rows of the embedding.
    """

    def __init__(self, n_atom_basis: int, n_rbf: int, max_z: int):
        super().__init__()
        self.embedding = nn.Embedding(max_z, n_atom_basis)
        self.distance_proj = Dense(n_rbf, n_atom_basis)
        self.combine = Dense(2 * n_atom_basis, n_atom_basis)

    def forward(self, z: torch.Tensor, x: torch.Tensor, pairs: Pairs) -> torch.Tensor:
        """Return the mixed embedding, shape (n_atoms, n_atom_basis).

        Args:
            z: atomic numbers, shape (n_atoms,).
            x: embedding, shape (n_atoms, n_atom_basis).
            pairs: the neighbours.
        """
        message = (
            self.distance_proj(pairs.radial)
            * pairs.phi
            * self.embedding(z).index_select(0, pairs.idx_j)
        )
        total = torch.zeros_like(x).index_add(0, pairs.idx_i, message)
        return self.combine(torch.cat([x, total], dim=1))


class ValueProjection(Dense):
    """Linear map to three values of every feature, with an optional activation.

    TorchMD-Net's weights are sorted by heads, and within a head by the three values. Each value is
    computed by a separate map: a CPU is faster on these blocks of `n_atom_basis` features than on
    slices of one large tensor.

    Args:
        n_in: number of inputs.
        n_atom_basis: number of features.
        n_heads: number of heads, into which the features are divided.
        activation: function of the values; None: the identity.

    Example:
        >>> ValueProjection(4, n_atom_basis=8, n_heads=2)(torch.randn(5, 4))[0].shape
        torch.Size([5, 8])
    """

    def __init__(self, n_in: int, n_atom_basis: int, n_heads: int, activation=None):
        super().__init__(n_in, 3 * n_atom_basis, activation=activation)
        self.by_head = [n_heads, 3, n_atom_basis // n_heads]

    def forward(self, input: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return the three values of inputs, (..., n_in); each of shape (..., n_atom_basis)."""
        w, w1, w2 = self.weight.unflatten(0, self.by_head).transpose(0, 1).flatten(1, 2).unbind(0)
        b, b1, b2 = self.bias.unflatten(0, self.by_head).transpose(0, 1).flatten(1).unbind(0)
        return (
            self.activation(functional.linear(input, w, b)),
            self.activation(functional.linear(input, w1, b1)),
            self.activation(functional.linear(input, w2, b2)),
        )


class EquivariantAttention(nn.Module):
    r"""One layer: attention of every atom to its neighbours and to itself.

    .. math::
        a_{ij} &= \sigma\left(\sum q_i \odot k_j \odot D^K_{ij}\right) \phi(r_{ij})\\
        (s_{ij}, s^1_{ij}, s^2_{ij}) &= v_j \odot D^V_{ij}\\
        y_i &= W_O \sum_j a_{ij} s_{ij}\\
        \Delta\vec v_i &= \sum_j \left(s^1_{ij} \vec v_j + s^2_{ij} \hat r_{ij}\right)
            + o^1_i\, U_3 \vec v_i\\
        \Delta x_i &= o^2_i\, \langle U_1 \vec v_i, U_2 \vec v_i\rangle + o^3_i

    with the filters D, which are linear in the radial functions, followed by an activation. The
    sums over j contain j = i. P. Thölke, G. De Fabritiis, arXiv:2202.02541.

    Args:
        n_atom_basis: number of features.
        n_rbf: number of radial functions.
        n_heads: number of attention heads.
        activation: activation of the filters, see `ACTIVATIONS`.
        attention_activation: activation of the attention weights, one of the same.
        distance_influence: parts with a filter: `keys`, `values`, `both`, `none`.
        first: whether all vectors are zero before this layer, so that its terms with vectors are
            left out.
    """

    def __init__(
        self,
        n_atom_basis: int,
        n_rbf: int,
        n_heads: int,
        activation: str,
        attention_activation: str,
        distance_influence: str,
        first: bool,
    ):
        super().__init__()
        self.first = first
        n, act = n_atom_basis, ACTIVATIONS[activation]
        self.by_head = [n_heads, n // n_heads]
        self.attention_activation = ACTIVATIONS[attention_activation]
        self.layernorm = nn.LayerNorm(n)
        self.q_proj = Dense(n, n)
        self.k_proj = Dense(n, n)
        self.v_proj = ValueProjection(n, n, n_heads)
        self.o_proj = Dense(n, 3 * n)
        self.vec_proj = Dense(n, 3 * n, bias=False)
        keys, values = (distance_influence in (name, "both") for name in ("keys", "values"))
        self.dk_proj = Dense(n_rbf, n, activation=act) if keys else None
        self.dv_proj = ValueProjection(n_rbf, n, n_heads, act) if values else None

    def forward(
        self, x: torch.Tensor, vec: torch.Tensor, pairs: Pairs
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return scalars and vectors after the layer.

        Args:
            x: scalars, shape (n_atoms, n_atom_basis).
            vec: vectors, shape (n_atoms, 3, n_atom_basis); zero before the first layer.
            pairs: every atom with its neighbours and with itself.
        """
        h = self.layernorm(x)
        s, s1, s2 = self._values(h, pairs)
        message = (s.unflatten(1, self.by_head) * self._attention(h, pairs)).flatten(1)
        y = torch.zeros_like(x).index_add(0, pairs.idx_i, message)
        # Not `chunk`: TorchScript gets its gradient wrong where a part is not used.
        o1, o2, o3 = torch.split(self.o_proj(y), x.shape[1], dim=1)
        x = x + o3
        message = s2.unsqueeze(1) * pairs.direction.unsqueeze(2)
        if self.first:
            # A gradient of zero: distributed training waits for one of every parameter.
            x = x + 0.0 * self.vec_proj.weight.sum()
        else:
            s1 = (s1 * pairs.envelope).unsqueeze(1)
            message = torch.addcmul(message, s1, vec.index_select(0, pairs.idx_j))
            vec1, vec2, vec3 = torch.split(self.vec_proj(vec), x.shape[1], dim=2)
            x = x + o2 * (vec1 * vec2).sum(dim=1)
            vec = vec + o1.unsqueeze(1) * vec3
        return x, vec.index_add(0, pairs.idx_i, message)

    def _attention(self, h: torch.Tensor, pairs: Pairs) -> torch.Tensor:
        """Return the attention weights a, shape (n_pairs, n_heads, 1)."""
        q = self.q_proj(h).index_select(0, pairs.idx_i)
        score = q * self.k_proj(h).index_select(0, pairs.idx_j)
        if self.dk_proj is not None:
            score = score * self.dk_proj(pairs.radial)
        score = score.unflatten(1, self.by_head).sum(dim=2)
        return (self.attention_activation(score) * pairs.phi).unsqueeze(2)

    def _values(
        self, h: torch.Tensor, pairs: Pairs
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return the filtered values s, s1, s2 of the neighbours, (n_pairs, n_atom_basis) each."""
        v, v1, v2 = self.v_proj(h)
        s = v.index_select(0, pairs.idx_j)
        s1 = v1.index_select(0, pairs.idx_j)
        s2 = v2.index_select(0, pairs.idx_j)
        if self.dv_proj is not None:
            d, d1, d2 = self.dv_proj(pairs.radial)
            s, s1, s2 = s * d, s1 * d1, s2 * d2
        return s, s1, s2
