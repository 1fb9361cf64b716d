"""Frames of equal atoms as the arrays that the analysis takes."""

import numpy as np
import pytest
from ase import Atoms


@pytest.fixture
def arrays():
    """Return a function: atomic numbers, positions, cells and periodic directions of frames."""

    def make(frames: list[Atoms]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        return (
            frames[0].numbers,
            np.array([atoms.positions for atoms in frames]),
            np.array([atoms.cell.array for atoms in frames]),
            frames[0].pbc,
        )

    return make
