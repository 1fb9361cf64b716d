"""Superpositions with known rotations, and SciPy as the reference."""

import numpy as np
import pytest
from ase.build import molecule
from scipy.spatial.transform import Rotation

from gpip_plugins.analysis.superposition import best_rotations


@pytest.fixture
def ethanol():
    positions = molecule("CH3CH2OH").positions
    return positions - positions.mean(axis=0)


def test_many_turned_structures_are_turned_back_at_once(ethanol):
    turns = Rotation.random(50, rng=np.random.default_rng(0)).as_matrix()
    found = best_rotations(ethanol @ turns.swapaxes(1, 2), ethanol)
    np.testing.assert_allclose(found, turns.swapaxes(1, 2), atol=1e-10)
    # and one structure onto many
    np.testing.assert_allclose(
        best_rotations(ethanol, ethanol @ turns.swapaxes(1, 2)), turns, atol=1e-10
    )


def test_noisy_structures_are_superimposed_as_scipy_does():
    rng = np.random.default_rng(1)
    for _ in range(20):
        a, b = rng.normal(size=(2, 5, 3))
        expected, distance = Rotation.align_vectors(b, a)
        found = best_rotations(a, b)
        np.testing.assert_allclose(found, expected.as_matrix(), atol=1e-10)
        assert np.linalg.norm(a @ found.T - b) == pytest.approx(distance)


def test_reflections_are_found_where_they_are_allowed(ethanol):
    rng = np.random.default_rng(2)
    distorted = ethanol + rng.normal(scale=0.1, size=ethanol.shape)
    distorted -= distorted.mean(axis=0)
    mirror = -Rotation.random(rng=rng).as_matrix()
    image = distorted @ mirror.T
    for determinant in (-1, None):
        found = best_rotations(distorted, image, determinant)
        np.testing.assert_allclose(found, mirror, atol=1e-10)
    proper = best_rotations(distorted, image)
    assert np.linalg.det(proper) == pytest.approx(1.0)
    assert np.linalg.norm(distorted @ proper.T - image) > 0.1


def test_three_atoms_are_superimposed_with_and_without_reflection():
    a = np.array([[1.0, 0, 0], [-0.4, 1.2, 0], [-0.6, -1.2, 0]])
    b = a @ Rotation.random(rng=np.random.default_rng(3)).as_matrix().T
    for determinant in (1, -1):
        found = best_rotations(a, b, determinant)
        assert np.linalg.det(found) == pytest.approx(determinant)
        np.testing.assert_allclose(a @ found.T, b, atol=1e-12)
