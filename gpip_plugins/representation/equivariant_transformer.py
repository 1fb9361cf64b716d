"""TorchMD-Net's Equivariant Transformer as a representation of SchNetPack."""

import torch
from schnetpack import properties
from torch import nn
from torch.nn import functional

from gpip_plugins.errors import InputError
from gpip_plugins.representation._torchmdnet import blocks
from gpip_plugins.representation.attention import EquivariantAttention, NeighborEmbedding
from gpip_plugins.representation.stacked_weights import StackedWeights
from gpip_plugins.representation.vector_norm import WhitenedVectorNorm

__all__ = ["EquivariantTransformer"]

_INFLUENCES = ("keys", "values", "both", "none")


class EquivariantTransformer(nn.Module):
    r"""The Equivariant Transformer (ET) of TorchMD-Net, for molecules and any periodic cell.

    Scalars and vectors of all atoms pass `n_interactions` layers of attention, each weight of which
    depends on features and distance (see `attention`). With the weights of TorchMD-Net it gives
    TorchMD-Net's numbers. Differences: pairs come from SchNetPack's neighbour list, so that there
    is no largest number of neighbours and no smallest cell; and by default the vectors pass the
    cutoff function, too.

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
        neighbor_embedding: whether the elements of the neighbours enter the first features.
        distance_influence: which part of the attention has a distance filter: `keys`, `values`,
            `both` or `none`.
        vector_cutoff: whether the cutoff function multiplies the messages between vectors, too.
            True makes energy and forces continuous when an atom passes the cutoff. TorchMD-Net's
            default is False: the attention weights vanish at the cutoff, but the vector messages do
            not, since the biases of their filters remain, and the energy jumps.
        vector_norm: None, or `whitened`: the vectors are normalised at the end as in "Pre-training
            via Denoising" (see `WhitenedVectorNorm`; equivariant only approximately).
        max_z: rows of the embeddings; elements up to `max_z - 1`. Row 0 belongs to no element.

    Raises:
        InputError: a setting that TorchMD-Net does not have.

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
        for key, name in (
            ("activation", activation),
            ("attention_activation", attention_activation),
        ):
            _one_of(key, name, blocks.act_class_mapping)
        _one_of("distance_influence", distance_influence, _INFLUENCES)
        if vector_norm is not None:
            _one_of("vector_norm", vector_norm, ["whitened"])
        if n_interactions < 1:
            raise InputError(f"n_interactions={n_interactions} leaves no layer; give 1 or more.")
        if n_heads < 1 or n_atom_basis % n_heads:
            raise InputError(
                f"n_atom_basis={n_atom_basis} is not divisible by n_heads={n_heads}; choose a"
                " multiple."
            )
        self.n_atom_basis = n_atom_basis
        self.n_interactions = n_interactions
        self.n_heads = n_heads
        self.activation = activation
        self.attention_activation = attention_activation
        self.distance_influence = distance_influence
        self.vector_cutoff = vector_cutoff
        self.vector_norm = vector_norm
        self.max_z = max_z
        self.cutoff_fn = cutoff_fn
        self.cutoff = cutoff_fn.cutoff
        self.radial_basis = radial_basis
        self._range = (
            float(getattr(cutoff_fn, "cutoff_lower", 0.0)),
            float(getattr(cutoff_fn, "cutoff_upper", cutoff_fn.cutoff)),
        )

        n_rbf = radial_basis.n_rbf
        self.embedding = nn.Embedding(max_z, n_atom_basis)
        self.neighbor_embedding = (
            NeighborEmbedding(n_atom_basis, n_rbf, max_z) if neighbor_embedding else None
        )
        self.attention_layers = nn.ModuleList(
            EquivariantAttention(
                n_atom_basis,
                n_rbf,
                n_heads,
                activation,
                attention_activation,
                distance_influence,
                vector_cutoff,
                first=layer == 0,
            )
            for layer in range(n_interactions)
        )
        layers = list(self.attention_layers)
        self.projections = StackedWeights(
            [[layer.projection_rows()] for layer in layers], [5 * n_atom_basis] * n_interactions
        )
        self.filters = StackedWeights(
            [layer.filter_rows() for layer in layers], [layer.n_filter_rows() for layer in layers]
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
        r_ij = inputs[properties.Rij]
        idx_i = inputs[properties.idx_i]
        idx_j = inputs[properties.idx_j]

        d_ij = torch.linalg.vector_norm(r_ij, dim=1)
        if not self.vector_cutoff:
            # Without it vector messages do not vanish beyond the cutoff, to which lists may reach.
            within = torch.nonzero((d_ij >= self._range[0]) & (d_ij < self._range[1])).squeeze(1)
            d_ij, r_ij = d_ij.index_select(0, within), r_ij.index_select(0, within)
            idx_i, idx_j = idx_i.index_select(0, within), idx_j.index_select(0, within)
        direction = r_ij / d_ij.unsqueeze(1)
        n_atoms, n_pairs = z.shape[0], d_ij.shape[0]
        # Every atom with itself, behind the pairs: the distance is zero, and so is the direction.
        itself = torch.arange(n_atoms, device=z.device)
        direction = torch.cat([direction, r_ij.new_zeros((n_atoms, 3))]).unsqueeze(2)
        distance = torch.cat([d_ij, d_ij.new_zeros(n_atoms)])

        radial = self.radial_basis(distance)
        phi = self.cutoff_fn(distance).unsqueeze(1)
        if self.vector_cutoff:
            direction = direction * phi.unsqueeze(2)

        x = self.embedding(z)
        if self.neighbor_embedding is not None:
            x = self.neighbor_embedding(z, x, idx_i, idx_j, radial[:n_pairs], phi[:n_pairs])
        idx_i, idx_j = torch.cat([idx_i, itself]), torch.cat([idx_j, itself])
        vec = x.new_zeros((n_atoms, 3, x.shape[1]))
        weights, biases = self._projections()
        filter_weight, filter_bias = self._filter_weights(radial)
        at_once = _at_once(radial)
        every = self._all_filters(radial, filter_weight, filter_bias) if at_once else []
        weight_by_filter, bias_by_filter = filter_weight.unbind(0), filter_bias.unbind(0)
        start = 0
        for k, layer in enumerate(self.attention_layers):
            end = start + self.filters.n_blocks[k]
            own = every[start:end]
            if not at_once:
                for m in range(start, end):
                    product = functional.linear(radial, weight_by_filter[m], bias_by_filter[m])
                    own.append(layer.act(product))
            x, vec = layer(x, vec, idx_i, idx_j, weights[k], biases[k], own, phi, direction)
            start = end
        x = self.out_norm(x)
        if self.out_norm_vec is not None:
            vec = self.out_norm_vec(vec)

        inputs["scalar_representation"] = x
        inputs["vector_representation"] = vec
        return inputs

    def _projections(self) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        """Return by layer weights and biases of the linear maps of the scalars."""
        weights: list[torch.Tensor] = []
        biases: list[torch.Tensor] = []
        for layer in self.attention_layers:
            weights += [layer.q_proj.weight, layer.k_proj.weight, layer.v_proj.weight]
            biases += [layer.q_proj.bias, layer.k_proj.bias, layer.v_proj.bias]
        weight, bias = self.projections(weights, biases)
        return list(weight.unbind(0)), list(bias.unbind(0))

    def _filter_weights(self, radial: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return weights and biases of all distance filters.

        Their shapes are (n_filters, n_atom_basis, n_rbf) and (n_filters, n_atom_basis).
        """
        weights: list[torch.Tensor] = []
        biases: list[torch.Tensor] = []
        for layer in self.attention_layers:
            if layer.dk_proj is not None:
                weights.append(layer.dk_proj.weight)
                biases.append(layer.dk_proj.bias)
            if layer.dv_proj is not None:
                weights.append(layer.dv_proj.weight)
                biases.append(layer.dv_proj.bias)
        if len(weights) == 0:
            return radial.new_zeros((0, 0, 0)), radial.new_zeros((0, 0))
        return self.filters(weights, biases)

    def _all_filters(
        self, radial: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor
    ) -> list[torch.Tensor]:
        """Return the distance filters of all layers, each of shape (n_pairs, n_atom_basis)."""
        if weight.shape[0] == 0:
            return []
        same = radial.expand(weight.shape[0], -1, -1)
        product = torch.baddbmm(bias.unsqueeze(1), same, weight.transpose(1, 2))
        return list(self.attention_layers[0].act(product).unbind(0))


def _at_once(radial: torch.Tensor) -> bool:
    """Whether all layers' filters are computed before the first layer.

    On a GPU it is starting an operation that costs. On a CPU it is fetching from memory what was
    computed long ago: there a training step took 10 to 30 % longer. All filters together need
    memory, so that large systems, for which starting no longer counts, go layer by layer.
    """
    return radial.is_cuda and radial.shape[0] <= 100_000


def _one_of(key: str, name: str, choices) -> None:
    if name not in choices:
        raise InputError(f"{key}={name} is unknown; use one of {', '.join(choices)}.")
