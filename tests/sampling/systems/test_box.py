"""Boxes: consistent properties, and molecules found in periodic files."""

import ase.io
import numpy as np
import openmm
import pytest
from ase import Atoms
from ase.build import bulk
from ase.geometry import get_distances

from gpip_plugins.errors import InputError
from gpip_plugins.sampling.forcefield import OPLS
from gpip_plugins.sampling.systems.box import Box, reduced_cell
from gpip_plugins.sampling.systems.molecule import MolecularSystem
from gpip_plugins.sampling.systems.packing import components_from, pack

ELECTROLYTE = {"Li": 2, "TFSI": 1, "PF6": 1, "EC": 3, "water": 2}


@pytest.fixture(scope="module")
def box():
    return pack("mixture", components_from(ELECTROLYTE), seed=1)


def write(path, box, order=slice(None), positions=None):
    positions = box.positions if positions is None else positions
    ase.io.write(path, Atoms(box.numbers, positions, cell=box.cell, pbc=True)[order])
    return path


def potential_energy(box):
    """By OPLS-AA, in kJ/mol."""
    platform = openmm.Platform.getPlatformByName("Reference")
    context = openmm.Context(OPLS().create(box), openmm.VerletIntegrator(0.001), platform)
    context.setPositions(0.1 * box.positions)
    return context.getState(energy=True).getPotentialEnergy()._value


def test_density_and_molarity_of_the_labelled_water():
    water = MolecularSystem.from_preset("water")
    box = Box("w", ((water, 64),), np.zeros((192, 3)), np.eye(3) * 12.444661)
    assert box.density == pytest.approx(0.9934, abs=1e-4)
    # the molarity of a pure liquid is density / molar mass
    assert box.molarity["water"] == pytest.approx(1000 * box.density / 18.015, rel=1e-4)


def test_atoms_bonds_and_molecules_are_numbered_component_by_component(box):
    sizes = [1, 1, 15, 7, 10, 10, 10, 3, 3]
    assert np.bincount(box.molecule_index).tolist() == sizes
    index = box.molecule_index[box.bonds]
    assert (index[:, 0] == index[:, 1]).all()
    lengths = np.linalg.norm(np.subtract(*box.positions[box.bonds].swapaxes(0, 1)), axis=1)
    assert 0.9 < lengths.min() < lengths.max() < 2.0


def test_molecules_of_a_shuffled_and_wrapped_file_are_found_again(tmp_path, box):
    rng = np.random.default_rng(0)
    wrapped = box.positions - box.cell.diagonal() * np.floor(box.positions / box.cell.diagonal())
    order = rng.permutation(len(wrapped))
    read = Box.from_file(write(tmp_path / "mixture.extxyz", box, order, wrapped))
    assert {p.name: n for p, n in read.components} == ELECTROLYTE
    assert read.charge == 0
    assert read.density == pytest.approx(box.density)
    # bonded atoms really are neighbours in our order of atoms, without periodic images
    lengths = np.linalg.norm(np.subtract(*read.positions[read.bonds].swapaxes(0, 1)), axis=1)
    assert 0.9 < lengths.min() < lengths.max() < 2.0
    # and every atom stands where one of its element stood
    distances = get_distances(read.positions, box.positions, cell=box.cell, pbc=True)[1]
    assert distances.min(axis=1).max() < 1e-6
    assert (read.numbers == box.numbers[distances.argmin(axis=1)]).all()
    # the same energy: the fluorines that lie opposite each other in PF6- do so again
    energies = [potential_energy(it) for it in (box, read)]
    assert energies[1] == pytest.approx(energies[0], abs=1e-6)


def test_tilted_and_left_handed_cells_are_turned_with_their_atoms(tmp_path):
    rng = np.random.default_rng(1)
    cell = np.array([[0.3, 9.0, 0.1], [8.0, 1.0, -3.0], [0.5, 6.0, 10.0]])
    assert np.linalg.det(cell) < 0
    hydrogen_fluoride = Atoms("HFHF", [[0, 0, 0], [0.92, 0, 0], [4, 4, 4], [4, 4.92, 4]])
    hydrogen_fluoride.positions += rng.normal(size=3)
    hydrogen_fluoride.cell, hydrogen_fluoride.pbc = cell, True
    ase.io.write(tmp_path / "hf.extxyz", hydrogen_fluoride)
    box = Box.from_file(tmp_path / "hf.extxyz")
    assert box.volume == pytest.approx(hydrogen_fluoride.get_volume())
    assert (abs(box.cell[1, 0]) <= box.cell[0, 0] / 2) & (abs(box.cell[2, 1]) <= box.cell[1, 1] / 2)
    ours = get_distances(box.positions, cell=box.cell, pbc=True)[1]
    assert ours == pytest.approx(hydrogen_fluoride.get_all_distances(mic=True), abs=1e-6)


