"""The figures of one system."""

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import molecule
from scipy.spatial.transform import Rotation

from gpip_plugins.analysis.bonds import bonds
from gpip_plugins.report.findings import system_findings
from gpip_plugins.report.sampled import read_sampled
from gpip_plugins.report.settings import QualitySettings
from gpip_plugins.report.system import system_figures
from gpip_plugins.sampling.systems.box import Box


@pytest.fixture
def figures_of(write):
    """Return a function: the figures of frames of one system."""

    def examine(frames):
        (system,), metadata = read_sampled(write(frames), 1000, progress=False)
        return system_figures(system, metadata, QualitySettings(), progress=False)

    return examine


def test_departure_of_one_bond_from_its_own_mean(figures_of):
    frames = [Atoms("OHH", [(0, 0, 0), (0, 0, 1.0), (x, 0, 0)]) for x in (0.9, 0.9, 1.2)]
    figures = figures_of(frames)
    assert figures.entry["largest_departure"] == pytest.approx(0.2)
    assert figures.bond_lengths["O-H"].max() == pytest.approx(1.2)
    assert figures.entry["bonds"]["O-H"] == pytest.approx(
        {"n_bonds": 2, "shortest": 0.9, "mean": 1.0, "longest": 1.2}
    )


def test_a_system_without_bonds(figures_of):
    figures = figures_of([Atoms("Li", cell=[9, 9, 9], pbc=True)] * 3)
    assert figures.bond_lengths == figures.entry["bonds"] == {}
    assert figures.entry["largest_departure"] == 0.0


def magnesium_chloride_in_water() -> Atoms:
    """Mg2+ in its shell of six waters, two chlorides and three more waters, in a box of 14 Å."""
    axes = np.array([sign * axis for axis in np.eye(3) for sign in (1.0, -1.0)])
    water = molecule("H2O")
    water.positions -= water.positions[0]
    outwards = -water.positions[1:].mean(axis=0)  # from the hydrogens to the oxygen
    box = Atoms("Mg", [(0, 0, 0)])
    for axis in axes:
        ligand = water.copy()
        turn, _ = Rotation.align_vectors([-axis], [outwards])
        ligand.positions = turn.apply(ligand.positions) + 2.1 * axis
        box += ligand
    for corner in ((3.5, 3.5, 3.5), (-3.5, -3.5, 3.5)):
        box += Atoms("Cl", [corner])
    for corner in ((6.0, 6.0, -6.0), (5.0, -5.0, 5.0), (-5.0, 5.0, -5.0)):
        free = water.copy()
        free.positions += corner
        box += free
    box.set_cell(np.eye(3) * 14.0)
    box.pbc = True
    box.wrap()
    return box


def test_perception_and_report_find_the_same_bonds(tmp_path, figures_of):
    atoms = magnesium_chloride_in_water()
    ase.io.write(tmp_path / "salt.extxyz", atoms)
    box = Box.from_file(tmp_path / "salt.extxyz", charges={"Mg": 2, "Cl": -1})
    counts = {part.formula: n for part, n in box.components}
    assert counts == {"Mg+2": 1, "Cl-": 2, "H2O": 9}
    found = Atoms(box.numbers, box.positions, cell=box.cell, pbc=True)
    np.testing.assert_array_equal(bonds(found), np.sort(box.bonds, axis=1))

    entry = figures_of([found] * 2).entry
    assert {pair: it["n_bonds"] for pair, it in entry["bonds"].items()} == {"O-H": 18}
    assert entry["shortest_distances"]["Mg-O"] == pytest.approx(2.1)


@pytest.mark.parametrize(
    ("edge", "finding"),
    [(12.42, None), (18.6, "of it (liquids: 50 % to 130 %)"), (9.6, "too dense for any liquid")],
)
def test_the_density_of_a_given_cell(figures_of, edge, finding):
    """64 molecules of water: 1 g/cm^3 at an edge of 12.42 Å."""
    box = Atoms()
    for corner in np.ndindex(4, 4, 4):
        water = molecule("H2O")
        water.positions += np.array(corner) * edge / 4.0
        box += water
    box.set_cell(np.eye(3) * edge)
    box.pbc = True
    entry = figures_of([box]).entry
    assert entry["cell"]["density"] == pytest.approx((12.42 / edge) ** 3, rel=2e-3)
    told = [sentence for sentence in system_findings("water", entry) if "g/cm^3" in sentence]
    assert [finding in sentence for sentence in told] == ([] if finding is None else [True])
