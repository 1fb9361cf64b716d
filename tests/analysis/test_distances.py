import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule

from gpip_plugins.analysis.bonds import bonds
from gpip_plugins.analysis.distances import (
    by_elements,
    nearest_in_radii,
    pair_distances,
    shortest_distances,
)

SKEWED = [[8.0, 0.0, 0.0], [2.5, 7.5, 0.0], [-1.5, 2.0, 8.5]]


def test_a_molecule_across_the_boundary_keeps_its_distances(arrays):
    alone = molecule("CH3CH2OH")
    boxed = alone.copy()
    boxed.set_cell(SKEWED)
    boxed.pbc = True
    moved = boxed.copy()
    moved.positions += (6.0, 5.0, 7.0)
    moved.wrap()
    assert np.ptp(moved.positions, axis=0).max() > 1.2 * np.ptp(alone.positions, axis=0).max()
    pairs = bonds(alone)
    numbers, *frames = arrays([boxed, moved])
    lengths = pair_distances(*frames, pairs)
    expected = alone.get_all_distances()[pairs[:, 0], pairs[:, 1]]
    np.testing.assert_allclose(lengths, [expected, expected])
    assert {pair: v.shape for pair, v in by_elements(numbers, pairs, lengths).items()} == {
        "C-C": (2, 1),
        "C-H": (2, 5),
        "C-O": (2, 1),
        "O-H": (2, 1),
    }
    assert shortest_distances(numbers, *frames) == pytest.approx(
        {"C-C": 1.512, "C-O": 1.426, "C-H": 1.090, "O-H": 0.971, "H-H": 1.772}, abs=2e-3
    )


def test_many_frames_are_taken_in_chunks(monkeypatch, arrays, shaken):
    _, *frames = arrays(shaken("H2O", 30))
    pairs = np.array([[0, 1], [0, 2], [1, 2]])
    whole = pair_distances(*frames, pairs)
    monkeypatch.setattr("gpip_plugins.analysis.distances.CHUNK", 20)
    np.testing.assert_array_equal(pair_distances(*frames, pairs), whole)
    assert pair_distances(*frames, pairs[:0]).shape == (30, 0)


def test_shortest_distances_are_those_of_the_whole_trajectory(arrays, shaken):
    frames = shaken("H2O", 30)
    expected = np.min([atoms.get_all_distances()[0, 1:].min() for atoms in frames])
    found = shortest_distances(*arrays(frames))
    assert found["O-H"] == pytest.approx(expected)
    assert found["H-H"] == pytest.approx(min(a.get_distance(1, 2) for a in frames))


def test_far_pairs_of_a_box_are_left_out(arrays):
    pair = Atoms("He2", [(1, 1, 1), (1, 1, 4.5)], cell=[9, 9, 9], pbc=True)
    assert shortest_distances(*arrays([pair])) == {}
    pair.positions[1, 2] = 8.5  # 1.5 Å through the boundary
    assert shortest_distances(*arrays([pair])) == {"He-He": pytest.approx(1.5)}


def test_nearest_neighbours_in_sums_of_covalent_radii():
    diamond = bulk("C")
    np.testing.assert_allclose(nearest_in_radii(diamond), 3.57 * np.sqrt(3) / 4 / 1.52)
    assert np.isinf(nearest_in_radii(Atoms("H2", [(0, 0, 0), (0, 0, 5.0)]))).all()
