"""The sixteen electrolytes of the paper and water as boxes."""

from itertools import product

import numpy as np
import openmm
import pytest

from gpip_plugins.sampling.forcefield import OPLS, TIP3P, choose
from gpip_plugins.sampling.systems.box import Box
from gpip_plugins.sampling.systems.molecule import MolecularSystem

IONS = {
    "Li": "[Li+]",
    "Na": "[Na+]",
    "PF6": "F[P-](F)(F)(F)(F)F",
    "TFSI": "O=S(=O)([N-]S(=O)(=O)C(F)(F)F)C(F)(F)F",
}
SOLVENTS = {
    "DME": {"DME": "COCCOC"},
    "EC_DMC": {"EC": "O=C1OCCO1", "DMC": "COC(=O)OC"},
}
SOLVENTS_PER_PAIR = {1: 8, 4: 1.5}  # at 1 M and 4 M, as in the paper


def lattice(name, counts):
    """A box with its molecules on a cubic lattice, wide enough that none touch."""
    components = tuple((MolecularSystem.from_smiles(s, n), c) for n, s, c in counts)
    molecules = [m for m, count in components for _ in range(count)]
    side = int(np.ceil(len(molecules) ** (1 / 3)))
    sites = 11.0 * np.array(list(product(range(side), repeat=3)))
    positions = [m.positions + site for m, site in zip(molecules, sites, strict=False)]
    return Box(name, components, np.concatenate(positions), np.eye(3) * 11.0 * side)


@pytest.mark.parametrize("molarity", SOLVENTS_PER_PAIR)
@pytest.mark.parametrize("solvent", SOLVENTS)
@pytest.mark.parametrize("cation", ["Li", "Na"])
@pytest.mark.parametrize("anion", ["PF6", "TFSI"])
def test_electrolyte_is_covered_and_neutral(cation, anion, solvent, molarity):
    pairs = 2
    parts = SOLVENTS[solvent]
    each = round(pairs * SOLVENTS_PER_PAIR[molarity] / len(parts)) or 1
    counts = [(ion, IONS[ion], pairs) for ion in (cation, anion)]
    box = lattice("electrolyte", counts + [(n, s, each) for n, s in parts.items()])
    field, coverage = choose(box, "opls")
    assert coverage.complete
    assert [c.residual_charge for c in coverage.components] == [0.0] * len(coverage.components)
    system = field.create(box)
    nonbonded = next(f for f in system.getForces() if isinstance(f, openmm.NonbondedForce))
    charges = [nonbonded.getParticleParameters(i)[0]._value for i in range(len(box.numbers))]
    assert sum(charges) == pytest.approx(0.0, abs=1e-9)


def test_opls_takes_tip3p_for_water():
    box = lattice("water", [("water", "O", 8)])
    energies = []
    for field in (OPLS(), TIP3P()):
        system = field.create(box, cutoff=9.0)
        platform = openmm.Platform.getPlatformByName("Reference")
        context = openmm.Context(system, openmm.VerletIntegrator(0.001), platform)
        context.setPositions(box.positions * 0.1)
        energies.append(context.getState(energy=True).getPotentialEnergy()._value)
    assert energies[0] == energies[1]


def test_dimer_of_water_binds_as_published():
    # TIP3P binds by 6.5 kcal/mol at 2.75 Å (Jorgensen et al. 1983), with rigid molecules
    water = MolecularSystem.from_smiles("O", "water")
    box = Box("dimer", ((water, 2),), _dimer(2.75), np.eye(3) * 60.0)
    far = Box("apart", ((water, 2),), _dimer(25.0), np.eye(3) * 60.0)
    found = []
    for system in (box, far):
        platform = openmm.Platform.getPlatformByName("Reference")
        created = TIP3P().create(system, cutoff=29.0)
        context = openmm.Context(created, openmm.VerletIntegrator(0.001), platform)
        context.setPositions(system.positions * 0.1)
        found.append(context.getState(energy=True).getPotentialEnergy()._value / 4.184)
    assert found[0] - found[1] == pytest.approx(-6.5, abs=0.15)


def _dimer(distance):
    """Linear hydrogen bond; the acceptor's plane is turned and tilted as at the minimum."""
    r, half = 0.9572, np.radians(104.52 / 2)
    donor = np.array([[0, 0, 0], [r, 0, 0], [r * np.cos(2 * half), r * np.sin(2 * half), 0.0]])
    tilt = np.radians(20.0)  # the bisector leaves the O-O line by this much
    bisector = np.array([np.cos(tilt), -np.sin(tilt), 0.0])
    normal = np.array([0.0, 0.0, 1.0])
    arms = [np.cos(half) * bisector + s * np.sin(half) * normal for s in (1, -1)]
    acceptor = r * np.array([np.zeros(3), *arms]) + np.array([distance, 0.0, 0.0])
    return np.concatenate([donor, acceptor])
