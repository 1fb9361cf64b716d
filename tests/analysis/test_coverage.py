"""Coverage of sets whose overlap is known."""

import numpy as np
import pytest
from ase.build import molecule
from scipy.spatial.distance import cdist
from scipy.spatial.transform import Rotation

from gpip_plugins.analysis.coverage import compare, nearest
from gpip_plugins.analysis.soap import Descriptor


def cover(sampled, labelled):
    return compare(sampled, labelled, progress=False)


def test_nearest_neighbours_agree_with_all_distances():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(1500, 7)), rng.normal(size=(90, 7))
    found, indices = nearest(a, b)
    expected = cdist(a, b)
    np.testing.assert_allclose(found, expected.min(axis=1))
    np.testing.assert_array_equal(indices, expected.argmin(axis=1))
    own = cdist(a, a) + np.diag(np.full(1500, np.inf))
    np.testing.assert_allclose(nearest(a, a, same=True)[0], own.min(axis=1))


def test_vectors_do_not_change_with_rotation_translation_or_order():
    describe = Descriptor([1, 6, 8])
    atoms = molecule("CH3CH2OH")
    turned = atoms[np.random.default_rng(0).permutation(9)]
    turned.positions = turned.positions @ Rotation.random(rng=1).as_matrix().T + (3.0, 2.0, 1.0)
    first, second = describe([atoms, turned], progress=False).structures
    np.testing.assert_allclose(first, second, atol=1e-9)
    assert np.linalg.norm(first) == pytest.approx(1.0)


def test_a_subset_is_covered_completely(shaken):
    sampled = shaken("CH3CH2OH", 100)
    subset = [atoms.copy() for atoms in sampled[::7]]
    for atoms in subset:
        atoms.rotate(70, (1, 2, 3))
    found = cover(sampled, subset)
    assert found.frames.covered == 1.0
    np.testing.assert_array_equal(found.frames.nearest, np.arange(0, 100, 7))
    assert {name: n.never_sampled.size for name, n in found.environments.items()} == {
        "H": 0,
        "C": 0,
        "O": 0,
    }


def test_the_same_ensemble_is_covered_as_expected(shaken):
    found = cover(shaken("H2O", 600, seed=1), shaken("H2O", 600, seed=2))
    for neighbours in (found.frames, *found.environments.values()):
        # binomial error of 600 frames around 95 %, and that of the quantile itself
        assert neighbours.covered == pytest.approx(0.95, abs=0.04)


def test_another_molecule_is_not_covered(shaken):
    """Same formula, other connectivity: dimethyl ether against ethanol."""
    found = cover(shaken("CH3CH2OH", 100), shaken("CH3OCH3", 40))
    assert found.frames.covered == 0.0
    assert found.environments["O"].covered == 0.0
    assert len(found.environments["O"].never_sampled) == 40


def test_a_hotter_ensemble_is_covered_in_part(shaken):
    cold = shaken("CH3CH2OH", 200, width=0.03)
    hot = shaken("CH3CH2OH", 200, seed=1, width=0.06)
    assert cover(cold, hot).frames.covered < 0.3
    assert cover(hot, cold).frames.covered > 0.97


def test_an_element_that_was_never_sampled_is_named(shaken):
    labelled = shaken("CH3CH2OH", 5) + shaken("CH3Cl", 3)
    found = cover(shaken("CH3CH2OH", 30), labelled)
    assert found.missing == {"Cl": [5, 6, 7]}


def test_boxes_are_compared_through_their_boundary():
    box = molecule("CH3CH2OH", vacuum=1.2)
    box.pbc = True
    wrapped = box.copy()
    wrapped.positions += (2.0, 1.0, 2.5)
    wrapped.wrap()
    first, second = Descriptor([1, 6, 8])([box, wrapped], progress=False).structures
    np.testing.assert_allclose(first, second, atol=1e-9)
    box.pbc = False
    (alone,) = Descriptor([1, 6, 8])([box], progress=False).structures
    assert np.linalg.norm(alone - first) > 0.01


def test_environments_are_drawn_evenly(shaken):
    frames = shaken("CH3CH2OH", 10)
    described = Descriptor([1, 6, 8])(frames, n_environments=25, progress=False)
    assert {number: len(v) for number, v in described.environments.items()} == {1: 20, 6: 20, 8: 10}
    for number, owners in described.owners.items():
        assert sorted(set(owners[:, 0].tolist())) == list(range(10))
        assert all(frames[k].numbers[atom] == number for k, atom in owners)


def test_too_few_sampled_frames_have_no_quantile(shaken):
    with pytest.raises(ValueError, match="too few"):
        cover(shaken("H2O", 19), shaken("H2O", 5))
