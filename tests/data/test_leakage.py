"""Equal structures are found however they are turned and numbered, and nothing else is."""

import os
import time
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.io import read, write
from scipy.spatial.transform import Rotation

from gpip_plugins.cli import main
from gpip_plugins.data.leakage import Structures, shared_structures
from gpip_plugins.data.leakage_report import leakage_of_files
from gpip_plugins.errors import InputError

MOLECULES = ("CH4", "C6H6", "CH3CH2OH", "CO2", "H2", "H", "C60", "trans-butane", "NH3")


def moved(atoms, rng, noise=0.0, reflect=False):
    """Return a copy turned, shifted, with equal atoms exchanged, and every atom displaced."""
    R = atoms.positions @ Rotation.random(random_state=rng.integers(2**31)).as_matrix().T
    R = (-R if reflect else R) + rng.normal(size=3)
    step = rng.normal(size=R.shape)
    R += noise * step / np.linalg.norm(step, axis=1, keepdims=True)
    order = rng.permutation(len(atoms))
    return Atoms(atoms.numbers[order], R[order])


def as_set(frames, name="a set"):
    return Structures(((a.numbers, a.positions, a.pbc) for a in frames), name)


@pytest.mark.parametrize("name", MOLECULES)
@pytest.mark.parametrize("reflect", [False, True])
def test_the_same_structure_is_found(name, reflect):
    rng = np.random.default_rng(0)
    atoms = molecule(name)
    twins = [moved(atoms, rng, 0.0, reflect), moved(atoms, rng, 4e-4, reflect)]
    for twin in twins:
        assert shared_structures(as_set([atoms]), as_set([twin])) == [(0, 0)]
    if len(atoms) > 1:
        assert not shared_structures(as_set([atoms]), as_set([moved(atoms, rng, 0.02)]))


def test_a_chiral_distorted_molecule_and_its_mirror_image():
    rng = np.random.default_rng(1)
    atoms = molecule("CH3CH2OH")
    atoms.positions += rng.normal(scale=0.1, size=atoms.positions.shape)
    assert shared_structures(as_set([atoms]), as_set([moved(atoms, rng, reflect=True)])) == [(0, 0)]


def test_equal_distances_do_not_make_equal_structures():
    """Four of eight points on a circle, {0, 1, 3, 4} and {0, 1, 2, 5}: the same six distances."""
    angle = 2 * np.pi * np.array([[0, 1, 3, 4], [0, 1, 2, 5]]) / 8
    R = 2 * np.stack([np.cos(angle), np.sin(angle), 0 * angle], axis=-1)
    lists = [np.sort(np.linalg.norm(r[:, None] - r, axis=-1)[np.triu_indices(4, 1)]) for r in R]
    np.testing.assert_allclose(*lists, atol=1e-12)
    frames = [Atoms("C4", r) for r in R]
    assert not shared_structures(as_set(frames[:1]), as_set(frames[1:]))


def test_numbers_of_both_sets_are_those_of_the_input():
    rng = np.random.default_rng(2)
    train = []
    for k in range(40):
        atoms = molecule(("CH3OH", "CH3CH2OH")[k % 2])
        atoms.positions += rng.normal(scale=0.05, size=atoms.positions.shape)
        train.append(atoms)
    test = [moved(train[k], rng) for k in (7, 3, 30)] + [molecule("CH3OH")]
    assert shared_structures(as_set(test), as_set(train)) == [(0, 7), (1, 3), (2, 30)]


def test_speed_on_many_configurations_of_one_molecule():
    """20,000 x 1,000 take seconds; here a tenth, and all thousandths of it are found."""
    rng = np.random.default_rng(3)
    ethanol = molecule("CH3CH2OH")
    R = ethanol.positions + rng.normal(scale=0.05, size=(2000, 9, 3))
    train = [Atoms(ethanol.numbers, r) for r in R]
    test = [moved(train[k], rng) for k in range(0, 2000, 20)]
    start = time.process_time()
    found = shared_structures(as_set(test), as_set(train))
    assert found == [(k, 20 * k) for k in range(100)]
    assert time.process_time() - start < 5.0


def test_periodic_cells_are_refused():
    with pytest.raises(InputError, match=r"configuration 0 of a\.db is periodic"):
        as_set([bulk("Cu")], "a.db")


def test_the_command(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(4)
    frames = [molecule(name) for name in ("CH4", "H2O", "NH3")]
    write("test.xyz", frames)
    write("train.xyz", [molecule("CH3OH"), moved(frames[1], rng)])
    write("other.xyz", [molecule("C2H6")])
    assert main(["leakage", "test.xyz", "train.xyz", "other.xyz"]) == 0
    text = capsys.readouterr().out
    assert "1 of 3 configurations of" in text and "(frame 1 of the test set)" in text
    assert "other.xyz: 0 of 3" in text
    assert main(["leakage", "test.xyz", "test.xyz"]) == 1
    assert "named twice" in capsys.readouterr().err
    assert main(["leakage", "test.xyz", "other.xyz", "--tolerance", "-1"]) == 1


@pytest.mark.realdata
def test_training_and_test_set_of_revised_md17_share_nothing(tmp_path):
    """1,000 x 1,000 configurations of ethanol; five that are put into both are found."""
    root = Path(__file__).resolve().parents[2]
    shared = Path(os.environ.get("GPIP_SHARED_DATA", root.parent / "shared" / "data"))
    names = [shared / f"rmd17_ethanol_{part}1000.xyz.gz" for part in ("test", "train")]
    if not names[0].exists():
        pytest.skip(f"{names[0]} is not here")
    rng = np.random.default_rng(5)
    planted = [moved(read(names[1], k), rng, 1e-4) for k in range(5)]
    write(tmp_path / "planted.xyz", planted)
    test, train = map(str, names)
    assert leakage_of_files(test, [train], progress=False).leaked == []
    found = leakage_of_files(str(tmp_path / "planted.xyz"), [train], progress=False)
    assert found.shared == {train: [(k, k) for k in range(5)]}
