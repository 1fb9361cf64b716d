r"""Layers of the Equivariant Transformer on SchNetPack's list of pairs.

Parameters, their initial values and their meaning are those of TorchMD-Net's layers, from which the
classes descend; what is computed with them is written anew for SchNetPack's pairs:

- an atom's attention to itself (a self-loop, at zero distance and without a direction) is a pair
  behind those of the neighbour list. Pairs of an atom with its own periodic image are like all
  others, whereas TorchMD-Net takes every pair of equal indices for a self-loop;
- the vectors are zero before the first layer, so that its terms with vectors are left out;
- the weights of all layers are gathered at once, in an order that separates the three parts of the
  values (for scalars, directions, old vectors) from the start (`StackedWeights`).

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

    def projection_rows(self) -> torch.Tensor:
        """Return the rows of queries, keys, and the values of scalars, directions, old vectors.

        They count the rows of `q_proj`, `k_proj`, `v_proj`, one after the other.
        """
        n = self.hidden_channels
        scalars, vectors, directions = 2 * n + self._value_rows()
        return torch.cat([torch.arange(2 * n), scalars, directions, vectors])

    def filter_rows(self) -> list[torch.Tensor]:
        """Return the rows of the filters of the values, in the same order, and of the keys.

        They count the rows of `dk_proj` and `dv_proj`, where these exist. Old vectors need none in
        the first layer.
        """
        rows: list[torch.Tensor] = []
        keys = [] if self.dk_proj is None else [torch.arange(self.hidden_channels)]
        if self.dv_proj is not None:
            scalars, vectors, directions = len(keys) * self.hidden_channels + self._value_rows()
            rows = [scalars, directions] if self.first else [scalars, directions, vectors]
        return rows + keys

    def n_filter_rows(self) -> int:
        """Return the number of rows of `dk_proj` and `dv_proj`."""
        maps = [one for one in (self.dk_proj, self.dv_proj) if one is not None]
        return sum(one.out_features for one in maps)

    def _value_rows(self) -> torch.Tensor:
        """Return the rows of scalars, vectors, directions; TorchMD-Net stores them by heads."""
        rows = torch.arange(3 * self.hidden_channels)
        return rows.view(self.num_heads, 3, self.head_dim).transpose(0, 1).flatten(1)

    def forward(
        self,
        x: torch.Tensor,
        vec: torch.Tensor,
        idx_i: torch.Tensor,
        idx_j: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor,
        filters: list[torch.Tensor],
        phi: torch.Tensor,
        direction: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return scalars and vectors with what the layer adds to them.

        Args:
            x: scalars, shape (n_atoms, n_atom_basis).
            vec: vectors, shape (n_atoms, 3, n_atom_basis); zero before the first layer.
            idx_i: centres, shape (n_pairs,); the pairs contain every atom with itself.
            idx_j: neighbours, shape (n_pairs,).
            weight: of the linear maps of the scalars, sorted by `projection_rows`; shape
                (5 n_atom_basis, n_atom_basis).
            bias: of the same, shape (5 n_atom_basis,).
            filters: distance filters, sorted by `filter_rows`; each of shape (n_pairs,
                n_atom_basis).
            phi: cutoff function, shape (n_pairs, 1).
            direction: unit vectors from centre to neighbour, zero for an atom with itself,
                multiplied by the cutoff function if that is wanted for the vectors; shape
                (n_pairs, 3, 1).
        """
        n, heads = self.hidden_channels, [self.num_heads, self.head_dim]
        q, k, scalars, directions, vectors = torch.split(
            functional.linear(self.layernorm(x), weight, bias), [n, n, n, n, n], dim=1
        )
        score = q.index_select(0, idx_i) * k.index_select(0, idx_j)
        if self.dk_proj is not None:
            score = score * filters[-1]
        strength = self.attn_activation(score.unflatten(1, heads).sum(dim=2)) * phi

        s = self._value(scalars, idx_j, filters, 0).unflatten(1, heads) * strength.unsqueeze(2)
        y = torch.zeros_like(x).index_add(0, idx_i, s.flatten(1))
        o1, o2, o3 = torch.split(self.o_proj(y), n, dim=1)
        x = x + o3
        message = self._value(directions, idx_j, filters, 1).unsqueeze(1) * direction
        if self.first:
            # Keeps a gradient, of zero, for all parameters: distributed training waits for each.
            return x + 0.0 * self.vec_proj.weight.sum(), vec.index_add(0, idx_i, message)

        s1 = self._value(vectors, idx_j, filters, 2)
        if self.vector_cutoff:
            s1 = s1 * phi
        message = torch.addcmul(message, vec.index_select(0, idx_j), s1.unsqueeze(1))
        vec1, vec2, vec3 = torch.split(self.vec_proj(vec), n, dim=2)
        x = x + (vec1 * vec2).sum(dim=1) * o2
        vec = vec + vec3 * o1.unsqueeze(1)
        return x, vec.index_add(0, idx_i, message)

    def _value(
        self, v: torch.Tensor, idx_j: torch.Tensor, filters: list[torch.Tensor], part: int
    ) -> torch.Tensor:
        """Return a part of the neighbours' values, filtered; shape (n_pairs, n_atom_basis)."""
        v_j = v.index_select(0, idx_j)
        return v_j if self.dv_proj is None else v_j * filters[part]