def test_reduced_cell_is_the_same_lattice_turned_without_mirror():
    rng = np.random.default_rng(2)
    for cell in rng.normal(size=(20, 3, 3)):
        reduced, turn = reduced_cell(cell)
        numbers = (cell @ turn) @ np.linalg.inv(reduced)
        assert numbers == pytest.approx(np.round(numbers), abs=1e-9)
        assert np.linalg.det(turn) == pytest.approx(1.0)


def test_scaling_moves_molecules_and_keeps_their_shape(box):
    scaled = box.scaled_to(1.2 * box.volume)
    assert scaled.volume == pytest.approx(1.2 * box.volume)
    assert scaled.centres() == pytest.approx(1.2 ** (1 / 3) * box.centres())
    before, after = (np.subtract(*b.positions[b.bonds].swapaxes(0, 1)) for b in (box, scaled))
    assert after == pytest.approx(before)


def test_charge_of_an_unknown_ion_must_be_given(tmp_path):
    ammonium, chloride = (MolecularSystem.from_smiles(s) for s in ("[NH4+]", "[Cl-]"))
    salt = pack("salt", [(ammonium, 2), (chloride, 2)], seed=1)
    file = write(tmp_path / "salt.extxyz", salt)
    with pytest.raises(InputError, match=r"no bonds fit the molecule H4N with the charge 0"):
        Box.from_file(file)
    for charges, said in (({"H4N": 1, "Cl": -1}, ""), ({"H4N": 1}, "taken as the ion of -1 e")):
        read = Box.from_file(file, charges=charges)
        assert [(p.charge, n) for p, n in read.components] == [(1, 2), (-1, 2)]
        assert [part.assumed for part, _ in read.components] == ["", said]
    with pytest.raises(InputError, match=r"Cl with the charge 1 has 2 unpaired electrons"):
        Box.from_file(file, charges={"H4N": 1, "Cl": 1})
    with pytest.raises(InputError, match=r"has the charge -2 e, .* \(2 Cl of -1 e\); add or rem"):
        write(tmp_path / "half.extxyz", salt, [10, 11])
        Box.from_file(tmp_path / "half.extxyz")


def test_solid_without_molecules_is_refused(tmp_path):
    ase.io.write(tmp_path / "diamond.extxyz", bulk("C", cubic=True))
    with pytest.raises(InputError, match=r"atom \d+ is bonded to its own periodic image"):
        Box.from_file(tmp_path / "diamond.extxyz")


def test_file_without_a_cell_is_refused(tmp_path):
    ase.io.write(tmp_path / "free.xyz", Atoms("N2", [[0, 0, 0], [0, 0, 1.1]]))
    with pytest.raises(InputError, match=r"free.xyz' has no cell"):
        Box.from_file(tmp_path / "free.xyz")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"positions": np.zeros((2, 3))}, r"not \(3, 3\) finite numbers"),
        ({"positions": np.full((3, 3), np.nan)}, r"not \(3, 3\) finite numbers"),
        ({"cell": np.ones((3, 3))}, r"is not lower triangular"),
        ({"cell": np.diag([5.0, 5.0, 0.0])}, r"is not lower triangular"),
        ({"components": ()}, r"composition=\{\} is empty"),
        ({"name": "12"}, r"'12' cannot name a system"),
    ],
)
def test_impossible_box_is_refused(changes, message):
    water = MolecularSystem.from_preset("water")
    good = {"name": "w", "components": ((water, 1),), "positions": np.zeros((3, 3))}
    good["cell"] = np.eye(3) * 5.0
    with pytest.raises(InputError, match=message):
        Box(**(good | changes))


@pytest.mark.realdata
def test_cell_of_the_labelled_water_is_taken(real_data):
    box = Box.from_file(real_data("water64_pbe0ts_300.xyz.gz"))
    assert box.name == "water64_pbe0ts_300"
    assert [(part.name, count) for part, count in box.components] == [("water", 64)]
    assert box.cell[0, 0] == pytest.approx(12.4447, abs=1e-4)
