"""Isomers: their known number, reasonable structures, the same for the same seed."""

import numpy as np
import pytest
from ase import Atoms
from ase.io import write
from rdkit import Chem
from rdkit.Chem import rdForceFieldHelpers, rdMolDescriptors
from schnetpack.data import ASEAtomsData

from gpip_plugins.errors import InputError
from gpip_plugins.sampling.systems.graphs import parse_formula, random_graphs
from gpip_plugins.sampling.systems.isomer_lists import isomers_from_file
from gpip_plugins.sampling.systems.isomers import (
    MAX_STRAIN,
    is_reasonable,
    isomers,
    strain_and_minimum,
)
from gpip_plugins.sampling.systems.molecule import MolecularSystem

#: Constitutional isomers, from textbooks; C3H6O has three carbonyls' enols and ethers among its 9.
KNOWN = {"C2H6O": 2, "C3H8O": 3, "C4H10": 2, "C5H12": 3, "C6H14": 5, "C4H8": 5, "C3H6O": 9}


@pytest.mark.parametrize("formula", KNOWN)
def test_all_constitutional_isomers_are_found_and_no_other(formula):
    graphs = random_graphs(formula, np.random.default_rng(0))
    found = [next(graphs) for _ in range(1500)]
    assert len({Chem.MolToSmiles(graph) for graph in found}) == KNOWN[formula]
    for graph in found[:50]:
        assert parse_formula(rdMolDescriptors.CalcMolFormula(graph)) == parse_formula(formula)
        assert len(Chem.GetMolFrags(graph)) == 1
        assert not any(a.GetNumRadicalElectrons() or a.GetFormalCharge() for a in graph.GetAtoms())


def test_frequencies_follow_the_weights():
    """Butane: |A| = 2, hydrogens 3! 2! 2! 3!; isobutane: |A| = 6, hydrogens 3!^3 1!."""
    graphs = random_graphs("C4H10", np.random.default_rng(1))
    names = [Chem.MolToSmiles(next(graphs)) for _ in range(4000)]
    butane, isobutane = 1 / (2 * 6 * 2 * 2 * 6), 1 / (6 * 6**3)
    expected = butane / (butane + isobutane)
    error = np.sqrt(expected * (1 - expected) / len(names))
    assert names.count("CCCC") / len(names) == pytest.approx(expected, abs=4 * error)


def test_thirty_isomers_of_the_paper_s_formula():
    found = isomers("C7H10O2", 30, seed=3, progress=False)
    assert len({system.name for system in found}) == 30
    for system in found:
        assert system.formula == "C7H10O2"
        assert system.positions.shape == (19, 3)
        # MMFF94 has all parameters and we stand at a minimum: no force is left.
        properties = rdForceFieldHelpers.MMFFGetMoleculeProperties(system.mol)
        field = rdForceFieldHelpers.MMFFGetMoleculeForceField(system.mol, properties)
        gradient = np.array(field.CalcGrad(system.positions.ravel().tolist()))
        assert np.abs(gradient).max() < 0.05  # kcal/mol/Å
        # The geometry is that of the graph: bonded atoms are close, all others are not.
        distance = np.linalg.norm(system.positions[:, None] - system.positions, axis=-1)
        bonded = np.zeros_like(distance, dtype=bool)
        bonded[tuple(system.bonds.T)] = True
        assert distance[bonded].max() < 1.65
        apart = ~(bonded | bonded.T | np.eye(19, dtype=bool))
        assert distance[apart].min() > 1.5


def test_the_seed_decides_and_more_only_add():
    def names(count, seed):
        return [system.name for system in isomers("C5H8O", count, seed, progress=False)]

    assert names(6, 0) == names(12, 0)[:6]
    assert names(12, 0) != names(12, 1)
    first, again = (isomers("C5H8O", 3, 5, progress=False) for _ in range(2))
    for a, b in zip(first, again, strict=True):
        assert (a.positions == b.positions).all()


@pytest.mark.parametrize(
    ("smiles", "reasonable"),
    [
        ("C1CCCC#CCC1", False),  # rule 1
        ("C1CCCCC#CCCC1", True),
        ("C1=C=CCC1", False),
        ("C=C=CC", True),
        ("C1CC2=CCC1C2", False),  # rule 2
        ("C1=CC2CCC1C2", True),
        ("c1ccc2ccccc2c1", True),  # fused, not bridged
        ("COOC", False),  # rule 3
        ("C1=CC1", True),
        ("O=C1CCCCO1", True),
    ],
)
def test_rules_on_graphs(smiles, reasonable):
    assert is_reasonable(Chem.MolFromSmiles(smiles)) is reasonable


