"""Inputs that leave something open: it is refused, or chosen and said."""

import pytest
from rdkit import Chem
from rdkit.Chem import AllChem

from gpip_plugins.errors import InputError
from gpip_plugins.sampling.forcefield import choose
from gpip_plugins.sampling.systems.isomer_lists import isomers_from_file
from gpip_plugins.sampling.systems.molecule import MolecularSystem
from gpip_plugins.sampling.systems.sources import Files, Isomers, Smiles

METHYL = "4\n\nC 0 0 0\nH 1.08 0 0\nH -0.54 0.935 0\nH -0.54 -0.935 0\n"
METHANOL = """6

C -0.04713100 0.66438900 0.00000000
O -0.04713100 -0.75855100 0.00000000
H -1.09299500 0.96978500 0.00000000
H 0.87853400 -1.04845800 0.00000000
H 0.43714500 1.08037600 0.89177200
H 0.43714500 1.08037600 -0.89177200
"""
HYDROXIDE = '2\nProperties=species:S:1:pos:R:3 charge=-1 pbc="F F F"\nO 0 0 0\nH 0.97 0 0\n'


def sdf(*smiles, flat=False):
    """Return an SDF of molecules with all hydrogens, in three dimensions or drawn flat."""
    blocks = []
    for text in smiles:
        mol = Chem.AddHs(Chem.MolFromSmiles(text))
        (AllChem.Compute2DCoords if flat else AllChem.EmbedMolecule)(mol)
        blocks.append(Chem.MolToMolBlock(mol) + "$$$$\n")
    return "".join(blocks)


@pytest.mark.parametrize(
    ("smiles", "message"),
    [
        ("C[CH]C", r"^smiles='C\[CH\]C' has 1 unpaired electron at atom 1 \(C\): no classical"),
        ("[C]", "has 4 unpaired electrons at atom 0"),
        ("[CH2]", "has 2 unpaired electrons"),
        ("CN([O])C", r"has 1 unpaired electron at atom 2 \(O\)"),
        ("[Na]", "has 1 unpaired electron"),
        ("C" * 5000, r"^smiles=C{57}\.\.\. has 15002 atoms, more than the 1000"),
        ("C" * 20000, r"^smiles=C{20}\.\.\. has 20000 letters"),
    ],
)
@pytest.mark.parametrize("isomers", ["one", "all"])
def test_radicals_carbenes_and_giants_are_refused_before_the_embedding(smiles, message, isomers):
    with pytest.raises(InputError, match=message):
        Smiles(smiles, isomers).build(0)


def test_radicals_in_files_are_refused(tmp_path):
    (tmp_path / "methyl.xyz").write_text(METHYL)
    with pytest.raises(InputError, match=r"methyl.xyz' \(frame 0\).* correct the charge"):
        Files(str(tmp_path / "methyl.xyz")).build(0)
    (tmp_path / "ethyl.sdf").write_text(sdf("C[CH2]"))
    with pytest.raises(InputError, match=r"ethyl_0 has 1 unpaired electron at atom 1"):
        Files(str(tmp_path / "ethyl.sdf")).build(0)
    for line, message in (
        ("C[CH]C", "has 1 unpaired electron"),
        ("CCO.O", "holds several separate molecules"),
        ("C" * 400, "has 1202 atoms"),
    ):
        (tmp_path / "list.smi").write_text(f"CCO\n{line}\n")
        with pytest.raises(InputError, match=rf"^line 2 of list.smi.* {message}"):
            isomers_from_file(str(tmp_path / "list.smi"), progress=False)


@pytest.mark.parametrize(
    ("smiles", "force_field", "sums"),
    [
        ("[CH2-]C(=O)C", "mmff94", r"its charges add up to \+0.000 e, but the molecule has -1 e"),
        ("O=C=O", "mmff94", r"its charges add up to -1.000 e, but the molecule has \+0 e"),
        ("C[NH3+]", "uff", r"its charges add up to \+0.000 e, but the molecule has \+1 e"),
    ],
)
def test_charges_that_do_not_add_up_are_refused(smiles, force_field, sums):
    with pytest.raises(InputError, match=sums):
        choose(MolecularSystem.from_smiles(smiles), force_field)


@pytest.mark.parametrize("smiles", ["[NH3+]CC(=O)[O-]", "CC(=O)[O-]", "C[N+](C)(C)C", "C[N+]#[C-]"])
def test_zwitterions_and_ions_have_charges_that_add_up(smiles):
    system = MolecularSystem.from_smiles(smiles)
    field, coverage = choose(system, "opls", fallback="mmff94")
    assert (field.name, coverage.components[0].residual_charge) == ("mmff94", 0.0)
    assert coverage.components[0].charge == system.charge


@pytest.mark.parametrize(
    ("smiles", "chosen", "said"),
    [
        ("OC=CC=O", "O=C/C=C/O", "double bond 1=2 is not specified; O=C/C=C/O was chosen"),
        ("CC(O)CC", "CC[C@H](C)O", "stereocentre 1 is not specified; CC[C@H](C)O was chosen"),
        ("O/C=C\\C=O", "O=C/C=C\\O", ""),
        ("C[C@H](O)CC", "CC[C@H](C)O", ""),
        ("CC=O", "CC=O", ""),
    ],
)
def test_the_chosen_stereoisomer_is_said_and_stored(smiles, chosen, said):
    (system,) = Smiles(smiles).build(0)
    assert (system.source, system.assumed) == (chosen, said)
    _, coverage = choose(system, "opls", "mmff94")
    assert coverage.components[0].note == said
    assert said in coverage.sentence()


