"""Constants in files of this package against the published files that they were taken from."""

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import moltemplate
import numpy as np
import openmm.app
import pytest

from gpip_plugins.sampling.forcefield.ions import IN_OTHER_LIQUIDS, IN_WATER
from gpip_plugins.sampling.forcefield.literature import MODELS, TRANS
from gpip_plugins.sampling.forcefield.opls import _additions
from gpip_plugins.sampling.systems.molecule import MolecularSystem

KCAL = 4.184  # kJ
MOLTEMPLATE = Path(moltemplate.__file__).parent / "force_fields"
OPENMM = Path(openmm.app.__file__).parent / "data"
AMBER = OPENMM / "amber99sb.xml"
AMBER_IONS = OPENMM / "amber19" / "tip3p.xml"  # Joung and Cheatham; Li and Merz

# il.ff of the CL&P force field, version 2016/02/03, https://github.com/paduagroup/clandp: charge,
# sigma (Å), epsilon (kJ/mol); k (k/2 (x - x0)^2, kJ/mol/Å^2 or rad^2) and x0; V1, V2, V3 (kJ/mol).
CLP_ATOMS = {
    "Li+ (Åqvist)": {"Li": (1.0, 2.126, 0.07648)},
    "Na+ (Åqvist)": {"Na": (1.0, 3.33, 0.0116)},
    "PF6- (CL&P)": {"P": (1.34, 3.74, 0.8368), "F": (-0.39, 3.12, 0.2552)},
    "TFSI- (CL&P)": {
        "F": (-0.16, 2.95, 0.22175),
        "C": (0.35, 3.5, 0.27614),
        "S": (1.02, 3.55, 1.046),
        "O": (-0.53, 2.96, 0.87864),
        "N": (-0.66, 3.25, 0.71128),
    },
    "BF4- (CL&P)": {"B": (0.96, 3.58, 0.3975), "F": (-0.49, 3.12, 0.2552)},
    "FSI- (CL&P)": {
        "F": (-0.13, 2.95, 0.22175),
        "S": (1.02, 3.55, 1.046),
        "O": (-0.53, 2.96, 0.87864),
        "N": (-0.66, 3.25, 0.71128),
    },
    "OTf- (CL&P)": {
        "F": (-0.16, 2.95, 0.22175),
        "C": (0.35, 3.5, 0.27614),
        "S": (1.02, 3.55, 1.046),
        "O": (-0.63, 2.96, 0.87864),
    },
}
CLP_TERMS = {
    "PF6- (CL&P)": {"P-F": (3100.0, 1.606), "F-P-F": (1165.0, 90.0)},
    "TFSI- (CL&P)": {
        "F-C": (3698.0, 1.323),
        "C-S": (1950.0, 1.818),
        "S-O": (5331.0, 1.437),
        "N-S": (3137.0, 1.570),
        "F-C-F": (781.0, 107.1),
        "F-C-S": (694.0, 111.7),
        "O-S-O": (969.0, 118.5),
        "C-S-O": (870.0, 102.6),
        "N-S-O": (789.0, 113.6),
        "N-S-C": (764.0, 103.5),
        "S-N-S": (671.0, 125.6),
        "O-S-C-F": (0.0, 0.0, 1.451),
        "N-S-C-F": (0.0, 0.0, 1.322),
        "O-S-N-S": (0.0, 0.0, -0.015),
        "S-N-S-C": (32.773, -10.42, -3.195),
    },
    "BF4- (CL&P)": {"B-F": (3235.0, 1.394), "F-B-F": (669.5, 109.5)},
    "FSI- (CL&P)": {
        "F-S": (1879.0, 1.575),
        "S-O": (5331.0, 1.437),
        "N-S": (3137.0, 1.570),
        "O-S-O": (969.0, 118.5),
        "N-S-O": (789.0, 113.6),
        "S-N-S": (671.0, 125.6),
        "F-S-O": (1077.0, 104.1),
        "F-S-N": (902.0, 103.0),
        "O-S-N-S": (0.0, 0.0, -0.015),
        "F-S-N-S": (13.4514, -12.3373, -8.4874, -2.8654),
    },
    "OTf- (CL&P)": {
        "F-C": (3698.0, 1.323),
        "C-S": (1950.0, 1.818),
        "S-O": (5331.0, 1.437),
        "F-C-F": (781.0, 107.1),
        "F-C-S": (694.0, 111.7),
        "O-S-O": (969.0, 118.5),
        "C-S-O": (870.0, 102.6),
        "O-S-C-F": (0.0, 0.0, 1.451),
    },
}


