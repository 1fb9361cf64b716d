"""Langevin dynamics against results of statistical mechanics."""

import numpy as np
import openmm
import pytest
from ase import units
from rdkit.Chem import rdForceFieldHelpers

from gpip_plugins.errors import InputError
from gpip_plugins.sampling.dynamics.engine import LangevinEngine
from gpip_plugins.sampling.forcefield import force_field
from gpip_plugins.sampling.settings import Dynamics
from gpip_plugins.sampling.systems.molecule import MolecularSystem

MMFF94 = force_field("mmff94")


def engine(smiles, friction=10.0, **settings):
    dynamics = Dynamics(friction=friction, **settings)
    return LangevinEngine(MolecularSystem.from_smiles(smiles), MMFF94, dynamics)


def standard_error(values):
    """Standard error of the mean from blocks longer than the correlation time."""
    blocks = np.array_split(values, 40)
    return np.std([block.mean() for block in blocks], ddof=1) / np.sqrt(len(blocks))


def short(engine, temperature=300.0, seed=1, n_frames=3):
    return engine.run(temperature, n_frames, interval=0.02, equilibration=0.05, seed=seed)


@pytest.mark.parametrize("temperature", [300.0, 1000.0])
def test_all_degrees_of_freedom_reach_the_temperature(temperature):
    frames = engine("O").run(temperature, 2000, interval=0.1, equilibration=1.0, seed=5)
    measured = frames.kinetic_temperature
    assert abs(measured.mean() - temperature) < 3 * standard_error(measured)
    # nine degrees of freedom spread as chi^2 with nine, not with the six of a fixed centre of mass
    assert measured.var() / measured.mean() ** 2 == pytest.approx(2 / 9, rel=0.12)


def test_bond_of_a_diatomic_follows_boltzmann():
    """p(r) ~ r^2 exp(-U(r)/kT) of an anharmonic bond, integrated numerically."""
    nitrogen = engine("N#N")
    temperature, kT = 1000.0, 1000.0 * units.kB
    frames = nitrogen.run(temperature, 4000, interval=0.1, equilibration=2.0, seed=7)
    lengths = np.linalg.norm(frames.positions[:, 0] - frames.positions[:, 1], axis=1)

    r0 = np.linalg.norm(np.diff(nitrogen.minimum(), axis=0))
    r = np.linspace(r0 - 0.3, r0 + 0.3, 4001)
    stiffness = _stretch_constant(nitrogen.system)  # eV/Å^2
    d = r - r0
    potential = 0.5 * stiffness * d**2 * (1 - 2 * d + 7 / 12 * 4 * d**2)
    weight = r**2 * np.exp(-potential / kT)
    weight /= weight.sum()

    for sampled, exact in (
        (lengths, (weight * r).sum()),
        ((lengths - r0) ** 2, (weight * d**2).sum()),
        (frames.energy, (weight * potential).sum()),
    ):
        assert abs(sampled.mean() - exact) < 3 * standard_error(sampled)
    # and the thermal elongation of the bond is really resolved
    assert lengths.mean() - r0 > 5 * standard_error(lengths)


def _stretch_constant(system):
    properties = rdForceFieldHelpers.MMFFGetMoleculeProperties(system.mol)
    _, k, _ = properties.GetMMFFBondStretchParams(system.mol, 0, 1)
    return 143.9325 * k * units.kcal / units.mol


def test_every_vibration_of_a_cold_molecule_holds_half_kT():
    water = engine("O")
    temperature = 30.0
    frames = water.run(temperature, 3000, interval=0.1, equilibration=2.0, seed=2)
    # the minimum of the potential energy is its value in the limit of no temperature
    frozen = water.run(0.01, 20, interval=0.1, equilibration=2.0, seed=2)
    excess = frames.energy - frozen.energy.mean()
    assert abs(excess.mean() - 1.5 * units.kB * temperature) < 3 * standard_error(excess)


