"""Dynamics of boxes: temperature, energy of a known liquid, whole molecules, repetition."""

import numpy as np
import openmm
import pytest
from ase import units

from gpip_plugins.analysis.error_bars import standard_error
from gpip_plugins.errors import InputError
from gpip_plugins.sampling.dynamics.engine import Explosion, LangevinEngine
from gpip_plugins.sampling.dynamics.periodic_engine import PeriodicEngine, engine_for
from gpip_plugins.sampling.forcefield import force_field
from gpip_plugins.sampling.settings import Dynamics
from gpip_plugins.sampling.systems.molecule import MolecularSystem
from gpip_plugins.sampling.systems.packing import components_from, pack

ARGON_EPSILON = 0.99607 * units.kJ / units.mol  # eV
REFERENCE = Dynamics(platform="Reference")


@pytest.fixture(scope="module")
def water_box():
    return pack("water", components_from({"water": 20}), seed=1, density=0.9)


def short(engine, seed=1, temperature=300.0, n_frames=3):
    return engine.run(temperature, n_frames, interval=0.01, equilibration=0.02, seed=seed)


@pytest.mark.slow
def test_liquid_argon_has_the_temperature_and_the_energy_of_the_lennard_jones_fluid(
    argon, lennard_jones
):
    """Reference: NIST Standard Reference Simulation Website, T* = 0.85, rho* = 0.776."""
    box = argon(5, 0.776)
    temperature = 0.85 * ARGON_EPSILON / units.kB
    engine = PeriodicEngine(box, lennard_jones, Dynamics(time_step=5.0))
    frames = engine.run(temperature, 1500, interval=0.1, equilibration=20.0, seed=3)
    kinetic = frames.kinetic_temperature
    assert abs(kinetic.mean() - temperature) < 3 * standard_error(kinetic)[0]
    assert kinetic.var() / temperature**2 == pytest.approx(2 / (3 * 125), rel=0.15)
    energy = frames.energy / 125 / ARGON_EPSILON
    # 125 atoms and a cutoff of 2.6 sigma: 1 % beside the statistical error
    assert energy.mean() == pytest.approx(-5.5121, rel=0.01)


@pytest.mark.slow
def test_tip3p_water_has_its_first_neighbours_at_2_75_angstrom():
    """Peak of the O-O distribution: Jorgensen et al., J. Chem. Phys. 79, 926 (1983)."""
    box = pack("water", components_from({"water": 64}), seed=1, cell=12.445)
    engine = PeriodicEngine(box, force_field("tip3p"), Dynamics(friction=10.0))
    frames = engine.run(300.0, 60, interval=0.1, equilibration=4.0, seed=1)
    edges = np.arange(2.3, 3.5, 0.1)
    count = np.zeros(len(edges) - 1)
    for oxygens in frames.positions[:, ::3]:
        vectors = oxygens[:, None] - oxygens[None]
        vectors -= 12.445 * np.round(vectors / 12.445)
        count += np.histogram(np.linalg.norm(vectors, axis=-1), edges)[0]
    g = count / np.diff(edges**3)
    centres = 0.5 * (edges[1:] + edges[:-1])
    top = slice(g.argmax() - 1, g.argmax() + 2)  # a parabola through the three highest bins
    a, b, _ = np.polyfit(centres[top], g[top], 2)
    assert -b / (2 * a) == pytest.approx(2.75, abs=0.05)


def test_stored_forces_are_the_slope_of_the_stored_energy(water_box, flexible_water):
    engine = PeriodicEngine(water_box, flexible_water, REFERENCE)
    frames = short(engine, n_frames=1)
    h, energies = 1e-3, []
    for shift in (-h, h):
        context = engine.context(openmm.VerletIntegrator(0.001))
        positions = frames.positions[0].copy()
        positions[3, 1] += shift
        context.setPositions(0.1 * positions)
        energies.append(engine._frame(context)[1])
    assert -(energies[1] - energies[0]) / (2 * h) == pytest.approx(frames.forces[0, 3, 1], abs=1e-3)


def test_molecules_stay_whole_and_the_centre_of_mass_stays(water_box, flexible_water):
    engine = PeriodicEngine(water_box, flexible_water, Dynamics(friction=50.0))
    frames = engine.run(1000.0, 5, interval=0.4, equilibration=0.0, seed=2)
    for positions in frames.positions:
        lengths = engine.bond_lengths(positions)
        assert 0.8 < lengths.min() < lengths.max() < 1.3
        centre = (engine.weights * positions).sum(axis=0)
        assert centre == pytest.approx((engine.weights * water_box.positions).sum(axis=0))
    assert (frames.cell == water_box.cell).all()


@pytest.mark.parametrize("platform", ["Reference", "CPU"])
def test_frames_repeat_with_the_seed(water_box, flexible_water, platform):
    engine = PeriodicEngine(water_box, flexible_water, Dynamics(platform=platform))
    first, again, other = short(engine), short(engine), short(engine, seed=2)
    for name in ("positions", "energy", "forces", "kinetic_temperature"):
        assert (getattr(first, name) == getattr(again, name)).all()
        assert (getattr(first, name) != getattr(other, name)).any()


@pytest.mark.parametrize("name", ["CPU", pytest.param("CUDA", marks=pytest.mark.gpu)])
def test_platforms_agree(water_box, flexible_water, on_platform, name):
    energy, forces = on_platform(water_box, flexible_water, "Reference")
    energy_there, forces_there = on_platform(water_box, flexible_water, name)
    assert energy == pytest.approx(energy_there, abs=1e-3)
    assert forces == pytest.approx(forces_there, abs=5e-3)


def test_explosion_of_a_box_is_named(water_box, flexible_water):
    engine = PeriodicEngine(water_box, flexible_water, Dynamics(time_step=5.0))
    with pytest.raises(Explosion, match=r"water at 1000 K exploded with time_step=5.0 fs"):
        engine.run(1000.0, 5, interval=1.0, equilibration=0.0, seed=1)


def test_a_box_may_heat_up_but_not_to_three_times_the_temperature(water_box, flexible_water):
    """Such a fluctuation is impossible with 180 degrees of freedom, but allowed for two atoms."""
    engine = PeriodicEngine(water_box, flexible_water, REFERENCE)
    lengths = engine.bond_lengths(water_box.positions)
    frame = [water_box.positions, 0.0, np.zeros_like(water_box.positions), 0.0]
    engine.refuse_explosion([*frame[:3], 850.0], 300.0, lengths)
    with pytest.raises(Explosion, match="heated up to 950 K"):
        engine.refuse_explosion([*frame[:3], 950.0], 300.0, lengths)


def test_the_system_decides_on_the_engine(water_box, flexible_water):
    molecule = MolecularSystem.from_preset("water")
    assert isinstance(engine_for(molecule, force_field("mmff94"), Dynamics()), LangevinEngine)
    box_engine = engine_for(water_box, flexible_water, REFERENCE)
    assert isinstance(box_engine, PeriodicEngine)
    assert box_engine.platform.getName() == "Reference"


def test_platform_that_is_missing_is_named(water_box, flexible_water):
    message = r"platform='cpu' is not available to OpenMM here; choose from Ref"
    with pytest.raises(InputError, match=message):
        PeriodicEngine(water_box, flexible_water, Dynamics(platform="cpu"))
