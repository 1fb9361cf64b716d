r"""Layers of the Equivariant Transformer on SchNetPack's list of pairs.

Parameters, their initial values and their meaning are those of TorchMD-Net's layers, from which the
classes descend; what is computed with them is written anew for SchNetPack's pairs:

- an atom's attention to itself (a self-loop, at zero distance and without a direction) is computed
  atom by atom. Pairs of an atom with its own periodic image are pairs like all others, whereas
  TorchMD-Net takes every pair of equal indices for a self-loop;
- the vectors are zero before the first layer, so that its terms with vectors are left out;
- the three parts of the values (for scalars, old vectors, directions) are computed one by one.

Shapes: `n_atoms`, `n_pairs`, `n_atom_basis` features, `n_rbf` radial functions.
"""

import torch
from torch.nn import functional

from gpip_plugins.representation._torchmdnet import attention, blocks

__all__ = ["EquivariantAttention", "NeighborEmbedding"]


class NeighborEmbedding(blocks.NeighborEmbedding):
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
        super().__init__(n_atom_basis, n_rbf, 0.0, 1.0, max_z)
        del self.cutoff  # evaluated once for all layers

    def forward(
        self,
        z: torch.Tensor,
        x: torch.Tensor,
        idx_i: torch.Tensor,
        idx_j: torch.Tensor,
        radial: torch.Tensor,
        phi: torch.Tensor,
    ) -> torch.Tensor:
        """Return the mixed embedding, shape (n_atoms, n_atom_basis).

        Args:
            z: atomic numbers, shape (n_atoms,).
            x: embedding, shape (n_atoms, n_atom_basis).
            idx_i: centres, shape (n_pairs,).
            idx_j: neighbours, shape (n_pairs,).
            radial: radial functions, shape (n_pairs, n_rbf).
            phi: cutoff function, shape (n_pairs, 1).
        """
        neighbors = self.embedding(z).index_select(0, idx_j)
        message = self.distance_proj(radial) * phi * neighbors
        total = torch.zeros_like(x).index_add(0, idx_i, message)
        return self.combine(torch.cat([x, total], dim=1))


