"""Boxes at constant pressure against ideal gas and Lennard-Jones liquid; annealing."""

import numpy as np
import pytest
from ase import units

from gpip_plugins.errors import InputError
from gpip_plugins.sampling.dynamics import equilibration
from gpip_plugins.sampling.dynamics.engine import Explosion
from gpip_plugins.sampling.dynamics.equilibration import n_chunks, prepare
from gpip_plugins.sampling.settings import Dynamics, Preparation
from gpip_plugins.sampling.systems.packing import components_from, pack

ATM = 101325 * units.Pascal
COARSE = Dynamics(time_step=20.0, platform="Reference")


@pytest.fixture(scope="module")
def water_box():
    return pack("water", components_from({"water": 20}), seed=1)


@pytest.mark.slow
def test_ideal_gas_has_the_density_of_the_gas_law(argon, ideal_gas):
    """At constant N, p, T the mean of the density is m p / (k T) exactly, for any N.

    (With few dozens of atoms the volume fluctuates so much that OpenMM's adaptive trial steps, at
    most 0.3 of the present volume, would bias it by some per cent.)
    """
    pressure, temperature = 1000.0, 300.0
    preparation = Preparation(npt=4000, annealing=0, temperature=temperature, pressure=pressure)
    found = prepare(
        argon(6, 0.7), ideal_gas, preparation, Dynamics(time_step=20.0, platform="Reference"), 1
    )
    grams = found.box.masses[0] / units._Nav
    exact = grams * pressure * ATM / (units.kB * temperature) * 1e24
    assert abs(found.density - exact) < 3 * found.density_error
    assert found.density_error < 0.02 * exact
    assert found.box.density == pytest.approx(found.density)


@pytest.mark.slow
def test_argon_shrinks_to_the_density_of_the_lennard_jones_liquid(argon, lennard_jones):
    """NIST: p* = 0.00677 at T* = 0.85, rho* = 0.776; the cell loses more than the cutoff allows."""
    epsilon, sigma = 0.99607 * units.kJ / units.mol, 3.405
    preparation = Preparation(
        npt=400,
        annealing=0,
        temperature=0.85 * epsilon / units.kB,
        pressure=0.00677 * epsilon / sigma**3 / ATM,
    )
    start = argon(6, 0.45)
    found = prepare(start, lennard_jones, preparation, Dynamics(time_step=5.0), 1)
    liquid = 0.776 / 0.45 * start.density
    assert found.density == pytest.approx(liquid, rel=0.015)
    assert abs(found.density_drift) < 0.02 * liquid


def test_given_cell_is_kept_and_annealed(water_box, flexible_water):
    preparation = Preparation(npt=0, annealing=1)
    found = prepare(water_box, flexible_water, preparation, Dynamics(), 1)
    assert (found.box.cell == water_box.cell).all()
    assert found.density == water_box.density
    assert found.density_error is None
    moved = np.linalg.norm(found.box.positions - water_box.positions, axis=1)
    assert moved.max() > 0.5


def test_annealing_cools_linearly_from_start_to_end(water_box, flexible_water, monkeypatch):
    set_points = []
    original = equilibration.PeriodicEngine.checked_frame

    def look(self, context, temperature, lengths):
        set_points.append(context.getIntegrator().getTemperature()._value)
        return original(self, context, temperature, lengths)

    monkeypatch.setattr(equilibration.PeriodicEngine, "checked_frame", look)
    preparation = Preparation(npt=0, annealing=2.5, annealing_start=900, annealing_end=100)
    prepare(water_box, flexible_water, preparation, Dynamics(), 1)
    assert set_points == pytest.approx([900, 700, 500, 300, 100])


def test_preparation_repeats_with_the_seed_and_reports_its_chunks(argon, lennard_jones):
    preparation = Preparation(npt=3, annealing=2, temperature=90, annealing_start=150)
    chunks = []

    def positions(seed):
        found = prepare(
            argon(3, 0.7),
            lennard_jones,
            preparation,
            Dynamics(platform="Reference"),
            seed,
            on_chunk=lambda: chunks.append(seed),
        )
        return found.box.positions

    first, again, other = positions(1), positions(1), positions(2)
    assert (first == again).all()
    assert (first != other).any()
    assert len(chunks) == 3 * n_chunks(preparation)


def test_liquid_that_evaporates_is_named(argon, ideal_gas):
    preparation = Preparation(npt=2000, annealing=0, pressure=1.0)
    with pytest.raises(InputError, match=r"argon evaporates at temperature=300 K and pressure=1 "):
        prepare(
            argon(3, 0.7), ideal_gas, preparation, Dynamics(time_step=20.0, platform="Reference"), 1
        )


def test_duration_that_is_no_multiple_of_the_time_step_is_named(water_box, flexible_water):
    preparation = Preparation(npt=0, annealing=1.0)
    with pytest.raises(InputError, match=r"annealing=1.0 ps is not a multiple of time_step=0.7"):
        prepare(water_box, flexible_water, preparation, Dynamics(time_step=0.7), 1)


@pytest.mark.parametrize("stage", ["npt", "annealing"])
def test_explosion_during_preparation_is_named(water_box, flexible_water, stage):
    preparation = Preparation(**{"npt": 0, "annealing": 0} | {stage: 6})
    with pytest.raises(Explosion, match=r"water at \d+ K exploded"):
        prepare(water_box, flexible_water, preparation, Dynamics(time_step=6.0), 1)
