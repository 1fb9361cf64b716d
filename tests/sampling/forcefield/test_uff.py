"""UFF in OpenMM against RDKit's implementation."""

import numpy as np
import openmm
import pytest
from rdkit import Chem
from rdkit.Chem import rdForceFieldHelpers

from gpip_plugins.errors import InputError
from gpip_plugins.sampling.forcefield import FORCE_FIELDS, choose, force_field
from gpip_plugins.sampling.systems.box import Box
from gpip_plugins.sampling.systems.molecule import MolecularSystem
from gpip_plugins.sampling.systems.presets import MOLECULES

KCAL = 4.184

# Each brings a rule for torsions or inversions that the molecules of MD17 lack.
HARDER = {
    "peroxide": "COOC",  # two of group 6
    "disulfide": "CSSC",
    "hydroxylamine": "CON",
    "propene": "CC=C",
    "enol": "C=CO",
    "acrolein": "C=CC=O",
    "amide": "CC(=O)N",
    "imine": "CN=C",
    "phosphine": "CP(C)C",  # inversion about a tilted angle
    "borane": "CB(C)C",
    "sulfone": "CS(=O)(=O)C",
    "silane": "[SiH3]C",
    "acetylene": "C#C",
    "carbon_dioxide": "O=C=O",
    "oxirane": "C1CO1",
    "thiophene": "Cc1ccsc1",
}


@pytest.mark.parametrize("name", [*MOLECULES, *HARDER])
def test_energy_and_gradient_equal_rdkits_on_distorted_geometries(name):
    system = MolecularSystem.from_smiles((MOLECULES | HARDER)[name], name)
    platform = openmm.Platform.getPlatformByName("Reference")
    created = force_field("uff").create(system)
    context = openmm.Context(created, openmm.VerletIntegrator(0.001), platform)
    theirs = rdForceFieldHelpers.UFFGetMoleculeForceField(
        Chem.Mol(system.mol), vdwThresh=1000.0, ignoreInterfragInteractions=False
    )
    rng = np.random.default_rng(0)
    for sigma in (0.05, 0.2):
        positions = system.positions + rng.normal(0.0, sigma, system.positions.shape)
        context.setPositions(positions * 0.1)
        state = context.getState(energy=True, forces=True)
        flat = positions.ravel().tolist()
        energy = theirs.CalcEnergy(flat)  # CalcGrad is only right after CalcEnergy
        assert state.getPotentialEnergy()._value / KCAL == pytest.approx(energy, abs=1e-6)
        gradient = np.array(theirs.CalcGrad(flat)).reshape(-1, 3)
        ours = -state.getForces(asNumpy=True)._value / (10 * KCAL)
        assert ours == pytest.approx(gradient, abs=1e-6)


@pytest.mark.parametrize("smiles", ["C1=CC1", "F[P-](F)(F)(F)(F)F"])
def test_centres_with_rules_of_their_own_are_refused(smiles):
    with pytest.raises(InputError, match=r"force_field='uff' does not cover strange: no type for"):
        force_field("uff").create(MolecularSystem.from_smiles(smiles, name="strange"))


def test_missing_charges_are_reported():
    borane = MolecularSystem.from_smiles("CB(C)C", name="borane")
    chosen, coverage = choose(borane, "opls", fallback="uff")
    assert chosen is FORCE_FIELDS["uff"]
    assert "no charges" in coverage.sentence()
    assert "taken instead of opls" in coverage.sentence()


@pytest.mark.parametrize("name", ["mmff94", "uff"])
def test_force_fields_for_isolated_molecules_refuse_boxes(name):
    ethane = MolecularSystem.from_smiles("CC", name="ethane")
    box = Box("liquid", ((ethane, 1),), ethane.positions, np.eye(3) * 20.0)
    with pytest.raises(InputError, match=rf"'{name}' is for isolated molecules and liquid is a"):
        force_field(name).create(box)
    with pytest.raises(InputError, match=r"pairs in a periodic box"):
        choose(box, name)