class EquivariantAttention(attention.EquivariantMultiHeadAttention):
    r"""One layer: attention of every atom to its neighbours and to itself.

    .. math::
        a_{ij} &= \sigma\left(\sum q_i \odot k_j \odot D^K_{ij}\right) \phi(r_{ij})\\
        (s_{ij}, s^1_{ij}, s^2_{ij}) &= v_j \odot D^V_{ij}\\
        y_i &= W_O \sum_j a_{ij} s_{ij}\\
        \Delta\vec v_i &= \sum_j \left(s^1_{ij} \vec v_j + s^2_{ij} \hat r_{ij}\right)
            + o^1_i\, U_3 \vec v_i\\
        \Delta x_i &= o^2_i\, \langle U_1 \vec v_i, U_2 \vec v_i\rangle + o^3_i

    with the filters D, which are linear in the radial functions and pass an activation. The sums
    over j contain j = i. P. Thölke, G. De Fabritiis, arXiv:2202.02541.

    Args:
        n_atom_basis: number of features.
        n_rbf: number of radial functions.
        n_heads: number of attention heads.
        activation: activation of the filters, a name of TorchMD-Net.
        attention_activation: activation of the attention weights.
        distance_influence: which of keys and values have a filter: `keys`, `values`, `both`,
            `none`.
        vector_cutoff: whether the cutoff function also multiplies the vector messages.
        first: whether all vectors are zero before this layer.
    """

    def __init__(
        self,
        n_atom_basis: int,
        n_rbf: int,
        n_heads: int,
        activation: str,
        attention_activation: str,
        distance_influence: str,
        vector_cutoff: bool,
        first: bool,
    ):
        super().__init__(
            n_atom_basis,
            n_rbf,
            distance_influence,
            n_heads,
            blocks.act_class_mapping[activation],
            attention_activation,
            0.0,
            1.0,
            vector_cutoff,
        )
        self.first = first
        del self.cutoff  # evaluated once for all layers

    def forward(
        self,
        x: torch.Tensor,
        vec: torch.Tensor,
        idx_i: torch.Tensor,
        idx_j: torch.Tensor,
        radial: torch.Tensor,
        phi: torch.Tensor,
        direction: torch.Tensor,
        radial_self: torch.Tensor,
        phi_self: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return what the layer adds to scalars and vectors.

        Args:
            x: scalars, shape (n_atoms, n_atom_basis).
            vec: vectors, shape (n_atoms, 3, n_atom_basis).
            idx_i: centres, shape (n_pairs,).
            idx_j: neighbours, shape (n_pairs,).
            radial: radial functions of the pairs, shape (n_pairs, n_rbf).
            phi: cutoff function of the pairs, shape (n_pairs, 1).
            direction: unit vectors from centre to neighbour, multiplied by the cutoff function if
                that is wanted for the vectors; shape (n_pairs, 3, 1).
            radial_self: radial functions at zero distance, shape (1, n_rbf).
            phi_self: cutoff function at zero distance, shape (1, 1).
        """
        x = self.layernorm(x)
        q, k = self.q_proj(x), self.k_proj(x)
        # Head by head, as TorchMD-Net stores it, and separate: no part is copied in vain.
        v = self.v_proj(x).unflatten(1, [self.num_heads, 3, self.head_dim]).unbind(2)

        score = q.index_select(0, idx_i) * k.index_select(0, idx_j)
        score_self = q * k
        if self.dk_proj is not None:
            score = score * self.act(self.dk_proj(radial))
            score_self = score_self * self.act(self.dk_proj(radial_self))
        s = v[0].index_select(0, idx_j) * self._value_filter(radial, 0)
        s_self = v[0] * self._value_filter(radial_self, 0)
        y = (s_self * self._attend(score_self, phi_self)).flatten(1)
        y = y.index_add(0, idx_i, (s * self._attend(score, phi)).flatten(1))
        o1, o2, o3 = torch.split(self.o_proj(y), self.hidden_channels, dim=1)

        s2 = (v[2].index_select(0, idx_j) * self._value_filter(radial, 2)).flatten(1)
        message = s2.unsqueeze(1) * direction
        if self.first:
            dvec = torch.zeros_like(vec).index_add(0, idx_i, message)
            # Keeps a gradient, of zero, for all parameters: distributed training waits for each.
            return o3 + 0.0 * self.vec_proj.weight.sum(), dvec

        s1 = (v[1].index_select(0, idx_j) * self._value_filter(radial, 1)).flatten(1)
        s1_self = (v[1] * self._value_filter(radial_self, 1)).flatten(1)
        if self.vector_cutoff:
            s1, s1_self = s1 * phi, s1_self * phi_self
        message = torch.addcmul(message, vec.index_select(0, idx_j), s1.unsqueeze(1))
        vec1, vec2, vec3 = torch.split(self.vec_proj(vec), self.hidden_channels, dim=2)
        dvec = vec3 * o1.unsqueeze(1) + vec * s1_self.unsqueeze(1)
        return (vec1 * vec2).sum(dim=1) * o2 + o3, dvec.index_add(0, idx_i, message)

    def _attend(self, score: torch.Tensor, phi: torch.Tensor) -> torch.Tensor:
        """Return the attention weights, shape (n, n_heads, 1)."""
        score = score.view(score.shape[0], self.num_heads, self.head_dim).sum(dim=2)
        return (self.attn_activation(score) * phi).unsqueeze(2)

    def _value_filter(self, radial: torch.Tensor, part: int) -> torch.Tensor:
        """Return a third of the filter of the values, shape (n or 1, n_heads, head_dim)."""
        if self.dv_proj is None:
            return radial.new_ones((1, self.num_heads, self.head_dim))
        shape = [self.num_heads, 3, self.head_dim]
        weight = self.dv_proj.weight.unflatten(0, shape)[:, part].flatten(0, 1)
        bias = self.dv_proj.bias.unflatten(0, shape)[:, part].flatten()
        product = self.act(functional.linear(radial, weight, bias))
        return product.unflatten(1, [self.num_heads, self.head_dim])
