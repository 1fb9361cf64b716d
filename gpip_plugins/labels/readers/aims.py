"""Read the output of FHI-aims: single points, relaxations and molecular dynamics.

A step is a converged cycle with `Electronic free energy` (eV), to which the forces belong, forces
(eV/Å) and an analytical stress (eV/Å^3, the sign of ASE). A relaxation prints the next structure
below a step, molecular dynamics the structure of the step itself.
"""

import re
from collections.abc import Iterator
from typing import IO, Any

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.data import atomic_numbers
from ase.stress import full_3x3_to_voigt_6_stress

from gpip_plugins.errors import InputError
from gpip_plugins.labels.readers.reader import TextOutput, unusable

__all__ = ["AimsOutput"]

FREE = re.compile(r"\| Electronic free energy +: +(\S+) eV\s*$")
CORRECTED = re.compile(r"\| Total energy corrected +: +(\S+) eV")
SPECIES = re.compile(r"\s*\|\s*\d+: Species (\S+)\s+(\S+)\s+(\S+)\s+(\S+)\s*$")


class AimsOutput(TextOutput):
    """The output of FHI-aims."""

    name = "an output of FHI-aims"
    mark = b"Invoking FHI-aims"

    @staticmethod
    def steps(file: IO[str], path: str) -> Iterator[Atoms]:
        """Yield the steps; the energy corrected to zero smearing is `energy_sigma0` in `info`.

        Raises:
            InputError: for a numerical stress, whose cycles are not steps.
        """
        structure: dict[str, Any] = {"cell": [], "atoms": []}
        step: dict[str, Any] = {}
        ended = found = False
        for line in file:
            if "Input geometry:" in line:
                structure = {"cell": [], "atoms": []}
            elif "| Unit cell:" in line:
                structure["cell"] = [next(file, "").strip(" |\n").split()[:3] for _ in range(3)]
            elif match := SPECIES.match(line):
                structure["atoms"].append(match.groups())
            elif "as used in the preceding time step" in line:
                structure = _structure(file, len(structure["atoms"]), structure["cell"])
                if "free" in step:
                    yield _frame(step, structure)
                    step, found = {}, True
            elif "Updated atomic structure:" in line:
                if "free" in step:
                    yield _frame(step, structure)
                    step, found = {}, True
                structure = _structure(file, len(structure["atoms"]), structure["cell"])
            elif "umerical stress" in line and "Calculation of" in line:
                raise InputError(
                    f"{path} has a numerical stress, for which other structures are calculated in "
                    "between; use `compute_analytical_stress .true.` or no stress."
                )
            else:
                _read(line, file, step, len(structure["atoms"]))
            ended = ended or "Have a nice day." in line
        if "free" in step:
            yield _frame(step, structure)
            found = True
        if not ended or not found:
            yield unusable("an output that breaks off")


def _structure(file: IO[str], n_atoms: int, cell: list) -> dict[str, Any]:
    """Return the structure in a block of lattice_vector and atom; velocities are left out."""
    vectors, atoms = [], []
    for line in file:
        words = line.split()
        if words[:1] == ["lattice_vector"]:
            vectors.append(words[1:4])
        elif words[:1] == ["atom"]:
            atoms.append((words[4], *words[1:4]))
        if len(atoms) == n_atoms:
            break
    return {"cell": vectors or cell, "atoms": atoms}


def _read(line: str, file: IO[str], step: dict[str, Any], n_atoms: int) -> None:
    """Take from a line what belongs to a step; the last cycle of a step counts."""
    if "Self-consistency cycle converged." in line:
        step["converged"] = True
    elif "cycle not yet converged" in line or "CYCLE DID NOT CONVERGE" in line:
        step["converged"] = False
    elif match := FREE.search(line):
        step["free"] = match[1]
    elif match := CORRECTED.search(line):
        step["corrected"] = match[1]
    elif "Total atomic forces" in line and "[eV/Ang]" in line:
        step["forces"] = [next(file, "").split()[2:5] for _ in range(n_atoms)]
    elif "Analytical stress tensor - Symmetrized" in line:
        rows = [next(file, "").strip(" |\n").split() for _ in range(7)]
        step["stress"] = [row[1:] for row in rows if row and row[0] in "xyz" and len(row) == 4]


def _frame(step: dict[str, Any], structure: dict[str, Any]) -> Atoms:
    if not step.get("converged"):
        return unusable("a self-consistency cycle that did not converge")
    symbols = [row[0] for row in structure["atoms"]]
    if not symbols or not set(symbols) <= atomic_numbers.keys():
        return unusable("species that are not named as elements")
    try:
        positions = np.array([row[1:] for row in structure["atoms"]], float)
        cell = np.array(structure["cell"], float) if structure["cell"] else None
        results: dict[str, Any] = {"energy": float(step["free"])}
        if "forces" in step:
            results["forces"] = np.array(step["forces"], float).reshape(len(symbols), 3)
        if cell is not None and "stress" in step:
            tensor = np.array(step["stress"], float).reshape(3, 3)
            results["stress"] = full_3x3_to_voigt_6_stress(tensor)
        info = {"energy_sigma0": float(step["corrected"])} if "corrected" in step else {}
    except (ValueError, IndexError):
        return unusable("numbers that cannot be read")
    atoms = Atoms(symbols, positions, cell=cell, pbc=cell is not None, info=info)
    atoms.calc = SinglePointCalculator(atoms, **results)
    return atoms
