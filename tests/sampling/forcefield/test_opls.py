"""Typing by OPLS-AA: which molecules are covered, with which types and constants."""

import numpy as np
import pytest
from rdkit import Chem

from gpip_plugins.errors import InputError
from gpip_plugins.sampling.forcefield import OPLS, choose, force_field
from gpip_plugins.sampling.forcefield.opls import OplsMolecule, _additions, opls_types
from gpip_plugins.sampling.forcefield.opls_table import opls_table
from gpip_plugins.sampling.systems.molecule import MolecularSystem
from gpip_plugins.sampling.systems.presets import MOLECULES

FAMILIES = """
C CC CCC CC(C)C CC(C)(C)C C=C CC=C CC(C)=C C=CC=C C=C=C C#C CC#C CC#CC C1CC1 C1CCC1 C1CCCCC1
C1=CCCCC1 CCc1ccccc1 C=Cc1ccccc1 c1ccc(-c2ccccc2)cc1 c1ccc2cc3ccccc3cc2c1
CO CCO CC(C)O CC(C)(C)O OCCO OC1CCCCC1 C=CCO OCc1ccccc1 Oc1ccccc1 Cc1ccccc1O
COC CCOCC C1CCOC1 C1COCCO1 COCCOC COc1ccccc1 COCc1ccccc1 COC=C C1CO1 CC1CO1 C1COC1
COCOC CC(OC)OC COCO C1OCCO1 C=O CC=O CC(C)=O CCC=O CCC(C)=O O=C1CCCC1 c1ccccc1C=O CC(=O)c1ccccc1
C=CC=O C=CC(C)=O CC1=CC(=O)CCC1 CC(=O)C(C)=O CC(=O)CC(C)=O C1CC1C=O C=C=O O=C=O
OC=O CC(=O)O OC(=O)c1ccccc1 C=CC(=O)O COC=O CC(=O)OC CCOC(C)=O O=C1CCCO1 O=C1CCO1 C=CC(=O)OC
COC(=O)c1ccccc1 CC(=O)Oc1ccccc1 COC(=O)CC(=O)OC O=C1OCCO1 CC1COC(=O)O1 COC(=O)OC CCOC(=O)OCC
N CN CNC CN(C)C CCN C1CCNC1 NC1CCCCC1 Nc1ccccc1 CN(C)c1ccccc1 NCc1ccccc1
CC(N)=O CC(=O)NC CC(=O)N(C)C CN(C)C=O NC=O NC(N)=O CC(=O)Nc1ccccc1
CC#N CCC#N N#Cc1ccccc1 C[N+](=O)[O-] O=[N+]([O-])c1ccccc1
CS CCS CSC CCF CCCl Fc1ccccc1 Clc1ccccc1 n1ccccc1 o1cccc1 [nH]1cccc1
""".split()  # noqa: SIM905


def opls(smiles):
    return OplsMolecule("it", Chem.AddHs(Chem.MolFromSmiles(smiles)))


@pytest.mark.parametrize("smiles", [*MOLECULES.values(), *FAMILIES])
def test_molecule_is_covered_and_neutral_without_correction(smiles):
    molecule = opls(smiles)
    assert molecule.coverage.problems() == ""
    assert molecule.coverage.residual_charge == 0.0
    assert molecule.table().charge == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("smiles", ["O=CC=CO", "CC(=O)C=C(C)O", "C=CO"])
def test_small_residual_charge_of_enols_is_reported_and_spread_evenly(smiles):
    molecule = opls(smiles)
    residual = molecule.coverage.residual_charge
    assert residual == pytest.approx(-0.015)
    shift = molecule.table().charges - [t.charge for t in molecule.types]
    assert shift == pytest.approx(np.full(len(shift), -residual / len(shift)))


