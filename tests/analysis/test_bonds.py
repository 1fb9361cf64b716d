"""Bonds from the geometry."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import molecule

from gpip_plugins.analysis.bonds import METALS, bonded_neighbours, bonds

SKEWED = [[8.0, 0.0, 0.0], [2.5, 7.5, 0.0], [-1.5, 2.0, 8.5]]


@pytest.mark.parametrize(
    ("name", "n_bonds"),
    [("CH3CH2OH", 8), ("C6H6", 12), ("CH3NO2", 6), ("cyclobutane", 12), ("SO2", 2), ("Cl2", 1)],
)
def test_molecules_have_the_bonds_of_their_formula(name, n_bonds, shaken):
    assert len(bonds(molecule(name))) == n_bonds
    for atoms in shaken(name, 20):
        np.testing.assert_array_equal(bonds(atoms), bonds(molecule(name)))


def test_a_bond_through_the_boundary_points_to_the_nearest_image():
    atoms = molecule("CH3CH2OH", cell=SKEWED, pbc=True)
    expected = bonds(molecule("CH3CH2OH"))
    atoms.positions += (6.0, 5.0, 7.0)
    atoms.wrap()
    np.testing.assert_array_equal(bonds(atoms), expected)
    i, j, vectors = bonded_neighbours(atoms)
    assert len(i) == 2 * len(expected)
    fractions = (atoms.positions[i] + vectors - atoms.positions[j]) @ np.linalg.inv(atoms.cell)
    np.testing.assert_allclose(fractions, fractions.round(), atol=1e-9)
    assert np.linalg.norm(vectors, axis=1).max() < 1.6


def test_ions_are_not_bonded_to_their_shell():
    fluoride = [1.6 * sign * axis for axis in np.eye(3) for sign in (1, -1)]
    shell = Atoms("PF6", [(0, 0, 0), *fluoride]) + Atoms("Li", [(1.3, 1.3, 1.3)])
    assert bonds(shell).tolist() == [[0, k] for k in range(1, 7)]
    assert bonds(Atoms("Li")).shape == (0, 2)
    for metal in METALS:
        assert not len(bonds(Atoms([metal, 8], [(0, 0, 0), (0, 0, 1.9)])))
    # Other metals occur in covalent compounds as well.
    assert len(bonds(Atoms("ZnC", [(0, 0, 0), (0, 0, 1.95)]))) == 1
