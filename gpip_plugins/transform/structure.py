"""Centring and neighbour lists for whole batches."""

import torch
from schnetpack import properties
from schnetpack.transform import MatScipyNeighborList

from gpip_plugins.errors import check_number
from gpip_plugins.nn.graphs import complete_pairs, scatter_mean, system_index
from gpip_plugins.transform.base import BatchTransform

__all__ = ["NeighborList", "SubtractCenter"]


class SubtractCenter(BatchTransform):
    """Move the centre of geometry of every configuration to the origin.

    Example:
        >>> batch = {"_positions": torch.tensor([[1.0, 0, 0], [3.0, 0, 0]]),
        ...          "_n_atoms": torch.tensor([2])}
        >>> SubtractCenter()(batch)["_positions"][:, 0]
        tensor([-1.,  1.])
    """

    def forward(self, inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Shift `R`, shape (n_atoms, 3), in Å."""
        R = inputs[properties.R]
        idx_m = system_index(inputs)
        inputs[properties.R] = R - scatter_mean(R, idx_m, inputs[properties.n_atoms])[idx_m]
        return inputs


class NeighborList(BatchTransform):
    """Pairs of atoms within a cutoff, for a batch or a single configuration.

    Pairs in a batch of isolated molecules are found in one vectorised step (all pairs, then the
    cutoff); periodic configurations, and large isolated ones, are searched one by one with
    SchNetPack's `MatScipyNeighborList`. Both give the same pairs.

    Args:
        cutoff: radius in Å, positive.
        max_atoms_all_pairs: isolated configurations with more atoms are searched one by one.

    Raises:
        InputError: the cutoff is not positive.

    Example:
        >>> batch = {"_positions": torch.tensor([[0.0, 0, 0], [1.0, 0, 0], [9.0, 0, 0]]),
        ...          "_n_atoms": torch.tensor([3]), "_pbc": torch.zeros(3, dtype=torch.bool),
        ...          "_cell": torch.zeros(1, 3, 3), "_atomic_numbers": torch.tensor([1, 1, 1])}
        >>> NeighborList(cutoff=5.0)(batch)["_idx_j"]
        tensor([1, 0])
    """

    def __init__(self, cutoff: float, max_atoms_all_pairs: int = 200):
        super().__init__()
        self.cutoff = check_number("cutoff", cutoff, above=0.0, unit="Å", example=5.0)
        self.max_atoms_all_pairs = max_atoms_all_pairs
        self.search = MatScipyNeighborList(cutoff)

    def forward(self, inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Write `idx_i`, `idx_j`, shape (n_pairs,), and `offsets` in Å, shape (n_pairs, 3)."""
        n_atoms = inputs[properties.n_atoms]
        small = int(n_atoms.max()) <= self.max_atoms_all_pairs
        if small and not bool(inputs[properties.pbc].any()):
            R = inputs[properties.R]
            idx_i, idx_j = complete_pairs(n_atoms)
            near = (R[idx_j] - R[idx_i]).square().sum(-1) < self.cutoff**2
            idx_i, idx_j = idx_i[near], idx_j[near]
            offsets = R.new_zeros((len(idx_i), 3))
        else:
            idx_i, idx_j, offsets = self._one_by_one(inputs)
        inputs[properties.idx_i] = idx_i
        inputs[properties.idx_j] = idx_j
        inputs[properties.offsets] = offsets
        return inputs

    def _one_by_one(self, inputs):
        pairs = []
        first = 0
        cell = inputs[properties.cell].view(-1, 3, 3)
        pbc = inputs[properties.pbc].view(-1, 3)
        for k, n in enumerate(inputs[properties.n_atoms].tolist()):
            atoms = slice(first, first + n)
            found = self.search(
                {
                    properties.Z: inputs[properties.Z][atoms],
                    properties.R: inputs[properties.R][atoms],
                    properties.cell: cell[k],
                    properties.pbc: pbc[k],
                }
            )
            pairs.append(
                (
                    found[properties.idx_i] + first,
                    found[properties.idx_j] + first,
                    found[properties.offsets],
                )
            )
            first += n
        return tuple(torch.cat(column) for column in zip(*pairs, strict=True))
