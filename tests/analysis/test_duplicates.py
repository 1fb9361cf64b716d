import time

import numpy as np
import pytest
from ase import Atoms
from ase.build import molecule
from scipy.spatial.distance import cdist
from scipy.spatial.transform import Rotation

from gpip_plugins.analysis.duplicates import fingerprints, near_duplicates

TOLERANCE = 0.02


@pytest.fixture
def vectors_of(arrays):
    return lambda frames: fingerprints(*arrays(frames)[1:])


def test_found_up_to_rotation_translation_and_reflection(vectors_of, shaken):
    frames = shaken("CH3CH2OH", 6)
    turn = Rotation.random(rng=np.random.default_rng(1)).as_matrix()
    for source, matrix in ((0, turn), (1, -turn), (2, np.eye(3))):
        copy = frames[source].copy()
        copy.positions = copy.positions @ matrix.T + (1.0, -2.0, 30.0)
        frames.append(copy)
    assert near_duplicates(vectors_of(frames), TOLERANCE).tolist() == [False] * 6 + [True] * 3


def test_found_in_a_box_through_its_boundary(vectors_of):
    water = molecule("H2O")
    water.set_cell([[5.0, 0, 0], [2.0, 5.0, 0], [0, -1.0, 6.0]])
    water.pbc = True
    moved, other = water.copy(), water.copy()
    moved.positions += water.cell[1] - water.cell[0] + (0.3, 2.7, 1.1)
    moved.wrap()
    other.positions[1] += 0.1
    found = near_duplicates(vectors_of([water, moved, other]), TOLERANCE)
    assert found.tolist() == [False, True, False]


def test_tolerance_is_a_root_mean_square():
    vectors = np.zeros((3, 4))
    vectors[1, 0], vectors[2, 0] = 0.1, 0.3  # root mean squares of 0.05 and 0.15
    assert near_duplicates(vectors, 0.0501).tolist() == [False, True, False]
    assert near_duplicates(vectors, 0.0499).tolist() == [False, False, False]
    assert near_duplicates(np.zeros((3, 4)), 0.0).tolist() == [False, True, True]


def test_frames_of_a_single_atom_are_all_the_same(vectors_of):
    frames = [Atoms("Li", [(x, 0, 0)], cell=[9, 9, 9], pbc=True) for x in (0.0, 1.0, 2.0)]
    assert near_duplicates(vectors_of(frames), TOLERANCE).tolist() == [False, True, True]


def test_compared_with_kept_frames_only():
    """Of a slow drift some frames are dropped, not all."""
    vectors = np.arange(0.0, 1.0, 0.015)[:, None]
    kept = vectors[~near_duplicates(vectors, TOLERANCE)]
    np.testing.assert_allclose(np.diff(kept[:, 0]), 0.03)


def test_projection_misses_nothing():
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(60, 40))
    vectors = centres[rng.integers(60, size=500)] + rng.normal(scale=0.012, size=(500, 40))
    tolerance = 0.017  # right in the scatter of a cluster
    distance = cdist(vectors, vectors) / np.sqrt(40)
    expected = np.zeros(500, bool)
    for k in range(500):
        expected[k] = (distance[k, :k][~expected[:k]] <= tolerance).any()
    assert 100 < expected.sum() < 440
    np.testing.assert_array_equal(near_duplicates(vectors, tolerance), expected)


def test_large_systems_are_compared_by_a_sample_of_pairs(vectors_of):
    rng = np.random.default_rng(0)
    frames = []
    for shift in (0.0, 0.001, 0.2):
        atoms = molecule("C60")
        atoms.positions += shift * rng.normal(size=atoms.positions.shape)
        frames.append(atoms)
    vectors = vectors_of(frames)
    assert vectors.shape == (3, 256)
    assert near_duplicates(vectors, TOLERANCE).tolist() == [False, True, False]


@pytest.mark.slow
def test_a_hundred_thousand_frames(shaken):
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(100_000, 36)) * np.geomspace(0.5, 0.03, 36)
    vectors[50_000:] = vectors[:50_000]
    start = time.process_time()
    assert near_duplicates(vectors, TOLERANCE).sum() == 50_000
    assert near_duplicates(np.ones((100_000, 36)), TOLERANCE).sum() == 99_999
    assert time.process_time() - start < 60
