"""Neighbour list of a simulation, right for several molecules and replicas.

SchNetPack renews the list of those molecules in which an atom has moved by half of the shell, but
then measures the displacements of all molecules from the present positions. A slow molecule beside
a fast one thus keeps its old list for ever and loses pairs.
"""

import torch
from schnetpack import properties
from schnetpack.md.neighborlist_md import NeighborListMD

__all__ = ["MoleculeNeighbors"]


class MoleculeNeighbors(NeighborListMD):
    """`NeighborListMD` that measures displacements from the last renewal of each molecule.

    Args:
        cutoff: cut-off in the model's unit of length.
        cutoff_shell: additional distance; a list is renewed when an atom moved by half of it.
        base_nbl: class of SchNetPack's neighbour lists.
        requires_triples: also list triples of atoms.
        collate_fn: joins the lists of the molecules.
    """

    def _update_required(self, positions, cells, idx_m, n_molecules):
        self._renewed = super()._update_required(positions, cells, idx_m, n_molecules)
        return self._renewed

    def get_neighbors(self, inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Return the pairs within the cut-off.

        Args:
            inputs: batch of all molecules and replicas.
        """
        before = self.previous_positions, self.previous_cells
        neighbors = super().get_neighbors(inputs)
        if before[0] is not None and before[0].shape == inputs[properties.R].shape:
            atoms = self._renewed[inputs[properties.idx_m]][:, None]
            self.previous_positions = torch.where(atoms, inputs[properties.R], before[0])
            cells = self._renewed[:, None, None]
            self.previous_cells = torch.where(cells, inputs[properties.cell], before[1])
        return neighbors

    def renew_at(self, positions: torch.Tensor, cells: torch.Tensor, inputs: dict) -> None:
        """Build the lists at earlier positions, so that pairs have the order that they had.

        Args:
            positions: positions of the last renewal of each molecule.
            cells: their cells.
            inputs: batch of all molecules and replicas.
        """
        self.previous_positions = self.previous_cells = self.molecular_indices = None
        self.get_neighbors(inputs | {properties.R: positions, properties.cell: cells})
