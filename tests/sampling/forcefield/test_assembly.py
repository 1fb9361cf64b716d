"""OpenMM systems from parameter tables against LAMMPS, and as conservative force fields."""

import json
from pathlib import Path

import numpy as np
import openmm
import pytest

from gpip_plugins.errors import InputError
from gpip_plugins.sampling.forcefield import OPLS, TIP3P, force_field
from gpip_plugins.sampling.forcefield.assembly import assemble, checked_cutoff
from gpip_plugins.sampling.forcefield.parameters import ParameterTable
from gpip_plugins.sampling.systems.molecule import MolecularSystem
from gpip_plugins.units import KCAL

# Written by reference/make_reference.py with LAMMPS of 22 July 2025.
REFERENCE = json.loads((Path(__file__).parent / "reference" / "lammps.json").read_text())
GROUPS = {
    "HarmonicBondForce": "ebond",
    "HarmonicAngleForce": "eangle",
    "NonbondedForce": "pairs",
    "CustomNonbondedForce": "pairs",
}


def evaluate(system, positions):
    """Energies by LAMMPS's names in kcal/mol and forces in kcal/mol/Å."""
    for number, force in enumerate(system.getForces()):
        force.setForceGroup(number)
    platform = openmm.Platform.getPlatformByName("Reference")
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), platform)
    context.setPositions(np.asarray(positions) * 0.1)
    energies = {}
    for number, force in enumerate(system.getForces()):
        term = GROUPS.get(force.getName(), "torsions")
        state = context.getState(energy=True, groups={number})
        energies[term] = energies.get(term, 0.0) + state.getPotentialEnergy()._value / KCAL
    forces = context.getState(forces=True).getForces(asNumpy=True)._value / (10 * KCAL)
    return energies, forces


def without_tail(system):
    """Omit the long-range correction of the Lennard-Jones terms."""
    for force in system.getForces():
        if isinstance(force, openmm.CustomNonbondedForce):
            force.setUseLongRangeCorrection(False)
        elif isinstance(force, openmm.NonbondedForce):
            force.setUseDispersionCorrection(False)


def lammps(entry):
    e = entry["energies"]
    pairs = e["evdwl"] + e["ecoul"] + e["elong"]  # evdwl holds the tail
    return e | {"pairs": pairs, "torsions": e["edihed"] + e["eimp"]}


def system_of(entry):
    return MolecularSystem.from_smiles(entry["smiles"], name="it")


def placed(entry):
    """The molecule at the positions of the reference, which also define the angles of PF6-."""
    it = system_of(entry)
    return MolecularSystem("it", it.mol, np.array(entry["positions"]), it.source)


@pytest.mark.parametrize("name", REFERENCE["table"])
def test_isolated_molecule_has_lammps_energies_and_forces(name):
    entry = REFERENCE["table"][name]
    system = placed(entry)
    energies, forces = evaluate(OPLS().create(system), system.positions)
    for term, energy in energies.items():
        assert energy == pytest.approx(lammps(entry)[term], abs=2e-5), term
    assert forces == pytest.approx(np.array(entry["forces"]), abs=2e-4)


@pytest.mark.parametrize("name", REFERENCE["moltemplate"])
def test_constants_are_those_that_moltemplate_assembles(name):
    entry = REFERENCE["moltemplate"][name]
    system = placed(entry)
    tables = OPLS().table(system)
    bare = ParameterTable(**(vars(tables) | {"impropers": tables.impropers.none(4)}))
    energies, _ = evaluate(assemble([(bare, 1)], system.masses), system.positions)
    theirs = lammps(entry) | {"torsions": entry["energies"]["edihed"]}
    for term, energy in energies.items():
        assert energy == pytest.approx(theirs[term], abs=2e-5), term


@pytest.mark.parametrize("name", REFERENCE["boxes"])
def test_box_has_lammps_energies_and_forces(name):
    entry = REFERENCE["boxes"][name]
    parts = [(MolecularSystem.from_smiles(s, name="it"), n) for s, n in entry["components"]]
    field = OPLS() if name == "electrolyte" else TIP3P()
    tables, first = [], 0
    masses = np.concatenate([np.tile(part.masses, count) for part, count in parts])
    positions = np.array(entry["positions"])
    for part, count in parts:
        here = positions[first : first + len(part.masses)]
        tables.append((field.table(MolecularSystem("it", part.mol, here, "")), count))
        first += count * len(part.masses)
    system = assemble(tables, masses, entry["cell"], entry["cutoff"], switch=0.0)
    whole = evaluate(system, positions)[0]["pairs"]
    without_tail(system)
    energies, forces = evaluate(system, positions)
    theirs = lammps(entry)
    tail = entry["energies"]["etail"]
    theirs["pairs"] -= tail
    for term, energy in energies.items():
        assert energy == pytest.approx(theirs[term], rel=1e-5, abs=5e-4), term
    assert forces == pytest.approx(np.array(entry["forces"]), abs=2e-3)
    # OpenMM and LAMMPS count an atom's pair with itself differently, a part of 1/n_atoms
    assert whole - energies["pairs"] == pytest.approx(tail, rel=2.0 / len(masses))