def model(name):
    return next(m for m in (*MODELS, *IN_OTHER_LIQUIDS) if m.name == name)


def table(name):
    system = MolecularSystem.from_smiles(model(name).smiles)
    return model(name).types(system.mol), model(name).table(system.mol, system.positions)


@pytest.mark.parametrize("name", CLP_ATOMS)
def test_ions_have_the_atoms_of_clp(name):
    kinds, found = table(name)
    for kind, *values in zip(kinds, found.charges, found.sigma, found.epsilon, strict=True):
        charge, sigma, epsilon = CLP_ATOMS[name][kind]
        assert values == pytest.approx([charge, sigma, epsilon / KCAL], rel=1e-9)


@pytest.mark.parametrize("name", CLP_TERMS)
def test_ions_have_the_bonded_terms_of_clp_and_no_others(name):
    kinds, found = table(name)
    met = set()
    for terms in (found.bonds, found.angles):
        for atoms, (k, x0) in terms:
            key = term_name(kinds, atoms, CLP_TERMS[name])
            assert (2 * KCAL * k, x0) == pytest.approx(CLP_TERMS[name][key])
            met.add(key)
    sums = {}
    for atoms, (half, n, _) in found.torsions:
        key = term_name(kinds, atoms, CLP_TERMS[name])
        zeros = [0.0] * len(CLP_TERMS[name][key])
        sums.setdefault((key, *atoms), zeros)[int(n) - 1] += 2 * KCAL * half
        met.add(key)
    for (key, *_), constants in sums.items():
        assert constants == pytest.approx(list(CLP_TERMS[name][key]))
    assert met == set(CLP_TERMS[name])


def term_name(kinds, atoms, terms):
    names = [kinds[i] for i in atoms]
    return next(
        key for key in ("-".join(names), "-".join(names[::-1])) if key in terms
    )  # a term that is not published ends here with StopIteration


def test_straight_angles_of_the_octahedron_have_no_term():
    _, found = table("PF6- (CL&P)")
    assert len(found.angles.atoms) == 12
    assert TRANS > 90.0


def test_pf6_is_also_that_of_opls():
    """The published table keeps three digits of the Lennard-Jones constants."""
    text = (MOLTEMPLATE / "oplsaa2024.lt").read_text(encoding="utf-8")
    for number, kind in ((785, "P"), (786, "F")):
        charge = re.search(rf"set type @atom:{number} +charge +(\S+)", text)[1]
        epsilon, sigma = re.search(rf"pair_coeff @atom:{number}_\S+ \S+ (\S+) (\S+)", text).groups()
        ours = CLP_ATOMS["PF6- (CL&P)"][kind]
        assert float(charge) == ours[0]
        assert float(sigma) == pytest.approx(ours[1], abs=0.002)
        assert float(epsilon) == pytest.approx(ours[2] / KCAL, abs=5e-4)


@pytest.mark.parametrize(
    ("kind", "source"),
    [(f"{kind}+", "Åqvist") for kind in ("Li", "Na", "K", "Rb", "Cs")]
    + [(f"{kind}-", "OPLS-AA") for kind in ("F", "Cl", "Br", "I")],
)
def test_ions_without_water_are_those_that_opls_lists(kind, source):
    text = (MOLTEMPLATE / "oplsaa2024.lt").read_text(encoding="utf-8")
    number = "-1.0 " if kind.endswith("-") else "1.00"
    pattern = rf"# 4[01]\d \d+ {kind[:-1]} +{number} +(\S+) +(\S+)"
    sigma, epsilon = re.search(pattern, text).groups()
    _, found = table(f"{kind} ({source})")
    assert found.sigma[0] == pytest.approx(float(sigma), abs=6e-4)
    assert found.epsilon[0] == pytest.approx(float(epsilon), abs=1e-6)


