"""Molecules from SMILES, presets and files."""

import ase.io
import numpy as np
import pytest
from ase import Atoms

from gpip_plugins.errors import InputError
from gpip_plugins.sampling.systems.molecule import MolecularSystem
from gpip_plugins.sampling.systems.presets import MOLECULES, SPECIES

FORMULAS = {
    "aspirin": "C9H8O4",
    "benzene": "C6H6",
    "ethanol": "C2H6O",
    "malonaldehyde": "C3H4O2",
    "naphthalene": "C10H8",
    "salicylic_acid": "C7H6O3",
    "toluene": "C7H8",
    "uracil": "C4H4N2O2",
}


def write(folder, system, name="molecule.xyz", **changes):
    atoms = Atoms(system.numbers, system.positions)
    for key, value in changes.items():
        setattr(atoms, key, value)
    ase.io.write(folder / name, atoms)
    return folder / name


FORMULAS_OF_SPECIES = {
    "water": "H2O", "EC": "C3H4O3", "PC": "C4H6O3", "DMC": "C3H6O3", "EMC": "C4H8O3",
    "DEC": "C5H10O3", "DME": "C4H10O2", "diglyme": "C6H14O3", "triglyme": "C8H18O4",
    "tetraglyme": "C10H22O5", "DOL": "C3H6O2", "THF": "C4H8O", "GBL": "C4H6O2", "AN": "C2H3N",
    "MA": "C3H6O2", "EA": "C4H8O2", "PF6": "F6P-", "BF4": "BF4-", "TFSI": "C2F6NO4S2-",
    "FSI": "F2NO4S2-", "OTf": "CF3O3S-", "Li": "Li+", "Na": "Na+", "K": "K+", "Rb": "Rb+",
    "Cs": "Cs+", "Mg": "Mg+2", "Ca": "Ca+2", "Sr": "Sr+2", "Ba": "Ba+2", "Zn": "Zn+2", "F": "F-",
    "Cl": "Cl-", "Br": "Br-", "I": "I-",
}  # fmt: skip


def test_presets_are_the_molecules_of_md17():
    assert {n: MolecularSystem.from_preset(n).formula for n in MOLECULES} == FORMULAS


def test_solvents_and_ions_have_their_formulas_and_charges():
    found = {name: MolecularSystem.from_preset(name) for name in SPECIES}
    assert {n: s.formula for n, s in found.items()} == FORMULAS_OF_SPECIES


def test_a_single_ion_is_a_component_without_bonds():
    lithium = MolecularSystem.from_preset("Li")
    assert lithium.components == ((lithium, 1),)
    assert lithium.positions.shape == (1, 3)
    assert lithium.bonds.shape == (0, 2)
    assert lithium.cell is None


def test_hexafluorophosphate_is_an_octahedron():
    ion = MolecularSystem.from_preset("PF6")
    bonds = ion.positions[ion.numbers == 9] - ion.positions[ion.numbers == 15]
    lengths = np.linalg.norm(bonds, axis=1)
    assert 1.5 < lengths[0] < 1.7
    cosines = np.sort((bonds @ bonds.T / lengths[0] ** 2).ravel())
    assert cosines == pytest.approx([-1.0] * 6 + [0.0] * 24 + [1.0] * 6, abs=1e-9)


def test_embedding_repeats_with_the_seed_and_differs_without():
    first, same, other = (MolecularSystem.from_smiles("CCCO", seed=s).positions for s in (3, 3, 4))
    assert (first == same).all()
    assert abs(first - other).max() > 0.01


@pytest.mark.parametrize("name", ["ethanol", "aspirin", "uracil"])
def test_a_file_gives_back_the_bonds_and_the_order_of_the_atoms(tmp_path, name):
    system = MolecularSystem.from_preset(name)
    order = np.random.default_rng(0).permutation(len(system.numbers))
    atoms = Atoms(system.numbers[order], system.positions[order])
    ase.io.write(tmp_path / "shuffled.xyz", atoms)
    read = MolecularSystem.from_file(tmp_path / "shuffled.xyz")
    assert read.name == "shuffled"
    assert (read.numbers == system.numbers[order]).all()
    bonds = {frozenset(order[bond]) for bond in read.bonds}
    assert bonds == {frozenset(bond) for bond in system.bonds}


def test_charge_decides_whether_bonds_are_found(tmp_path):
    file = write(tmp_path, MolecularSystem.from_smiles("C[NH3+]"))
    assert MolecularSystem.from_file(file, charge=1).formula == "CH6N+"
    with pytest.raises(InputError, match=r"no bonds fit the geometry with charge=0"):
        MolecularSystem.from_file(file)


def test_relative_path_counts_from_the_current_folder(tmp_path, monkeypatch):
    write(tmp_path, MolecularSystem.from_smiles("O"), "water.xyz")
    monkeypatch.chdir(tmp_path)
    assert MolecularSystem.from_file("water.xyz").formula == "H2O"


@pytest.mark.parametrize(
    ("smiles", "message"),
    [
        ("CC(", r"smiles='CC\(' does not parse"),
        ("", r"smiles='' does not parse"),
        ("F(C)(C)C", r"does not parse"),  # a valence that does not exist
        ("[Na+].[Cl-]", r"holds 2 separate molecules"),
    ],
)
def test_bad_smiles_is_named(smiles, message):
    with pytest.raises(InputError, match=message):
        MolecularSystem.from_smiles(smiles)


def test_unknown_preset_is_named_with_the_choices():
    with pytest.raises(InputError, match=r"molecules='asprin' is not a preset; choose from asp"):
        MolecularSystem.from_preset("asprin")


def test_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"nowhere.xyz does not exist"):
        MolecularSystem.from_file(tmp_path / "nowhere.xyz")


def test_unreadable_file_is_named(tmp_path):
    (tmp_path / "broken.xyz").write_text("three\n\nH 0 0\n")
    with pytest.raises(InputError, match=r"broken.xyz cannot be read at frame 0"):
        MolecularSystem.from_file(tmp_path / "broken.xyz")


def test_periodic_file_is_refused(tmp_path):
    water = MolecularSystem.from_smiles("O")
    file = write(tmp_path, water, "cell.xyz", cell=[9, 9, 9], pbc=True)
    with pytest.raises(InputError, match=r"cell.xyz' is periodic"):
        MolecularSystem.from_file(file)


def test_positions_that_are_no_numbers_are_refused(tmp_path):
    (tmp_path / "torn.xyz").write_text("2\n\nF 0 0 0\nF 0 0 nan\n")
    with pytest.raises(InputError, match=r"has a position that is not finite, of atom 1"):
        MolecularSystem.from_file(tmp_path / "torn.xyz")


@pytest.mark.parametrize("name", ["17.xyz", "true.xyz"])
def test_name_that_an_ase_database_refuses_is_refused_first(tmp_path, name):
    file = write(tmp_path, MolecularSystem.from_smiles("O"), name)
    with pytest.raises(InputError, match=r"rename the structure file"):
        MolecularSystem.from_file(file)
