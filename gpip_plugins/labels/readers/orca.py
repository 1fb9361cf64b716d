"""Read the output of ORCA: every geometry with its final energy and, if printed, its gradient.

An energy belongs to the coordinates printed last above it, and a gradient to the energy above it.
ORCA prints energies of cycles that did not converge as well and says so in the same line. Units:
coordinates in Å, energies in Hartree, gradients in Hartree/Bohr; forces are minus the gradient.
"""

import re
from collections.abc import Iterator
from typing import IO, Any

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.data import atomic_numbers
from ase.units import Bohr, Hartree

from gpip_plugins.labels.readers.reader import TextOutput, unusable

__all__ = ["OrcaOutput"]

COORDINATES, GRADIENT = "CARTESIAN COORDINATES (ANGSTROEM)", "CARTESIAN GRADIENT"
ENERGY, END = "FINAL SINGLE POINT ENERGY", "ORCA TERMINATED NORMALLY"
UNCONVERGED = "a self-consistent field that did not converge"
FAILED = ("SCF NOT CONVERGED AFTER", "This wavefunction IS NOT CONVERGED")


class OrcaOutput(TextOutput):
    """The output of a single point, an optimisation or a trajectory of ORCA."""

    name = "an output of ORCA"
    mark = b"* O   R   C   A *"

    @staticmethod
    def steps(file: IO[str], path: str) -> Iterator[Atoms]:
        """Yield all geometries, with energy (eV), forces (eV/Å), charge and spin multiplicity."""
        state: dict[str, Any] = {}
        step: dict[str, Any] = {}
        ended = False
        for line in file:
            if COORDINATES in line:
                if "energy" in step:
                    yield _frame(step, state)
                next(file, "")
                step = {"rows": _rows(file)}
            elif ENERGY in line and "rows" in step:
                step.setdefault("energy", []).append(line)
            elif GRADIENT in line and "energy" in step:
                next(file, "")
                step.setdefault("gradient", _rows(file))
            elif any(text in line for text in FAILED):
                step["failed"] = True
            elif match := re.match(r"\s*(Total Charge|Multiplicity) .*\.\.\.\.\s*(-?\d+)", line):
                state["charge" if "Charge" in match[1] else "spin_multiplicity"] = int(match[2])
            ended = ended or END in line
        if "energy" in step and (ended or "gradient" in step):
            yield _frame(step, state)
        elif not ended:
            yield unusable(UNCONVERGED if "failed" in step else "an output that breaks off")


def _rows(file: IO[str]) -> list[list[str]]:
    """Return the words of the lines up to an empty one; an empty line may stand above them."""
    rows: list[list[str]] = []
    for line in file:
        words = line.replace(":", " ").split()
        if not words and rows:
            break
        if words:
            rows.append(words)
    return rows


def _frame(step: dict[str, Any], state: dict[str, int]) -> Atoms:
    lines = step["energy"]
    if "failed" in step or any("not" in line and "onverged" in line for line in lines):
        return unusable(UNCONVERGED)
    try:
        energies = {float(line.split()[-1]) for line in lines}
        symbols = [row[0] for row in step["rows"]]
        positions = np.array([row[1:4] for row in step["rows"]], float)
        if len(energies) > 1:
            return unusable("several final energies for one structure")
        if not set(symbols) <= atomic_numbers.keys():
            return unusable("atoms that are not elements, such as ghost atoms")
        atoms = Atoms(symbols, positions, info=dict(state))
        results: dict[str, Any] = {"energy": energies.pop() * Hartree}
        if "gradient" in step:
            gradient = np.array([row[2:5] for row in step["gradient"]], float)
            results["forces"] = -gradient.reshape(len(atoms), 3) * Hartree / Bohr
    except (ValueError, IndexError):
        return unusable("numbers that cannot be read")
    atoms.calc = SinglePointCalculator(atoms, **results)
    return atoms
