"""The screen of many structures agrees with the check of one."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule

from gpip_plugins.analysis.first_fault import first_fault
from gpip_plugins.analysis.packing import filled_fraction
from gpip_plugins.analysis.structure_faults import structure_fault


def arrays(frames):
    return (
        np.concatenate([atoms.numbers for atoms in frames]),
        np.concatenate([atoms.positions for atoms in frames]),
        np.array([atoms.cell.array for atoms in frames]),
        np.array([atoms.pbc for atoms in frames]),
        np.array([len(atoms) for atoms in frames]),
    )


def random_structure(rng) -> Atoms:
    """Return atoms in a skewed cell of any size, inside it or far outside."""
    n = rng.integers(1, 9)
    cell = rng.uniform(-1, 1, (3, 3)) * rng.choice([1, 3, 9])
    inside = rng.random((n, 3)) @ cell
    R = inside if rng.random() < 0.5 else rng.uniform(-9, 9, (n, 3))
    return Atoms(rng.choice([1, 6, 8, 55], n), R, cell=cell, pbc=rng.random(3) < 0.5)


def test_every_structure_that_the_check_refuses_is_found():
    rng = np.random.default_rng(0)
    frames = [random_structure(rng) for _ in range(200)]
    alone = [structure_fault(a.numbers, a.positions, a.cell.array, a.pbc) for a in frames]
    assert 50 < sum(fault is not None for fault in alone) < 150
    start = 0
    for index, fault in enumerate(alone):
        if fault is not None:
            assert first_fault(*arrays(frames[start:])) == (index - start, fault)
            start = index + 1


@pytest.mark.parametrize("apart", [0.1, 0.3])
def test_atoms_that_meet_across_a_corner_of_the_cell(apart):
    """Across three faces: hydrogen atoms overlap below 0.19 Å."""
    step = np.full(3, 0.5 * apart / np.sqrt(3))
    pair = Atoms("H2", [step, np.full(3, 10.0) - step], cell=np.eye(3) * 10.0, pbc=True)
    found = first_fault(*arrays([molecule("H2O"), pair, bulk("Cu")]))
    assert (found is None) == (apart > 0.19)


def test_a_set_larger_than_one_tree(monkeypatch):
    monkeypatch.setattr("gpip_plugins.analysis.first_fault.CHUNK", 100)
    frames = [molecule("H2O") for _ in range(90)]
    assert first_fault(*arrays(frames)) is None
    frames[85].positions[1] = frames[85].positions[0]
    assert first_fault(*arrays(frames))[0] == 85


def test_the_filled_part_of_a_cell():
    """One sphere of argon, radius 1.83 Å, in 100 Å^3."""
    assert filled_fraction(np.array([18]), 100.0) == pytest.approx(0.2567, rel=1e-3)
    assert np.isnan(filled_fraction(np.array([85]), 100.0))