def test_centre_of_mass_is_at_the_origin_and_forces_add_up_to_zero():
    ethanol = engine("CCO")
    frames = short(ethanol, n_frames=5)
    masses = ethanol.system.masses[None, :, None]
    assert abs((masses * frames.positions).sum(axis=1)).max() < 1e-9
    assert abs(frames.forces.sum(axis=1)).max() < 1e-9
    assert frames.positions.shape == frames.forces.shape == (5, 9, 3)
    assert not frames.cell.any()


def test_stored_energy_and_forces_belong_to_the_stored_positions():
    ethanol = engine("CCO")
    frames = short(ethanol)
    h = 1e-4
    shifted = frames.positions[0].copy()
    shifted[2, 1] += h
    energies = []
    for positions in (frames.positions[0], shifted):
        probe = ethanol.context(openmm.VerletIntegrator(0.001))
        probe.setPositions(positions * 0.1)
        energies.append(ethanol._frame(probe)[1])
    assert energies[0] == pytest.approx(frames.energy[0], abs=1e-10)
    force = 0.5 * (frames.forces[0][2, 1] + ethanol._frame(probe)[2][2, 1])
    assert (energies[0] - energies[1]) / h == pytest.approx(force, abs=1e-4)


def test_frames_repeat_with_the_seed_whatever_ran_before():
    ethanol, water = engine("CCO"), engine("O")
    first = short(ethanol)
    short(water, seed=9)
    again = short(ethanol)
    other = short(ethanol, seed=2)
    for name in ("positions", "energy", "forces", "kinetic_temperature"):
        assert (getattr(first, name) == getattr(again, name)).all()
        assert (getattr(first, name) != getattr(other, name)).any()


@pytest.mark.parametrize("time_step", [4.0, 20.0])
def test_explosion_is_named_with_molecule_temperature_and_remedy(time_step):
    dynamics = Dynamics(time_step=time_step, friction=0.1)
    molecule = LangevinEngine(MolecularSystem.from_preset("ethanol"), MMFF94, dynamics)
    with pytest.raises(InputError, match=r"ethanol at 1000 K exploded .* smaller time_step"):
        molecule.run(1000.0, 50, interval=1.0, equilibration=0.0, seed=1)


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("nan", "not finite"),
        ("hot", "heated up to 5001 K"),
        ("broken", "bond 0-1 is 3.0 times longer"),
    ],
)
def test_every_sign_of_an_explosion_counts(what, message):
    molecule = engine("N#N")
    positions = molecule.minimum()
    lengths = molecule.bond_lengths(positions)
    energy, forces, temperature = 0.0, np.zeros((2, 3)), 300.0
    if what == "nan":
        forces[0, 0] = np.nan
    elif what == "hot":
        temperature = 5001.0
    else:
        positions = 3.0 * positions
    with pytest.raises(InputError, match=message):
        molecule.refuse_explosion((positions, energy, forces, temperature), 500.0, lengths)


def test_a_single_atom_stays_at_the_origin_and_has_the_temperature():
    ion = MolecularSystem.from_smiles("[Li+]")
    lithium = LangevinEngine(ion, force_field("opls"), Dynamics())
    frames = lithium.run(300.0, n_frames=400, interval=1.0, equilibration=1.0, seed=1)
    assert not frames.positions.any() and not frames.forces.any() and not frames.energy.any()
    # Three degrees of freedom: the standard error of the mean is (2/3/400)^(1/2), 4 %.
    assert frames.kinetic_temperature.mean() == pytest.approx(300.0, rel=0.16)


@pytest.mark.parametrize("smiles", ["C#C", "N#N"])
def test_linear_molecules_have_the_temperature(smiles):
    frames = engine(smiles).run(300.0, 300, interval=0.5, equilibration=1.0, seed=1)
    assert frames.kinetic_temperature.mean() == pytest.approx(300.0, rel=0.12)


def test_interval_that_is_no_multiple_of_the_time_step_is_named():
    with pytest.raises(InputError, match=r"sampling_interval=0.001 ps is not a multiple of time"):
        engine("O", time_step=0.7).run(300.0, 1, interval=0.001, equilibration=0.0, seed=1)


def test_durations_in_floating_point_count_as_multiples():
    assert engine("O", time_step=0.1).n_steps("sampling_interval", 0.3) == 3000