def test_strain_distinguishes_molecules_from_impossible_cages():
    def strain(smiles):
        return strain_and_minimum(MolecularSystem.from_smiles(smiles).mol)[0]

    ordinary = ["C1CCCCC1", "C1CC1", "C1CCC1", "C1=CC1", "C1CO1", "c1ccccc1", "C1CC2CCC1C2"]
    assert max(map(strain, ordinary)) < MAX_STRAIN
    # Cubane can be made; an epoxide across the bridgehead of a bicycle cannot.
    assert max(map(strain, ordinary)) < strain("C12C3C4C1C5C2C3C45") < MAX_STRAIN
    assert strain("CC1(O)C2CC3OC31C2") > MAX_STRAIN
    relaxed, positions = strain_and_minimum(MolecularSystem.from_smiles("C1CCCCC1").mol)
    assert relaxed < 5.0
    assert positions.shape == (18, 3)


@pytest.mark.parametrize(
    ("formula", "count", "message"),
    [
        ("C7H10O2", 0, "count=0"),
        ("C2H6O", 3, "formula=C2H6O has only 2 isomers .* count=3"),
        ("C7H11O2", 1, "formula=C7H11O2 fits no connected molecule"),
        ("C2H8", 1, "formula=C2H8 fits no connected molecule"),
        ("H2", 1, "formula=H2 fits no connected molecule"),
        ("C2Xe", 1, "holds Xe"),
        ("c2h6", 1, "does not parse"),
        ("", 1, "does not parse"),
    ],
)
def test_impossible_settings_are_reported_in_one_sentence(formula, count, message):
    with pytest.raises(InputError, match=message) as error:
        isomers(formula, count, progress=False)
    assert "\n" not in str(error.value)


def test_a_list_of_smiles(tmp_path):
    path = tmp_path / "mine.smi"
    path.write_text("# my isomers\nOCC first\nC(O)C the same\nCOC\nC#CC\n\n")
    found = isomers_from_file(str(path), progress=False)
    assert [system.name for system in found] == ["CCO", "COC", "C#CC"]
    assert len(isomers_from_file(str(path), count=2, seed=1, progress=False)) == 2
    with pytest.raises(InputError, match=r"line 5 of mine\.smi is C3H4, not formula=C2H6O"):
        isomers_from_file(str(path), formula="C2H6O", progress=False)
    with pytest.raises(InputError, match=r"count=4 .* holds 3 different molecules"):
        isomers_from_file(str(path), count=4, progress=False)
    path.write_text("CCO\nCQ\n")
    with pytest.raises(InputError, match=r"line 2 of mine\.smi: 'CQ' is no SMILES"):
        isomers_from_file(str(path), progress=False)
    with pytest.raises(InputError, match="does not exist"):
        isomers_from_file("nowhere.smi", progress=False)


def test_a_database_of_structures(tmp_path):
    store = ASEAtomsData.create(
        str(tmp_path / "data.db"), distance_unit="Ang", property_unit_dict={"energy": "eV"}
    )
    frames = []
    rng = np.random.default_rng(0)
    for smiles in ("CCO", "COC", "CCO"):
        system = MolecularSystem.from_smiles(smiles)
        moved = system.positions + rng.normal(0, 0.02, system.positions.shape)
        frames.append(Atoms(system.numbers, moved))
    store.add_systems([{"energy": np.zeros(1)} for _ in frames], frames)
    found = isomers_from_file(str(tmp_path / "data.db"), formula="C2H6O", progress=False)
    assert [system.name for system in found] == ["CCO", "COC"]
    np.testing.assert_allclose(found[0].positions, frames[0].positions, atol=1e-9)
    assert found[0].numbers.tolist() == frames[0].numbers.tolist()
    frames[1].positions *= 3.0
    write(tmp_path / "torn.xyz", frames)
    with pytest.raises(InputError, match=r"frame 1 of torn\.xyz"):
        isomers_from_file(str(tmp_path / "torn.xyz"), progress=False)
