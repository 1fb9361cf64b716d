"""Labelled frames of ASE's effective-medium potential, which knows energies, forces and stress."""

import numpy as np
import pytest
from ase.build import bulk, molecule
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator


def labelled(atoms, *names):
    """Return a copy with labels of EMT."""
    atoms.calc = EMT()
    results = {name: atoms.calc.get_property(name, atoms) for name in names}
    copy = atoms.copy()
    copy.calc = SinglePointCalculator(copy, **results)
    return copy


@pytest.fixture(scope="session")
def copper():
    """16 strained cells of 32 copper atoms; eV, eV/Å, eV/Å^3 with tension positive."""
    rng = np.random.default_rng(0)
    frames = []
    for _ in range(16):
        atoms = bulk("Cu", cubic=True).repeat(2)
        atoms.rattle(0.04, rng=rng)
        strain = rng.normal(0, 0.02, (3, 3))
        atoms.set_cell(atoms.cell.array @ (np.eye(3) + (strain + strain.T) / 2), scale_atoms=True)
        frames.append(labelled(atoms, "energy", "forces", "stress"))
    return frames


@pytest.fixture(scope="session")
def ethanol():
    """40 displaced and turned frames of ethanol; eV, eV/Å."""
    rng = np.random.default_rng(1)
    frames = []
    for _ in range(40):
        atoms = molecule("CH3CH2OH")
        atoms.positions += rng.normal(0, 0.06, atoms.positions.shape)
        atoms.rotate(rng.uniform(0, 360), rng.normal(size=3))
        frames.append(labelled(atoms, "energy", "forces"))
    return frames


@pytest.fixture
def run_import(tmp_path, capsys):
    """Return a function that writes frames to a file and imports it by the command.

    It returns the exit code, what was printed, and the path of the database.
    """
    from ase.io import write

    from gpip_plugins.cli import main

    def run(frames, *words, name="labels.xyz"):
        write(tmp_path / name, frames)
        target = tmp_path / "labels.db"
        code = main(["import", str(tmp_path / name), str(target), *words, "--force"])
        said = capsys.readouterr()
        return code, said.err if code else said.out, str(target)

    return run
