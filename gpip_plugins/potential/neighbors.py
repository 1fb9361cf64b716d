"""Neighbour list that is used for many steps of a simulation."""

import torch
from schnetpack import properties
from schnetpack.transform import MatScipyNeighborList, Transform

__all__ = ["LastingNeighborList"]


class LastingNeighborList(Transform):
    r"""Neighbour list of successive structures, built again only when needed.

    Pairs are collected up to :math:`r_c + s`, with the skin s. As long as no atom has moved by more
    than s/2 since then, two atoms that are nearer than the cut-off :math:`r_c` now were nearer than
    :math:`r_c + s` then (L. Verlet, Phys. Rev. 159, 98, 1967). Only those collected pairs that are
    within the cut-off now are returned, so the result is that of a new list. A change of cell,
    periodicity, elements or number of atoms causes a new one.

    Args:
        cutoff: :math:`r_c`, in the unit of the positions.
        skin: s, in the same unit; 0 builds a list in every step in which an atom moves.

    Attributes:
        n_built: number of lists built so far.

    Example:
        >>> positions = torch.tensor([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0]])
        >>> structure = {
        ...     properties.Z: torch.tensor([1, 1]),
        ...     properties.R: positions,
        ...     properties.cell: torch.zeros(1, 3, 3),
        ...     properties.pbc: torch.zeros(1, 3, dtype=torch.bool),
        ... }
        >>> neighbors = LastingNeighborList(cutoff=3.0, skin=1.0)
        >>> neighbors(dict(structure))[properties.idx_j].tolist()
        [1, 0]
        >>> moved = {properties.R: positions + torch.tensor([0.0, 0.4, 0.0])}
        >>> _ = neighbors(structure | moved)
        >>> neighbors.n_built
        1
    """

    is_preprocessor: bool = True
    is_postprocessor: bool = False

    def __init__(self, cutoff: float, skin: float):
        super().__init__()
        self.cutoff, self.skin = cutoff, skin
        self.n_built = 0
        self._search = MatScipyNeighborList(cutoff + skin)
        self._start: dict[str, torch.Tensor] = {}
        self._pairs: dict[str, torch.Tensor] = {}

    def forward(self, inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Add the pairs within the cut-off: `idx_i`, `idx_j`, shape (n_pairs,), and offsets.

        Args:
            inputs: one structure.
        """
        if not self._lasts(inputs):
            found = self._search(dict(inputs))
            names = (properties.idx_i, properties.idx_j, properties.offsets)
            self._pairs = {name: found[name] for name in names}
            self._start = {
                name: inputs[name].clone()
                for name in (properties.Z, properties.R, properties.cell, properties.pbc)
            }
            self.n_built += 1
        i, j, offsets = self._pairs.values()
        R = inputs[properties.R]
        near = (R[j] - R[i] + offsets).norm(dim=1) < self.cutoff
        return inputs | {name: value[near] for name, value in self._pairs.items()}

    def _lasts(self, inputs: dict[str, torch.Tensor]) -> bool:
        """Return whether the collected pairs still contain all pairs within the cut-off."""
        if not self._start:
            return False
        for name in (properties.Z, properties.cell, properties.pbc):
            if not torch.equal(inputs[name], self._start[name]):
                return False
        step = (inputs[properties.R] - self._start[properties.R]).norm(dim=1)
        return bool((step <= self.skin / 2).all())