# Types of the elements of symmetry-distinct atoms, read by hand from the published table.
ETHANOL = [54, 157, 154, 60, 60, 60, 176, 176, 155]
BY_HAND = {
    "CCO": ETHANOL,
    "Cc1ccccc1": [61, *[145] * 6, *[60] * 3, *[146] * 5],
    "COCCOC": [181, 180, 182, 182, 180, 181, *[794] * 3, *[185] * 4, *[794] * 3],
    "COC(=O)OC": [789, 773, 772, 771, 773, 789, *[777] * 6],
    "O=C1OCCO1": [771, 772, 773, 774, 774, 773, *[777] * 4],
    "CC(=O)OC": [135, 465, 466, 467, 468, *[282] * 3, *[469] * 3],
    "O=c1cc[nH]c(=O)[nH]1": [328, 322, 323, 324, 319, 320, 326, 321, 329, 330, 325, 327],
    "CC(=O)Oc1ccccc1C(=O)O": [
        *[135, 465, 466, 473, 472, *[145] * 5, 470, 269, 268, *[282] * 3, *[146] * 4, 270]
    ],
}


@pytest.mark.parametrize("smiles", BY_HAND)
def test_types_are_those_that_a_chemist_reads_from_the_table(smiles):
    types = opls_types(Chem.AddHs(Chem.MolFromSmiles(smiles)))
    assert [t.number for t in types] == BY_HAND[smiles]


def test_typing_does_not_depend_on_the_order_of_the_atoms():
    mol = Chem.AddHs(Chem.MolFromSmiles(MOLECULES["aspirin"]))
    order = np.random.default_rng(0).permutation(mol.GetNumAtoms()).tolist()
    shuffled = opls_types(Chem.RenumberAtoms(mol, order))
    straight = opls_types(mol)
    assert shuffled == tuple(straight[i] for i in order)


@pytest.mark.parametrize(
    ("smiles", "kind", "v"),
    [
        ("CCO", "CT-CT-OH-HO", (-0.5, 0.2, 0.3)),  # OPLS/2020, not trifluoroethanol
        ("CC(C)O", "CT-CT-OH-HO", (-0.5, 0.2, 0.3)),
        ("CCF", "HC-CT-CT-F~", (0.0, 0.0, 0.4)),
        ("CCCC=O", "CT-CT-CT-C~", (-1.697, -0.456, 0.585)),  # aldehydes and ketones
        ("CCCC(C)=O", "CT-CT-CT-C~", (-1.697, -0.456, 0.585)),
        ("CCCC(N)=O", "CT-CT-CT-C~", (-2.06, -0.313, 0.315)),  # butanamide
        ("C=CC(C)=C", "CT-C=-C=-CM", (0.9, 0.23, -0.505)),  # isoprene
        ("OC(=O)CCC(=O)O", "HC-CT-CT-C~", (0.0, 0.0, 0.074)),  # dicarboxylic acids
        ("CCC=O", "HC-CT-CT-C~", (0.0, 0.0, -0.1)),
        ("CCC=O", "CT-CT-C~-O~", (-0.277, 1.228, -0.694)),  # aldehydes and ketones
        ("CCC(=O)O", "CT-CT-C~-O~", (0.0, 0.546, 0.0)),  # acids
        ("CCCC", "CT-CT-CT-CT", (1.1, -0.2, 0.2)),  # butane has constants of its own
        ("CCCCC", "CT-CT-CT-CT", (0.85, -0.2, 0.2)),
        ("OC(=O)c1ccccc1", "O~-C~-OH-HO", (0.0, 5.0, 0.0)),  # benzoic acids
        ("CC(=O)O", "O~-C~-OH-HO", (0.0, 5.5, 0.0)),
    ],
)
def test_torsion_takes_the_set_made_for_its_environment(smiles, kind, v):
    molecule = opls(smiles)
    found = {
        values
        for atoms, values in molecule.rows["dihedral"]
        if kind in ("-".join(molecule.types[i].kind for i in a) for a in (atoms, atoms[::-1]))
    }
    assert {values[:3] for values in found} == {v}


