"""MMFF94 in OpenMM against RDKit's implementation, and as a conservative force field."""

import numpy as np
import openmm
import pytest
from rdkit import Chem
from rdkit.Chem import rdForceFieldHelpers

from gpip_plugins.errors import InputError
from gpip_plugins.sampling.forcefield import FORCE_FIELDS, force_field
from gpip_plugins.sampling.systems.molecule import MolecularSystem
from gpip_plugins.sampling.systems.presets import MOLECULES

KCAL = 4.184

# Each brings a term or a rule that the molecules of MD17 lack.
HARDER = {
    "allene": "C=C=C",  # linear centre of type 4, no torsion around it
    "acetonitrile": "CC#N",
    "isocyanide": "CC[N+]#[C-]",  # linear centre of type 61
    "azide": "CN=[N+]=[N-]",  # linear centre of type 53
    "cyclopropane": "C1CC1",  # three-membered rings have their own angle types
    "bicyclobutane": "C1C2CC12",
    "cyclobutene": "C1=CCC1",
    "dimethylaniline": "CN(C)c1ccccc1",  # nitrogen out of plane
    "nitromethane": "C[N+](=O)[O-]",
    "zwitterion": "[NH3+]CC(=O)[O-]",
    "imidazolium": "Cn1cc[nH+]c1",  # charge shared out between two nitrogens
    "sulfonamide": "CS(=O)(=O)N",
    "phosphate": "COP(=O)(O)O",
    "chlorothiophene": "c1ccsc1Cl",
    "halomethane": "FC(Br)I",
    "siloxane": "C[SiH2]O[SiH3]",
    "water": "O",
    "nitrogen": "N#N",
}


def context(system, name="mmff94", integrator=None):
    integrator = integrator or openmm.VerletIntegrator(0.001)
    platform = openmm.Platform.getPlatformByName("Reference")
    return openmm.Context(force_field(name).create(system), integrator, platform)


def energy_and_gradient(context, positions):
    """Energy in kcal/mol and gradient in kcal/mol/Å."""
    context.setPositions(positions * 0.1)
    state = context.getState(energy=True, forces=True)
    energy = state.getPotentialEnergy()._value / KCAL
    return energy, -state.getForces(asNumpy=True)._value / (10 * KCAL)


def reference(system, variant):
    """Return RDKit's MMFF94 without any cutoff, as a function of the positions in Å."""
    mol = Chem.Mol(system.mol)
    properties = rdForceFieldHelpers.MMFFGetMoleculeProperties(mol, variant)
    field = rdForceFieldHelpers.MMFFGetMoleculeForceField(
        mol, properties, nonBondedThresh=100.0, ignoreInterfragInteractions=False
    )

    def evaluate(positions):
        flat = positions.ravel().tolist()
        energy = field.CalcEnergy(flat)  # CalcGrad is only right after CalcEnergy
        return energy, np.array(field.CalcGrad(flat)).reshape(-1, 3)

    return evaluate


@pytest.mark.parametrize("variant", ["MMFF94", "MMFF94s"])
@pytest.mark.parametrize("name", [*MOLECULES, *HARDER])
def test_energy_and_gradient_equal_rdkits_on_distorted_geometries(name, variant):
    system = MolecularSystem.from_smiles((MOLECULES | HARDER)[name], name)
    ours, theirs = context(system, variant.lower()), reference(system, variant)
    rng = np.random.default_rng(0)
    for sigma in (0.0, 0.05, 0.1, 0.2):
        positions = system.positions + rng.normal(0.0, sigma, system.positions.shape)
        energy, gradient = energy_and_gradient(ours, positions)
        energy_rdkit, gradient_rdkit = theirs(positions)
        assert energy == pytest.approx(energy_rdkit, abs=1e-6)
        assert gradient == pytest.approx(gradient_rdkit, abs=1e-6)


def test_the_two_variants_differ_where_they_should():
    aniline = MolecularSystem.from_smiles("Nc1ccccc1")
    energies = [
        energy_and_gradient(context(aniline, name), aniline.positions)[0]
        for name in ("mmff94", "mmff94s")
    ]
    assert abs(energies[0] - energies[1]) > 1e-3


@pytest.mark.parametrize("name", ["aspirin", "uracil"])
def test_forces_are_minus_the_gradient_of_the_energy(name):
    system = MolecularSystem.from_preset(name)
    rng = np.random.default_rng(1)
    positions = system.positions + rng.normal(0.0, 0.1, system.positions.shape)
    direction = rng.normal(size=positions.shape)
    direction /= np.linalg.norm(direction)
    ours, h = context(system), 1e-4
    slope = (
        energy_and_gradient(ours, positions + h * direction)[0]
        - energy_and_gradient(ours, positions - h * direction)[0]
    ) / (2 * h)
    gradient = energy_and_gradient(ours, positions)[1]
    assert (gradient * direction).sum() == pytest.approx(slope, rel=1e-5)


def test_energy_is_conserved_to_second_order_in_the_time_step():
    system = MolecularSystem.from_preset("ethanol")

    def spread(time_step):
        """Standard deviation of the total energy over 2 ps, and its drift, in kJ/mol."""
        integrator = openmm.VerletIntegrator(time_step)
        run = context(system, integrator=integrator)
        run.setPositions(system.positions * 0.1)
        openmm.LocalEnergyMinimizer.minimize(run, tolerance=1.0)
        run.setVelocitiesToTemperature(500.0, 1)
        energies = []
        for _ in range(400):
            integrator.step(round(0.005 / time_step))
            state = run.getState(energy=True)
            energies.append((state.getPotentialEnergy() + state.getKineticEnergy())._value)
        return np.std(energies), abs(np.mean(energies[200:]) - np.mean(energies[:200]))

    coarse, fine = spread(0.0005)[0], spread(0.00025)[0]
    assert coarse / fine == pytest.approx(4.0, rel=0.25)
    assert spread(0.00025)[1] < 0.05  # of some 60 kJ/mol of kinetic energy


@pytest.mark.parametrize("smiles", ["F[P-](F)(F)(F)(F)F", "[C-]#[O+]", "CB(C)C"])
def test_molecule_that_is_not_covered_is_named(smiles):
    with pytest.raises(InputError, match=r"force_field='mmff94' does not cover strange"):
        force_field("mmff94").create(MolecularSystem.from_smiles(smiles, name="strange"))


def test_unknown_force_field_is_named_with_the_choices():
    with pytest.raises(InputError, match=r"force_field='amber' is unknown; choose from mmff94,"):
        force_field("amber")


@pytest.mark.parametrize("name", FORCE_FIELDS)
def test_registered_name_is_the_stored_name(name):
    assert force_field(name).name == name