def test_all_stereoisomers_are_sampled_if_asked():
    systems = Smiles(["CC(O)C=CC", "CCO"], isomers="all").build(0)
    names = [system.name for system in systems]
    assert names == [
        "C/C=C/[C@@H](C)O", "C/C=C/[C@H](C)O", "C/C=C\\[C@@H](C)O", "C/C=C\\[C@H](C)O", "CCO",
    ]  # fmt: skip
    assert [system.source for system in systems] == names
    assert not any(system.assumed for system in systems)
    # A trans double bond does not fit into cyclohexene.
    assert [s.name for s in Smiles("C1CCC=CC1", isomers="all").build(0)] == ["C1=CCCCC1"]
    with pytest.raises(InputError, match=r"leaves open stereocentre 0, .* than the 64 of isomers="):
        Smiles("C(F)(Cl)" * 7 + "C", isomers="all").build(0)
    with pytest.raises(InputError, match="isomers='both' is unknown; choose from one, all"):
        Smiles("CCO", isomers="both")


def test_every_structure_of_a_file_is_sampled(tmp_path):
    water = "3\n\nO 0 0 0\nH 0.96 0 0\nH -0.24 0.93 0\n"
    (tmp_path / "multi.xyz").write_text(METHANOL + water + METHANOL)
    first, second = Files(str(tmp_path / "multi.xyz")).build(0)
    assert [(s.name, s.formula) for s in (first, second)] == [
        ("multi_0", "CH4O"),
        ("multi_1", "H2O"),
    ]
    assert first.assumed.startswith("structure 2 of the file with the same bonds not used")
    assert not second.assumed
    (tmp_path / "bad.xyz").write_text(water + "2\n\nH 0 0 0\nH 0 0 0\n")
    with pytest.raises(InputError, match=r"bad.xyz' \(frame 1\) has atoms 0 \(H\) and 1 \(H\) 0.0"):
        Files(str(tmp_path / "bad.xyz")).build(0)


def test_the_charge_of_a_structure_is_that_of_the_file_or_of_the_setting(tmp_path):
    (tmp_path / "ion.xyz").write_text(HYDROXIDE)
    (system,) = Files(str(tmp_path / "ion.xyz")).build(0)
    assert (system.formula, system.charge) == ("HO-", -1)
    with pytest.raises(InputError, match=r"charge=0"):
        Files(str(tmp_path / "ion.xyz"), charge=0).build(0)


@pytest.mark.parametrize("charge", ["x", "0.5", "nan", "inf", '"1 0"'])
def test_a_charge_that_is_no_whole_number_is_refused(tmp_path, charge):
    text = f"1\nProperties=species:S:1:pos:R:3 charge={charge}\nAr 0 0 0\n"
    (tmp_path / "a.xyz").write_text(text)
    with pytest.raises(InputError, match=r"\(frame 0\) has charge=.*, which is not a whole number"):
        Files(str(tmp_path / "a.xyz")).build(seed=0)


def test_bonds_and_charges_of_an_sdf_are_taken(tmp_path):
    file = tmp_path / "two.sdf"
    file.write_text(sdf("[NH3+]CC(=O)[O-]", "C/C=C\\C"))
    glycine, butene = Files(str(file)).build(0)
    assert [a.GetFormalCharge() for a in glycine.mol.GetAtoms()][:5] == [1, 0, 0, 0, -1]
    assert butene.source.startswith("C/C=C\\C ")
    assert [glycine.name, butene.name, glycine.assumed] == ["two_0", "two_1", ""]
    file.write_text(sdf("C/C=C\\C", flat=True))
    (drawn,) = Files(str(file)).build(0)
    assert drawn.source == "C/C=C\\C"
    assert drawn.assumed == "two-dimensional in the file; its geometry is an embedding"
    with pytest.raises(InputError, match=r"has the charge \+0 e in the file, but charge=1"):
        Files(str(file), charge=1).build(0)


def test_settings_of_isomers_that_were_not_given_do_not_refuse_a_list(tmp_path):
    (tmp_path / "list.smi").write_text("CCO ethanol\nCOC dme\n\nC#N hcn\nCC=CC\n")
    systems = Isomers(source=str(tmp_path / "list.smi")).build(0)
    assert [system.name for system in systems] == ["CCO", "COC", "C#N", "CC=CC"]
    assert systems[3].assumed == "double bond 1=2 is not specified; C/C=C/C was chosen"
    assert Isomers().label == "isomers_C7H10O2"
    with pytest.raises(InputError, match="formula=C1000000H2 has 1000002 atoms, more than the 200"):
        Isomers("C1000000H2").build(0)


@pytest.mark.parametrize("smiles", ["[Na+]", "C#C", "O=C=O", "N#N", "C=C=C", "C#N"])
def test_atoms_and_linear_molecules_have_a_geometry_and_a_force_field(smiles):
    system = MolecularSystem.from_smiles(smiles)
    field, _ = choose(system, "opls", fallback="mmff94")
    assert field.create(system).getNumParticles() == len(system.numbers)