def test_forces_are_minus_the_gradient_in_a_box_with_switching():
    rng = np.random.default_rng(0)
    ion = ParameterTable([1.0], [2.1], [0.1])
    other = ParameterTable([-1.0], [3.4], [0.3])
    positions = rng.uniform(0.0, 15.0, (8, 3))
    system = assemble([(ion, 4), (other, 4)], np.ones(8), np.eye(3) * 15.0, 7.0, switch=2.0)
    direction = rng.normal(size=positions.shape)
    h = 1e-4

    def energy(shift):
        return sum(evaluate(system, positions + shift * direction)[0].values())

    slope = (energy(h) - energy(-h)) / (2 * h)
    forces = evaluate(system, positions)[1]
    assert -(forces * direction).sum() == pytest.approx(slope, rel=1e-3)


@pytest.mark.parametrize(("mixing", "sigma"), [("geometric", 4.0), ("arithmetic", 5.0)])
@pytest.mark.parametrize("cell", [None, np.eye(3) * 60.0])
def test_minimum_of_an_unlike_pair_lies_where_the_mixing_rule_says(mixing, sigma, cell):
    # two atoms in one "molecule" without bonds: nothing is excluded
    pair = ParameterTable([0.0, 0.0], [2.0, 8.0], [0.1, 0.4], mixing=mixing)
    minimum = 2 ** (1 / 6) * sigma
    system = assemble([(pair, 1)], [1.0, 1.0], cell, None if cell is None else 25.0)
    without_tail(system)
    energies, forces = evaluate(system, [[0, 0, 0], [minimum, 0, 0]])
    assert energies["pairs"] == pytest.approx(-0.2, abs=1e-5)
    assert forces == pytest.approx(0.0, abs=1e-4)


def test_pairs_three_bonds_apart_are_counted_once_and_not_in_rings_of_four():
    butane = OPLS().table(MolecularSystem.from_smiles("CCCC"))
    assert len(butane.pairs14) == 27  # 9 for each of the three C-C bonds
    ring = OPLS().table(MolecularSystem.from_smiles("C1CCC1"))
    assert not ring.pairs14 & ring.excluded
    assert not any(i < 4 and j < 4 for i, j in ring.pairs14)


def test_only_charges_of_ions_are_scaled():
    scaled = force_field("opls_q0.8")
    ion = MolecularSystem.from_smiles("F[P-](F)(F)(F)(F)F", name="PF6")
    assert scaled.table(ion).charge == pytest.approx(-0.8)
    assert scaled.coverage(ion).sentence() == "opls_q0.8: PF6: charges scaled by 0.8"
    solvent = MolecularSystem.from_smiles("COCCOC", name="DME")
    assert scaled.table(solvent).charges == pytest.approx(OPLS().table(solvent).charges)


def test_octahedral_ion_keeps_its_twelve_right_angles():
    ion = MolecularSystem.from_smiles("F[P-](F)(F)(F)(F)F", name="PF6")
    assert len(OPLS().table(ion).angles) == 12


@pytest.mark.parametrize("cutoff", [0.0, 5.1, 60.0])
def test_cutoff_that_does_not_fit_is_refused(cutoff):
    ion = ParameterTable([1.0], [2.0], [0.1])
    with pytest.raises(InputError, match=rf"cutoff={cutoff:g} Å .* cell, 5.00 Å"):
        assemble([(ion, 1)], [1.0], np.diag([10.0, 20.0, 30.0]), cutoff)


def test_each_pair_has_the_mean_of_its_two_tables():
    """Water and its ions have arithmetic means with each other, geometric ones with OPLS-AA."""
    means = ("arithmetic", "arithmetic", "geometric")
    parts = [
        ParameterTable([0.0], [sigma], [0.1], mixing=mean)
        for sigma, mean in zip((2.0, 8.0, 4.5), means, strict=True)
    ]
    system = assemble([(part, 1) for part in parts], [1.0] * 3, np.eye(3) * 60.0, 25.0)
    without_tail(system)
    for pair, sigma in (((0, 1), 5.0), ((0, 2), 3.0), ((1, 2), 6.0)):
        places = np.full((3, 3), 29.0)  # the third atom is beyond the cutoff
        places[list(pair)] = [[0, 0, 0], [2 ** (1 / 6) * sigma, 0, 0]]
        energies, forces = evaluate(system, places)
        assert energies["pairs"] == pytest.approx(-0.1, abs=1e-5)
        assert forces == pytest.approx(0.0, abs=1e-4)


@pytest.mark.parametrize(("edge", "cutoff"), [(8.43, 4.0), (12.445, 5.91), (30.0, 10.0)])
def test_a_small_cell_shortens_the_cutoff_but_not_below_4_angstrom(edge, cutoff):
    assert checked_cutoff(np.eye(3) * edge) == pytest.approx(cutoff, abs=0.01)
    with pytest.raises(InputError, match=r"allows a cutoff of only 3.99 Å, less than 4 Å, .* 8.4"):
        checked_cutoff(np.diag([20.0, 8.4, edge]))


def test_cell_that_is_not_reduced_is_refused():
    ion = ParameterTable([1.0], [2.0], [0.1])
    with pytest.raises(InputError, match=r"reduced form"):
        assemble([(ion, 1)], [1.0], [[20, 0, 0], [15, 10, 0], [0, 0, 20]], 4.0)


def test_tip3p_refuses_other_molecules():
    with pytest.raises(InputError, match=r"'tip3p' does not cover ethanol: no type for atoms 0, 1"):
        TIP3P().create(MolecularSystem.from_smiles("CCO", name="ethanol"))