@pytest.mark.parametrize("flat", ["C=C", "CC(C)=O", "NC=O", "Nc1ccccc1"])
def test_impropers_end_at_the_oxygen_or_outside_the_ring(flat):
    molecule = opls(flat)
    impropers = molecule.table().impropers
    assert len(impropers) > 0
    for (x, y, centre, last), (k, n, phase) in impropers:
        assert {x, y, last} == {
            a.GetIdx() for a in molecule.mol.GetAtomWithIdx(centre).GetNeighbors()
        }
        assert (n, phase) == (2, 180.0)
        assert k in (2.5, 10.5, 15.0)
        if molecule.types[centre].kind == "C~":
            assert molecule.types[last].kind == "O~"
        if molecule.types[centre].kind == "CA":
            assert not molecule.mol.GetRingInfo().AreAtomsInSameRing(centre, last)


def test_every_data_file_names_types_and_terms_that_exist():
    from gpip_plugins.sampling.forcefield.opls import _type_rules, _variant_rules

    known = opls_table().types
    assert all(number in known for number, _ in _type_rules())
    defaults, variants = _variant_rules()
    assert all(pattern.GetNumAtoms() == 4 for _, pattern in variants)
    names = {rule.name for rules in opls_table()._rules.values() for rule in rules}
    assert {*defaults, *(name for name, _ in variants)} <= names


def test_no_constants_depend_on_their_place_in_the_file():
    """Classes that stand in both directions have a default."""
    from gpip_plugins.sampling.forcefield.opls import _variant_rules

    defaults = set(_variant_rules()[0])
    found = {}
    for rules in opls_table()._rules.values():
        for rule in rules:
            found.setdefault(rule.key, []).append(rule)
    undecided = {
        key: [rule.name for rule in rules]
        for key, rules in found.items()
        if len({rule.classes for rule in rules}) > 1 and len({rule.values for rule in rules}) > 1
    }
    assert {"CT_CT_OH_HO__1", "HO_OH_CT_CT__1"} <= set(undecided["CT", "CT", "OH", "HO"])
    assert [key for key, names in undecided.items() if not defaults & set(names)] == []
    assert {len(rule.classes) for kind, rule in _additions() if kind == "angle"} == {3}


@pytest.mark.parametrize(
    ("smiles", "problem"),
    [
        ("COOC", "it: no type for atoms 0, 1, 2, 3"),
        ("CC(=O)OC(C)=O", "it: no type for atom 3"),
        ("OCO", r"it: its charges add up to -0.2.*, but the molecule has \+0 e"),
    ],
)
def test_molecule_that_is_not_covered_is_refused_with_atoms_and_charges(smiles, problem):
    system = MolecularSystem.from_smiles(smiles, name="it")
    with pytest.raises(InputError, match=problem):
        OPLS().create(system)
    with pytest.raises(InputError, match=rf"{problem}.*fallback=mmff94"):
        choose(system, "opls")
    chosen, coverage = choose(system, "opls", fallback="mmff94")
    assert chosen.name == coverage.force_field == "mmff94"
    assert coverage.instead_of.force_field == "opls"


def test_fallback_that_does_not_help_is_named():
    strange = MolecularSystem.from_smiles("CB(C)C", name="strange")
    with pytest.raises(InputError, match=r"'opls' does not cover .*nor does fallback='mmff94'"):
        choose(strange, "opls", fallback="mmff94")


@pytest.mark.parametrize("scale", ["0", "1.5"])
def test_charge_scale_outside_its_range_is_refused(scale):
    with pytest.raises(InputError, match=rf"charge_scale={float(scale)} is outside"):
        force_field(f"opls_q{scale}")


def test_missing_parameter_file_is_reported(monkeypatch):
    from gpip_plugins.sampling.forcefield import opls_table as module

    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install 'moltemplate>=2.22'"):
        module.opls_table.__wrapped__()
