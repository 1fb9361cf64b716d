"""Frames of one system, made up."""

import numpy as np
import pytest
from ase import Atoms

from gpip_plugins.report.frames import SystemFrames


@pytest.fixture
def as_system():
    """Return a function: structures of equal atoms as `SystemFrames` at 300 K."""

    def make(frames: list[Atoms]) -> SystemFrames:
        n = len(frames)
        return SystemFrames(
            "test",
            frames[0].numbers,
            frames[0].pbc,
            np.arange(n),
            np.full(n, 300.0),
            np.full(n, np.nan),
            np.zeros(n),
            np.full(n, np.nan),
            np.arange(n),
            np.array([atoms.positions for atoms in frames]),
            np.array([np.array(atoms.cell) for atoms in frames]),
        )

    return make
