"""The estimated time: measured steps, interpolated steps, and the limits of the wall time."""

from types import SimpleNamespace

import numpy as np
import pytest

from gpip_plugins.sampling.campaign import estimate as module
from gpip_plugins.sampling.campaign.estimate import estimate, seconds_per_step
from gpip_plugins.sampling.dynamics.engine import LangevinEngine
from gpip_plugins.sampling.forcefield import force_field
from gpip_plugins.sampling.settings import Dynamics
from gpip_plugins.sampling.systems.molecule import MolecularSystem


class FakeEngine:
    def __init__(self, n_atoms):
        name = f"{n_atoms} atoms"
        self.system = SimpleNamespace(numbers=np.zeros(n_atoms), name=name)


@pytest.fixture
def probed(monkeypatch):
    """Let a step take 1 ms per atom, and record which systems are measured."""
    found = []

    def seconds_per_step(engine):
        found.append(len(engine.system.numbers))
        return 1e-3 * found[-1]

    monkeypatch.setattr(module, "seconds_per_step", seconds_per_step)
    return found


def test_three_of_many_systems_are_measured_and_the_others_interpolated(probed):
    engines = [FakeEngine(n) for n in (40, 10, 20, 15, 30)]
    found = estimate([{engine: [1000] for engine in engines}], cores=1)
    assert probed == [10, 20, 40]
    assert found.core_seconds == pytest.approx(40 + 10 + 20 + 15 + 30)
    assert found.wall_seconds == pytest.approx(found.core_seconds)


def test_no_stage_is_shorter_than_its_longest_task(probed):
    box = FakeEngine(100)
    found = estimate([{box: [1000]}, {box: [500, 500, 500]}], cores=2)
    assert found.core_seconds == pytest.approx(100 + 150)
    assert found.wall_seconds == pytest.approx(100 + 75)
    assert "about 2.9 min on 2 core(s), 250 core-seconds" in str(found)
    assert "100 ms for 100 atoms" in str(found)


def test_measuring_a_molecule_does_not_break_it():
    """Steps of a larger molecule take longer, and a clash at the start does no harm."""
    times = []
    for name in ("ethanol", "aspirin"):
        system = MolecularSystem.from_preset(name)
        system.positions[0] = system.positions[1] + 0.1
        times.append(seconds_per_step(LangevinEngine(system, force_field("mmff94"), Dynamics())))
    assert 0 < times[0] < times[1] < 1