@pytest.mark.parametrize("kind", ["Mg", "Ca", "Sr", "Ba"])
def test_divalent_ions_without_water_are_those_of_opls(kind):
    text = (MOLTEMPLATE / "oplsaa2024.lt").read_text(encoding="utf-8")
    epsilon, sigma = re.search(rf"pair_coeff @atom:41\d_b{kind}\S+ \S+ (\S+) (\S+)", text).groups()
    _, found = table(f"{kind}+2 (Åqvist)")
    assert (found.sigma[0], found.epsilon[0]) == (float(sigma), float(epsilon))


@pytest.mark.parametrize("ion", IN_WATER, ids=lambda ion: ion.name)
def test_ions_in_water_are_those_of_amber_for_tip3p(ion):
    """AMBER's file gives sigma in nm and epsilon in kJ/mol, converted from the same numbers."""
    species = ion.name.split()[0]
    kind = (
        f"tip3p_standard-{species[:-2]}2+"
        if species.endswith("+2")
        else f"tip3p_standard-{species}"
    )
    (amber,) = (
        atom.attrib
        for atom in ElementTree.parse(AMBER_IONS).getroot().iter("Atom")
        if atom.get("type") == kind and "sigma" in atom.attrib
    )
    ((_, charge, sigma, epsilon),) = ion.atoms.values()
    assert sigma == pytest.approx(10 * float(amber["sigma"]), rel=1e-6)
    assert epsilon * KCAL == pytest.approx(float(amber["epsilon"]), rel=1e-6)
    assert charge == {"+": 1, "-": -1, "2": 2}[species[-1]]
    assert ion.mixing == "arithmetic"


def test_water_is_tip3p_of_1983_with_the_constants_of_charmm():
    text = (MOLTEMPLATE / "tip3p_1983.lt").read_text(encoding="utf-8")

    def numbers(pattern):
        return [float(x) for x in re.search(rf"^ *{pattern} +(\S+) +(\S+)", text, re.M).groups()]

    _, found = table("TIP3P")
    assert [found.epsilon[0], found.sigma[0]] == numbers(r"pair_coeff +@atom:O +@atom:O")
    assert found.epsilon[1] == numbers(r"pair_coeff +@atom:O +@atom:H")[0] == 0.0
    assert next(iter(found.bonds))[1] == numbers(r"bond_coeff +\S+")
    assert next(iter(found.angles))[1] == numbers(r"angle_coeff +\S+")
    assert found.charges.tolist() == [-0.834, 0.417, 0.417]


@pytest.mark.parametrize(
    ("ours", "middle"), [("??_NA_C~_??", {"C", "NA"}), ("??_NA_CM_??", {"CM", "N*"})]
)
def test_torsions_of_uracil_are_those_of_amber(ours, middle):
    """AMBER counts k (1 + cos(2 phi - 180)) for every path, OPLS V2/2 (1 - cos 2 phi)."""
    (amber,) = (
        term.attrib
        for term in ElementTree.parse(AMBER).getroot().iter("Proper")
        if {term.get("class2"), term.get("class3")} == middle and term.get("class1") == ""
    )
    assert amber["periodicity1"] == "2"
    assert float(amber["phase1"]) == pytest.approx(np.pi)
    classes = tuple(ours.replace("?", "").strip("_").split("_"))
    (values,) = (
        rule.values
        for kind, rule in _additions()
        if kind == "dihedral" and rule.fits(("XX", *classes, "XX"))
    )
    assert values == pytest.approx((0.0, 2 * float(amber["k1"]) / KCAL, 0.0, 0.0), rel=1e-3)
