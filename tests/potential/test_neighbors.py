"""A kept list gives the pairs of a new one, however the atoms move."""

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk, molecule
from schnetpack import properties
from schnetpack.transform import MatScipyNeighborList

from gpip_plugins.potential import LastingNeighborList

CUTOFF, SKIN = 3.0, 1.0


def inputs_of(atoms):
    return {
        properties.Z: torch.from_numpy(atoms.numbers),
        properties.R: torch.from_numpy(atoms.positions.copy()),
        properties.cell: torch.from_numpy(atoms.cell.array.copy())[None],
        properties.pbc: torch.from_numpy(atoms.pbc.copy())[None],
    }


def pairs(found):
    """Return all pairs with their vectors, sorted."""
    i, j = found[properties.idx_i], found[properties.idx_j]
    vectors = found[properties.R][j] - found[properties.R][i] + found[properties.offsets]
    table = np.column_stack([i.numpy(), j.numpy(), vectors.numpy().round(6)])
    return table[np.lexsort(table.T[::-1])]


@pytest.mark.parametrize(
    "atoms", [molecule("CH3CH2OH"), bulk("NaCl", "rocksalt", a=5.6, cubic=True)], ids=["gas", "box"]
)
def test_atoms_that_move_at_random_have_the_pairs_of_a_new_list(atoms):
    rng = np.random.default_rng(0)
    lasting, new = LastingNeighborList(CUTOFF, SKIN), MatScipyNeighborList(CUTOFF)
    for _ in range(60):
        atoms.positions += rng.normal(scale=0.06, size=atoms.positions.shape)
        np.testing.assert_array_equal(
            pairs(lasting(inputs_of(atoms))), pairs(new(inputs_of(atoms)))
        )
    assert 1 < lasting.n_built < 40


def test_two_atoms_that_meet_from_both_sides():
    """Each moves by just less than half of the skin, or by just more."""
    lasting = LastingNeighborList(CUTOFF, SKIN)
    atoms = Atoms("H2", [[0, 0, 0], [CUTOFF + SKIN + 0.01, 0, 0]])
    assert len(lasting(inputs_of(atoms))[properties.idx_i]) == 0
    for step, n_built, n_pairs in ((0.499, 1, 0), (0.0009, 1, 0), (0.01, 2, 2)):
        atoms.positions += [[step, 0, 0], [-step, 0, 0]]
        assert len(lasting(inputs_of(atoms))[properties.idx_i]) == n_pairs
        assert lasting.n_built == n_built
    # Back and forth over the cut-off within one list.
    atoms.positions[1, 0] += 0.05
    assert len(lasting(inputs_of(atoms))[properties.idx_i]) == 0
    atoms.positions[1, 0] -= 0.05
    assert len(lasting(inputs_of(atoms))[properties.idx_i]) == 2
    assert lasting.n_built == 2


def test_one_moving_atom_among_atoms_at_rest():
    lasting = LastingNeighborList(CUTOFF, SKIN)
    atoms = Atoms("H3", [[0, 0, 0], [8, 0, 0], [20, 0, 0]])
    lasting(inputs_of(atoms))
    atoms.positions[1, 0] = 2.0
    assert len(lasting(inputs_of(atoms))[properties.idx_i]) == 2


@pytest.mark.parametrize("change", ["cell", "pbc", "elements", "atoms"])
def test_another_system_has_another_list(change):
    lasting = LastingNeighborList(CUTOFF, SKIN)
    atoms = bulk("NaCl", "rocksalt", a=5.6, cubic=True)
    lasting(inputs_of(atoms))
    if change == "cell":
        atoms.set_cell(atoms.cell.array * 1.001)
    elif change == "pbc":
        atoms.pbc = (True, True, False)
    elif change == "elements":
        atoms.numbers[0] = 19
    else:
        del atoms[0]
    found = lasting(inputs_of(atoms))
    assert lasting.n_built == 2
    new = MatScipyNeighborList(CUTOFF)(inputs_of(atoms))
    np.testing.assert_array_equal(pairs(found), pairs(new))


def test_without_a_skin_every_step_has_a_new_list():
    lasting = LastingNeighborList(CUTOFF, 0.0)
    atoms = molecule("H2O")
    lasting(inputs_of(atoms))
    lasting(inputs_of(atoms))
    assert lasting.n_built == 1
    atoms.positions[0, 0] += 1e-6
    lasting(inputs_of(atoms))
    assert lasting.n_built == 2
