import numpy as np
import pytest
from ase import Atoms
from ase.build import molecule

from gpip_plugins.analysis.distances import bond_lengths, bonds_of, shortest_distances

SKEWED = [[8.0, 0.0, 0.0], [2.5, 7.5, 0.0], [-1.5, 2.0, 8.5]]


def test_a_molecule_across_the_boundary_keeps_its_distances(as_system):
    alone = molecule("CH3CH2OH")
    boxed = alone.copy()
    boxed.set_cell(SKEWED)
    boxed.pbc = True
    moved = boxed.copy()
    moved.positions += (6.0, 5.0, 7.0)
    moved.wrap()
    assert np.ptp(moved.positions, axis=0).max() > 1.2 * np.ptp(alone.positions, axis=0).max()
    expected, _ = bond_lengths(as_system([alone]))
    for frames in ([boxed, moved], [moved, boxed]):
        found, departure = bond_lengths(as_system(frames))
        assert {pair: v.shape[1] for pair, v in found.items()} == {
            "C-C": 1,
            "C-H": 5,
            "C-O": 1,
            "O-H": 1,
        }
        assert departure == pytest.approx(0.0, abs=1e-9)
        for pair, values in found.items():
            np.testing.assert_allclose(np.sort(values[1]), np.sort(expected[pair][0]))
    assert shortest_distances(as_system([boxed, moved])) == pytest.approx(
        {"C-C": 1.512, "C-O": 1.426, "C-H": 1.090, "O-H": 0.971, "H-H": 1.772}, abs=2e-3
    )


def test_shortest_distances_are_those_of_the_whole_trajectory(as_system, shaken):
    frames = shaken("H2O", 30)
    expected = np.min([atoms.get_all_distances()[0, 1:].min() for atoms in frames])
    found = shortest_distances(as_system(frames))
    assert found["O-H"] == pytest.approx(expected)
    assert found["H-H"] == pytest.approx(min(a.get_distance(1, 2) for a in frames))


def test_far_pairs_of_a_box_are_left_out(as_system):
    pair = Atoms("He2", [(1, 1, 1), (1, 1, 4.5)], cell=[9, 9, 9], pbc=True)
    assert shortest_distances(as_system([pair])) == {}
    pair.positions[1, 2] = 8.5  # 1.5 Å through the boundary
    assert shortest_distances(as_system([pair])) == {"He-He": pytest.approx(1.5)}


def test_departure_of_one_bond_from_its_own_mean(as_system):
    frames = [Atoms("OHH", [(0, 0, 0), (0, 0, 1.0), (x, 0, 0)]) for x in (0.9, 0.9, 1.2)]
    found, departure = bond_lengths(as_system(frames))
    assert departure == pytest.approx(0.2)
    assert found["O-H"].max() == pytest.approx(1.2)


def test_ions_are_not_bonded_to_their_shell(as_system):
    fluoride = [1.6 * sign * axis for axis in np.eye(3) for sign in (1, -1)]
    ion = Atoms("PF6", [(0, 0, 0), *fluoride]) + Atoms("Li", [(1.3, 1.3, 1.3)])
    bonds = bonds_of(as_system([ion]))
    assert bonds.tolist() == [[0, k] for k in range(1, 7)]
    lone = as_system([Atoms("Li")])
    assert bond_lengths(lone) == ({}, 0.0)
