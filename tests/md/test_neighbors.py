"""Neighbour lists of several molecules."""

import torch
from ase import Atoms
from schnetpack import properties
from schnetpack.transform import MatScipyNeighborList

from gpip_plugins.md.neighbors import MoleculeNeighbors


def batch(distances):
    """One dimer for each distance."""
    R = torch.tensor([[x, 0.0, 0.0] for d in distances for x in (0.0, d)]).double()
    n = len(distances)
    return {
        properties.Z: torch.tensor(Atoms("Ar2").numbers.tolist() * n),
        properties.R: R,
        properties.n_atoms: torch.full((n,), 2),
        properties.idx_m: torch.arange(n).repeat_interleave(2),
        properties.cell: torch.zeros(n, 3, 3).double(),
        properties.pbc: torch.zeros(n, 3, dtype=torch.bool),
    }


def test_a_slow_molecule_beside_a_fast_one_keeps_its_pairs():
    """Every step the first dimer moves by more than half of the shell, the second by less."""
    neighbors = MoleculeNeighbors(4.0, 1.0, MatScipyNeighborList)
    for step in range(8):
        far = 8.0 - 0.45 * step * 2
        pairs = neighbors.get_neighbors(batch([3.0 + 0.6 * (step % 2), max(far, 3.0)]))
    found = pairs[properties.idx_i].tolist()
    assert sorted(found) == [0, 1, 2, 3], "the second dimer is 3 apart and within the cut-off"
