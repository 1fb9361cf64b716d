"""Test systems and batches."""

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk, molecule
from schnetpack import properties
from schnetpack.atomistic import PairwiseDistances
from schnetpack.transform import ASENeighborList

from gpip_plugins.errors import InputError
from gpip_plugins.testing import make_batch, random_cell, random_molecule, random_systems


def test_batch_has_every_pair_of_a_molecule_in_both_directions():
    batch = make_batch([molecule("H2O"), molecule("CH4")], cutoff=10.0)
    assert len(batch[properties.idx_i]) == 3 * 2 + 5 * 4
    pairs = set(
        zip(batch[properties.idx_i].tolist(), batch[properties.idx_j].tolist(), strict=True)
    )
    assert pairs == {(j, i) for i, j in pairs}
    assert batch[properties.cell].shape == (2, 3, 3) and batch[properties.pbc].shape == (2, 3)
    assert batch[properties.R].dtype == torch.float64
    assert make_batch([molecule("H2O")], 4.0, torch.float32)[properties.R].dtype == torch.float32


def test_cell_smaller_than_the_cutoff_has_its_shells_of_neighbours():
    batch = PairwiseDistances()(make_batch([bulk("Cu", a=3.6)], cutoff=3.7))
    distances = batch[properties.Rij].norm(dim=1)
    assert torch.bincount((distances > 3.0).long()).tolist() == [12, 6]


def test_other_neighbor_list_gives_the_same_pairs():
    systems = random_systems()
    ours = PairwiseDistances()(make_batch(systems, 4.0))
    other = PairwiseDistances()(make_batch(systems, 4.0, neighbor_list=ASENeighborList(4.0)))
    for batch in (ours, other):
        batch["d"] = batch[properties.Rij].norm(dim=1).sort().values
    torch.testing.assert_close(ours["d"], other["d"])


def test_further_inputs_come_from_arrays_and_info():
    systems = [molecule("H2O"), molecule("CH4")]
    for index, atoms in enumerate(systems):
        atoms.info["total_charge"] = float(index)
        atoms.arrays["is_masked"] = np.arange(len(atoms)) == 0
    batch = make_batch(systems, 4.0, keys=("total_charge", "is_masked"))
    assert batch["total_charge"].tolist() == [0.0, 1.0]
    assert batch["is_masked"].nonzero().flatten().tolist() == [0, 3]
    with pytest.raises(InputError, match=r"systems\[0\] has no 'spin'"):
        make_batch(systems, 4.0, keys=("spin",))


def test_empty_system_is_refused():
    with pytest.raises(InputError, match=r"systems\[1\] has no atoms"):
        make_batch([molecule("H2O"), Atoms()], 4.0)


def test_random_systems_keep_their_distances_and_repeat_with_the_seed():
    for atoms in [*random_systems(seed=5), random_cell(60, seed=1), random_molecule(20, seed=2)]:
        big = atoms.repeat(tuple(2 if periodic else 1 for periodic in atoms.pbc))
        distances = big.get_all_distances()
        assert distances[np.triu_indices(len(big), 1)].min(initial=9.0) > 0.9
    for one, two in zip(random_systems(seed=5), random_systems(seed=5), strict=True):
        assert one == two
    assert random_systems(seed=5)[0] != random_systems(seed=6)[0]


def test_default_mixture_has_small_cells_a_slab_and_a_lone_atom():
    systems = random_systems()
    widths = [atoms.get_volume() ** (1 / 3) for atoms in systems if atoms.pbc.all()]
    assert min(widths) < 4.0 < max(widths) < 8.0
    assert any(atoms.pbc.tolist() == [True, True, False] for atoms in systems)
    assert any(abs(atoms.cell.angles() - 90).max() > 5 for atoms in systems if atoms.pbc.all())
    assert len(systems[-1]) == 1 and not systems[-1].pbc.any()


def test_cell_without_room_is_refused():
    with pytest.raises(InputError, match=r"volume_per_atom=0\.5 leaves no room for 8 atoms"):
        random_cell(8, volume_per_atom=0.5)
