"""Liquids with simple force fields, to test engines independently of the package's force fields."""

import math

import hydra
import numpy as np
import openmm
import pytest
from rdkit import Chem

from gpip_plugins._search_path import recipes_folder
from gpip_plugins.sampling.dynamics.periodic_engine import PeriodicEngine, fastest_platform
from gpip_plugins.sampling.settings import Dynamics
from gpip_plugins.sampling.systems.box import Box
from gpip_plugins.sampling.systems.choices import register_molecules
from gpip_plugins.sampling.systems.molecule import MolecularSystem
from gpip_plugins.sampling.words import translate

SIGMA, EPSILON = 0.3405, 0.99607  # of argon: nm, kJ/mol
SPC_FW = {"q": 0.41, "r0": 0.1012, "k": 443153.38, "t0": math.radians(113.24), "kt": 317.5656}


class IdealGas:
    """Masses, and a force without terms that makes the system periodic."""

    name = "ideal gas"

    def create(self, system, cutoff=None):
        result, nothing = _system(system), openmm.HarmonicBondForce()
        nothing.setUsesPeriodicBoundaryConditions(True)
        result.addForce(nothing)
        return result


class LennardJones:
    """Argon."""

    name = "lennard-jones"

    def create(self, system, cutoff=None):
        result = _system(system)
        force = openmm.NonbondedForce()
        force.setNonbondedMethod(openmm.NonbondedForce.CutoffPeriodic)
        force.setCutoffDistance(_cutoff(system, cutoff))
        force.setUseSwitchingFunction(True)
        force.setSwitchingDistance(0.9 * force.getCutoffDistance())
        for _ in system.numbers:
            force.addParticle(0.0, SIGMA, EPSILON)
        result.addForce(force)
        return result


class FlexibleWater:
    """SPC/Fw: Wu, Tepper, Voth, J. Chem. Phys. 124, 024503 (2006)."""

    name = "spc/fw"

    def create(self, system, cutoff=None):
        result = _system(system)
        pairs, bonds = openmm.NonbondedForce(), openmm.HarmonicBondForce()
        angles = openmm.HarmonicAngleForce()
        pairs.setNonbondedMethod(openmm.NonbondedForce.PME)
        pairs.setCutoffDistance(_cutoff(system, cutoff))
        q, r0, k, t0, kt = SPC_FW.values()
        for o in range(0, len(system.numbers), 3):
            h1, h2 = o + 1, o + 2
            pairs.addParticle(-2 * q, 0.3165492, 0.650299)
            pairs.addParticle(q, 1.0, 0.0)
            pairs.addParticle(q, 1.0, 0.0)
            for i, j in ((o, h1), (o, h2), (h1, h2)):
                pairs.addException(i, j, 0.0, 1.0, 0.0)
            bonds.addBond(o, h1, r0, k)
            bonds.addBond(o, h2, r0, k)
            angles.addAngle(h1, o, h2, t0, kt)
        for force in (pairs, bonds, angles):
            result.addForce(force)
        return result


def _system(system):
    result = openmm.System()
    for mass in system.masses:
        result.addParticle(float(mass))
    result.setDefaultPeriodicBoxVectors(*(openmm.Vec3(*row) for row in 0.1 * system.cell))
    return result


def _cutoff(system, cutoff):
    """Cutoff in nm: 10 Å or 95 % of half the cell, as the force fields of the package choose it."""
    return 0.1 * (cutoff or min(10.0, 0.95 * 0.5 * float(np.diag(system.cell).min())))


def argon_box(n_edge, reduced_density):
    """Return n_edge^3 argon atoms on a simple cubic lattice."""
    mol = Chem.AddHs(Chem.MolFromSmiles("[Ar]"))
    argon = MolecularSystem("argon", mol, np.zeros((1, 3)), "[Ar]")
    spacing = 10 * SIGMA / reduced_density ** (1 / 3)
    points = spacing * np.stack(np.meshgrid(*[np.arange(n_edge)] * 3), axis=-1).reshape(-1, 3)
    return Box("argon", ((argon, n_edge**3),), points + 0.1, np.eye(3) * spacing * n_edge)


@pytest.fixture(scope="session")
def lennard_jones():
    return LennardJones()


@pytest.fixture(scope="session")
def ideal_gas():
    return IdealGas()


@pytest.fixture(scope="session")
def flexible_water():
    return FlexibleWater()


@pytest.fixture(scope="session")
def argon():
    return argon_box


@pytest.fixture(autouse=True)
def cuda_of_openmm(request):
    """Skip the tests marked `gpu` where OpenMM has no CUDA platform."""
    if request.node.get_closest_marker("gpu") and fastest_platform() != "CUDA":
        pytest.skip("needs OpenMM's CUDA platform")


@pytest.fixture
def on_platform():
    """Return a function that gives energy (eV) and forces of a packed box."""

    def run(box, force_field, name):
        engine = PeriodicEngine(box, force_field, Dynamics(platform=name))
        context = engine.context(openmm.VerletIntegrator(0.001))
        context.setPositions(0.1 * box.positions)
        return engine._frame(context)[1:3]

    return run


@pytest.fixture
def compose():
    """Return a function that composes the configuration of `gpip sample WORDS`."""

    def run(*words):
        register_molecules()
        folder = recipes_folder()
        overrides = [*translate(words), f"hydra.searchpath=[file://{folder / 'train'}]"]
        with hydra.initialize_config_dir(str(folder / "sample"), version_base="1.3"):
            return hydra.compose("config", overrides=overrides)

    return run
