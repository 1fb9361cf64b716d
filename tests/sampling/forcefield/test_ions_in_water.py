"""Hydration shells of ions in water, against the published ones of these constants."""

import numpy as np
import pytest
from ase.geometry import get_distances

from gpip_plugins.sampling.dynamics.periodic_engine import PeriodicEngine
from gpip_plugins.sampling.forcefield import TIP3P
from gpip_plugins.sampling.settings import Dynamics
from gpip_plugins.sampling.systems.packing import components_from, pack

#: First peak of the radial distribution of ion and water oxygen in Å (Joung and Cheatham, J. Phys.
#: Chem. B 112, 9020 (2008), TIP3P; diffraction: 2.4 and 3.2 Å).
PEAKS = {"Na": 2.37, "Cl": 3.14}


@pytest.mark.slow
def test_first_shells_of_sodium_and_chloride_lie_where_they_were_published():
    composition = {"water": 60, "Na": 2, "Cl": 2}
    box = pack("salt", components_from(composition), seed=1, cell=12.4)
    engine = PeriodicEngine(box, TIP3P(), Dynamics(platform="CPU", threads=1))
    frames = engine.run(350.0, n_frames=150, interval=0.1, equilibration=3.0, seed=1)
    oxygen = np.flatnonzero(box.numbers == 8)
    for number, name in ((11, "Na"), (17, "Cl")):
        ions = np.flatnonzero(box.numbers == number)
        distances = np.concatenate(
            [
                get_distances(p[ions], p[oxygen], cell=box.cell, pbc=True)[1].ravel()
                for p in frames.positions
            ]
        )
        counts, edges = np.histogram(distances, np.arange(1.8, 4.0, 0.05))
        middles = 0.5 * (edges[1:] + edges[:-1])
        density = np.convolve(counts / middles**2, np.ones(3) / 3, "same")
        assert middles[density.argmax()] == pytest.approx(PEAKS[name], abs=0.1), name
