import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from gpip_plugins.analysis.rdf import BIN, largest_radius, radial_distribution

SKEWED = np.array([[11.0, 0.0, 0.0], [4.0, 10.0, 0.0], [-3.0, 4.0, 12.0]])


@pytest.fixture
def rdf_of(arrays):
    return lambda frames: radial_distribution(*arrays(frames)[:3])


def ideal_gas(symbols, n_frames, cells, seed=0):
    rng = np.random.default_rng(seed)
    n = len(Atoms(symbols))
    return [
        Atoms(symbols, scaled_positions=rng.random((n, 3)), cell=cells[k % len(cells)], pbc=True)
        for k in range(n_frames)
    ]


@pytest.mark.parametrize(
    ("symbols", "cells"),
    [
        ("He150", [np.diag([12.0, 11.0, 13.0])]),
        ("He3", [SKEWED]),  # of a small box the atom itself is left out of the density
        ("He100Ne40", [SKEWED]),
        ("He60Ne20", [SKEWED, 1.2 * SKEWED]),  # a box that breathes
    ],
)
def test_an_ideal_gas_has_one_everywhere(symbols, cells, rdf_of):
    frames = ideal_gas(symbols, 6000 if symbols == "He3" else 80, cells)
    rdf = rdf_of(frames)
    assert rdf.r[-1] < min(largest_radius(cell) for cell in cells)
    shells = 4 * np.pi * rdf.r**2 * BIN
    counts = np.bincount(frames[0].numbers)
    for pair, g in rdf.g.items():
        # Poisson: the error of a bin follows from the number of pairs expected in it.
        a, b = (2 if name == "He" else 10 for name in pair.split("-"))
        n_pairs = counts[a] * (counts[b] - 1) / 2 if a == b else counts[a] * counts[b]
        expected = sum(n_pairs * shells / atoms.get_volume() for atoms in frames)
        weighted = np.average(g, weights=shells)
        assert weighted == pytest.approx(1.0, abs=4 / np.sqrt(expected.sum()))
        large = expected > 25
        assert large.sum() > 30
        chi = ((g - 1.0) * np.sqrt(expected))[large]
        assert (chi**2).mean() == pytest.approx(1.0, abs=4 * np.sqrt(2 / large.sum()))


@pytest.mark.parametrize("basis", ["cubic", "primitive"])
def test_shells_of_a_lattice_hold_their_neighbours(basis, rdf_of):
    copper = bulk("Cu", "fcc", a=3.6, cubic=basis == "cubic") * (5, 5, 5)
    rdf = rdf_of([copper])
    density = len(copper) / copper.get_volume()
    edges = rdf.r - BIN / 2
    shells = 4 / 3 * np.pi * ((edges + BIN) ** 3 - edges**3)
    # g is normalised with N - 1 other atoms, the density of a crystal counts all of them
    neighbours = density * (len(copper) - 1) / len(copper) * np.cumsum(rdf.g["Cu-Cu"] * shells)
    for radius, expected in ((2.4, 0), (3.0, 12), (3.8, 18), (4.7, 42), (5.3, 54)):
        assert neighbours[rdf.r < radius][-1] == pytest.approx(expected)


def test_another_choice_of_the_same_cell_gives_the_same_function(rdf_of):
    gas = ideal_gas("He20", 5, [np.diag([12.0, 12.0, 12.0])])
    sheared = [atoms.copy() for atoms in gas]
    for atoms in sheared:
        atoms.set_cell(np.array([[12.0, 0, 0], [12.0, 12.0, 0], [0, -12.0, 12.0]]))
    whole, part = rdf_of(gas), rdf_of(sheared)
    assert len(part.r) < len(whole.r)
    np.testing.assert_allclose(part.g["He-He"], whole.g["He-He"][: len(part.r)])


def test_largest_radius_is_half_the_smallest_height():
    frac = np.array([[i, j, k] for i in (-1, 0, 1) for j in (-1, 0, 1) for k in (-1, 0, 1)])
    rng = np.random.default_rng(0)
    for _ in range(20):
        cell = 10 * np.eye(3) + rng.uniform(-3, 3, (3, 3))
        normals = np.linalg.inv(cell).T
        heights = 1 / np.linalg.norm(normals, axis=1)
        assert largest_radius(cell) == pytest.approx(heights.min() / 2)
        images = np.linalg.norm(frac @ cell, axis=1)
        assert images[images > 0].min() >= 2 * largest_radius(cell) - 1e-9


def test_peak_lies_between_bins(rdf_of):
    rng = np.random.default_rng(0)
    frames = [
        Atoms("He2", [(5, 5, 5), (5, 5, 5 + d)], cell=[14, 14, 14], pbc=True)
        for d in rng.normal(2.753, 0.05, 4000)
    ]
    distance, height = rdf_of(frames).peak("He-He")
    assert distance == pytest.approx(2.75, abs=0.01)
    # two atoms, one pair: height = V p(r) / (4 pi r^2)
    gauss = 1 / (0.05 * np.sqrt(2 * np.pi))
    assert height == pytest.approx(14**3 * gauss / (4 * np.pi * 2.753**2), rel=0.07)
    lone = Atoms("He2", [(0, 0, 0), (7, 7, 7)], cell=[14, 14, 14], pbc=True)
    assert rdf_of([lone]).peak("He-He") is None


@pytest.mark.parametrize("cell", [[5, 5, 0], [0, 0, 0]])
def test_frames_without_a_cell_are_refused(cell, arrays):
    numbers, positions, cells, _ = arrays([Atoms("He2", [(0, 0, 0), (0, 0, 1)], cell=cell)])
    for n in (1, 0):
        with pytest.raises(ValueError, match="periodic in three directions"):
            radial_distribution(numbers, positions[:n], cells[:n])
