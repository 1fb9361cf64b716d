"""Equal structures are found in any orientation and numbering, different ones are not."""

import time

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule

from gpip_plugins.analysis.equal_structures import Structures, shared_structures
from gpip_plugins.errors import InputError

MOLECULES = ("CH4", "C6H6", "CH3CH2OH", "CO2", "H2", "H", "C60", "trans-butane", "NH3")
TOLERANCE = 1e-3  # Å


def as_set(frames, name="a set"):
    return Structures(((a.numbers, a.positions, a.pbc) for a in frames), name)


def shared(test, train):
    return shared_structures(as_set(test), as_set(train), TOLERANCE)


@pytest.mark.parametrize("name", MOLECULES)
@pytest.mark.parametrize("reflect", [False, True])
def test_the_same_structure_is_found(name, reflect, moved):
    rng = np.random.default_rng(0)
    atoms = molecule(name)
    twins = [moved(atoms, rng, 0.0, reflect), moved(atoms, rng, 4e-4, reflect)]
    for twin in twins:
        assert shared([atoms], [twin]) == [(0, 0)]
    if len(atoms) > 1:
        assert not shared([atoms], [moved(atoms, rng, 0.02)])


def test_a_chiral_distorted_molecule_and_its_mirror_image(moved):
    rng = np.random.default_rng(1)
    atoms = molecule("CH3CH2OH")
    atoms.positions += rng.normal(scale=0.1, size=atoms.positions.shape)
    assert shared([atoms], [moved(atoms, rng, reflect=True)]) == [(0, 0)]


def test_equal_distances_do_not_make_equal_structures():
    """Four of eight points on a circle, {0, 1, 3, 4} and {0, 1, 2, 5}: the same six distances."""
    angle = 2 * np.pi * np.array([[0, 1, 3, 4], [0, 1, 2, 5]]) / 8
    R = 2 * np.stack([np.cos(angle), np.sin(angle), 0 * angle], axis=-1)
    lists = [np.sort(np.linalg.norm(r[:, None] - r, axis=-1)[np.triu_indices(4, 1)]) for r in R]
    np.testing.assert_allclose(*lists, atol=1e-12)
    frames = [Atoms("C4", r) for r in R]
    assert not shared(frames[:1], frames[1:])


def test_numbers_of_both_sets_are_those_of_the_input(moved):
    rng = np.random.default_rng(2)
    train = []
    for k in range(40):
        atoms = molecule(("CH3OH", "CH3CH2OH")[k % 2])
        atoms.positions += rng.normal(scale=0.05, size=atoms.positions.shape)
        train.append(atoms)
    test = [moved(train[k], rng) for k in (7, 3, 30)] + [molecule("CH3OH")]
    assert shared(test, train) == [(0, 7), (1, 3), (2, 30)]


def test_speed_on_many_configurations_of_one_molecule(moved):
    """20,000 x 1,000 take seconds; here a tenth is tested, and all shared ones are found."""
    rng = np.random.default_rng(3)
    ethanol = molecule("CH3CH2OH")
    R = ethanol.positions + rng.normal(scale=0.05, size=(2000, 9, 3))
    train = [Atoms(ethanol.numbers, r) for r in R]
    test = [moved(train[k], rng) for k in range(0, 2000, 20)]
    start = time.process_time()
    found = shared(test, train)
    assert found == [(k, 20 * k) for k in range(100)]
    assert time.process_time() - start < 5.0


def test_periodic_cells_are_refused():
    with pytest.raises(InputError, match=r"configuration 0 of a\.db is periodic"):
        as_set([bulk("Cu")], "a.db")
