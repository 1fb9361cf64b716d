"""TorchMD-Net's Equivariant Transformer as a representation of SchNetPack."""

import torch
from schnetpack import properties
from torch import nn

from gpip_plugins.errors import InputError, check_choice, check_whole
from gpip_plugins.representation.activations import ACTIVATIONS
from gpip_plugins.representation.attention import EquivariantAttention, NeighborEmbedding
from gpip_plugins.representation.pairs import Pairs, neighbors_of
from gpip_plugins.representation.vector_norm import WhitenedVectorNorm

__all__ = ["EquivariantTransformer"]

_INFLUENCES = ("keys", "values", "both", "none")


class EquivariantTransformer(nn.Module):
    r"""The Equivariant Transformer (ET) of TorchMD-Net, for molecules and any periodic cell.

    Scalars and vectors of all atoms pass `n_interactions` layers of attention, whose weights depend
    on features and distances (see `attention`). With the weights of TorchMD-Net it gives the same
    numbers as TorchMD-Net. Differences: pairs come from SchNetPack's neighbour list, so that the
    number of neighbours and the size of the cell are not limited; and by default the vectors are
    also multiplied by the cutoff function.

    References:
        P. Thölke, G. De Fabritiis, TorchMD-NET: Equivariant Transformers for Neural Network based
        Molecular Potentials, ICLR 2022, arXiv:2202.02541.
        R. P. Pelaez et al., TorchMD-Net 2.0, arXiv:2402.17660.

    Args:
        n_atom_basis: number of features; divisible by `n_heads`.
        n_interactions: number of layers, at least one.
        radial_basis: radial basis with `n_rbf` functions: `ExpNormalRBF`, `TorchMDGaussianRBF`, or
            one of SchNetPack's.
        cutoff_fn: cutoff function with the buffer `cutoff`, Å: `CosineCutoff`, or one of
            SchNetPack's.
        n_heads: number of attention heads.
        activation: activation of the distance filters: `silu`, `ssp`, `tanh`, `sigmoid`, `swish`
            or `mish`.
        attention_activation: activation of the attention weights, one of the same.
        neighbor_embedding: whether the first features include the elements of the neighbours.
        distance_influence: parts of the attention with a distance filter: `keys`, `values`, `both`
            or `none`.
        vector_cutoff: whether the cutoff function also multiplies the messages between vectors.
            With True energy and forces are continuous when an atom passes the cutoff. TorchMD-Net's
            default is False: the attention weights vanish at the cutoff, but the vector messages do
            not, since the biases of their filters remain, and the energy jumps.
        vector_norm: None, or `whitened`: the vectors are normalised at the end as in "Pre-training
            via Denoising" (see `WhitenedVectorNorm`; equivariant only approximately).
        max_z: rows of the embeddings; elements up to `max_z - 1`. Row 0 belongs to no element.

    Raises:
        InputError: a setting is out of range or has an unknown name, or the heads do not divide
            the features.

    Example:
        >>> from gpip_plugins.representation import CosineCutoff, ExpNormalRBF
        >>> representation = EquivariantTransformer(
        ...     16, 2, ExpNormalRBF(n_rbf=8, cutoff=5.0), CosineCutoff(5.0), n_heads=4
        ... )
        >>> outputs = representation(
        ...     {
        ...         "_atomic_numbers": torch.tensor([8, 1]),
        ...         "_Rij": torch.tensor([[0.0, 0.0, 1.0], [0.0, 0.0, -1.0]]),
        ...         "_idx_i": torch.tensor([0, 1]),
        ...         "_idx_j": torch.tensor([1, 0]),
        ...     }
        ... )
        >>> outputs["scalar_representation"].shape, outputs["vector_representation"].shape
        (torch.Size([2, 16]), torch.Size([2, 3, 16]))
    """

    def __init__(
        self,
        n_atom_basis: int,
        n_interactions: int,
        radial_basis: nn.Module,
        cutoff_fn: nn.Module,
        n_heads: int = 8,
        activation: str = "silu",
        attention_activation: str = "silu",
        neighbor_embedding: bool = True,
        distance_influence: str = "both",
        vector_cutoff: bool = True,
        vector_norm: str | None = None,
        max_z: int = 100,
    ):
        super().__init__()
        self.n_atom_basis, self.n_heads = _check_heads(n_atom_basis, n_heads)
        self.n_interactions = check_whole("n_interactions", n_interactions, least=1)
        self.activation = check_choice("activation", activation, ACTIVATIONS)
        self.attention_activation = check_choice(
            "attention_activation", attention_activation, ACTIVATIONS
        )
        self.distance_influence = check_choice(
            "distance_influence", distance_influence, _INFLUENCES
        )
        if vector_norm is not None:
            check_choice("vector_norm", vector_norm, ["whitened"])
        self.vector_norm = vector_norm
        self.vector_cutoff = vector_cutoff
        self.max_z = check_whole("max_z", max_z, least=2)
        self.radial_basis = radial_basis
        self.cutoff_fn = cutoff_fn
        self.cutoff = cutoff_fn.cutoff
        self._range = float(getattr(cutoff_fn, "cutoff_lower", 0.0)), float(cutoff_fn.cutoff)

        n_rbf = radial_basis.n_rbf
        attention = (activation, attention_activation, distance_influence)
        self.embedding = nn.Embedding(max_z, n_atom_basis)
        self.neighbor_embedding = (
            NeighborEmbedding(n_atom_basis, n_rbf, max_z) if neighbor_embedding else None
        )
        self.attention_layers = nn.ModuleList(
            EquivariantAttention(n_atom_basis, n_rbf, n_heads, *attention, first=k == 0)
            for k in range(n_interactions)
        )
        self.out_norm = nn.LayerNorm(n_atom_basis)
        self.out_norm_vec = WhitenedVectorNorm(n_atom_basis) if vector_norm else None

    def forward(self, inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Add the features of the atoms to the inputs.

        Args:
            inputs: SchNetPack's dictionary with `_atomic_numbers`, shape (n_atoms,); `_Rij`, shape
                (n_pairs, 3), Å, from centre to neighbour; `_idx_i` and `_idx_j`, shape (n_pairs,).

        Returns:
            The same dictionary with `scalar_representation`, shape (n_atoms, n_atom_basis), and
            `vector_representation`, shape (n_atoms, 3, n_atom_basis).
        """
        z = inputs[properties.Z]
        pairs = self._pairs(inputs)
        x = self.embedding(z)
        if self.neighbor_embedding is not None:
            x = self.neighbor_embedding(z, x, neighbors_of(pairs, z.shape[0]))
        vec = x.new_zeros((x.shape[0], 3, x.shape[1]))
        for layer in self.attention_layers:
            x, vec = layer(x, vec, pairs)
        x = self.out_norm(x)
        if self.out_norm_vec is not None:
            vec = self.out_norm_vec(vec)

        inputs["scalar_representation"] = x
        inputs["vector_representation"] = vec
        return inputs

    def _pairs(self, inputs: dict[str, torch.Tensor]) -> Pairs:
        """Return the pairs of the neighbour list, followed by every atom with itself."""
        r_ij, n_atoms = inputs[properties.Rij], inputs[properties.Z].shape[0]
        itself = torch.arange(n_atoms, device=r_ij.device)
        d_ij = torch.linalg.vector_norm(r_ij, dim=1)
        # The distance of an atom to itself is zero, and so is the direction.
        direction = torch.cat([r_ij / d_ij.unsqueeze(1), r_ij.new_zeros((n_atoms, 3))])
        distance = torch.cat([d_ij, d_ij.new_zeros(n_atoms)])
        phi = self.cutoff_fn(distance).unsqueeze(1)
        envelope = phi
        if not self.vector_cutoff:
            # Messages between vectors end at the cutoff; a neighbour list may contain longer pairs.
            within = (d_ij >= self._range[0]) & (d_ij < self._range[1])
            envelope = torch.cat([within.to(phi.dtype), phi.new_ones(n_atoms)]).unsqueeze(1)
        return Pairs(
            torch.cat([inputs[properties.idx_i], itself]),
            torch.cat([inputs[properties.idx_j], itself]),
            self.radial_basis(distance),
            phi,
            envelope,
            direction * envelope,
        )


def _check_heads(n_atom_basis: int, n_heads: int) -> tuple[int, int]:
    """Return the number of features and the number of heads, which divides it."""
    check_whole("n_atom_basis", n_atom_basis, least=1)
    check_whole("n_heads", n_heads, least=1)
    if n_atom_basis % n_heads:
        raise InputError(
            f"n_atom_basis={n_atom_basis} is not divisible by n_heads={n_heads}; choose a multiple."
        )
    return n_atom_basis, n_heads
