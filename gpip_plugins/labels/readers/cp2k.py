"""Read CP2K: the output of a single point, or the trajectory of a run.

A single point prints coordinates (Å or Bohr), the total energy (Hartree), forces (Hartree/Bohr;
`FORCE_EVAL/PRINT/FORCES`) and the stress (GPa or bar, positive under compression). A run writes
`PROJECT-pos-1.xyz` (Å, with the energy in Hartree in its comments), `PROJECT-frc-1.xyz`
(Hartree/Bohr) and the cell, in `PROJECT-1.cell`,
`PROJECT-1.restart` or the output.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.data import atomic_numbers
from ase.stress import full_3x3_to_voigt_6_stress
from ase.units import Bohr, GPa, Hartree, bar

from gpip_plugins.errors import InputError
from gpip_plugins.io.text import open_text
from gpip_plugins.labels.readers.cp2k_trajectory import (
    ENERGY,
    PART,
    UNCONVERGED,
    is_output,
    trajectory,
    trajectory_files,
)
from gpip_plugins.labels.readers.reader import Reader, unusable

__all__ = ["Cp2k"]

NUMBER = re.compile(r"-?\d+\.\d+(?:[ED][-+]?\d+)?")


class Cp2k(Reader):
    """An output of CP2K, or the file of positions of a run."""

    name = "CP2K (an output, or PROJECT-pos-1.xyz beside PROJECT-frc-1.xyz)"

    @classmethod
    def fits(cls, path: str) -> bool:
        """Return whether it is an output of CP2K or a part of a trajectory of it."""
        return bool(PART.fullmatch(Path(path).name)) or is_output(path)

    def files(self, path: str) -> list[Path]:
        """Return the output, or positions, forces and cells of a run."""
        return trajectory_files(Path(path)) if PART.fullmatch(Path(path).name) else [Path(path)]

    def frames(self, path: str) -> Iterator[Atoms]:
        """Yield the frames, with energy (eV), forces (eV/Å) and stress (eV/Å^3).

        Raises:
            InputError: for an output of a run, whose positions are in other files; for a trajectory
                without its cell, or whose files do not fit together.
        """
        if PART.fullmatch(Path(path).name):
            if not any(is_output(str(file)) for file in self.files(path)):
                self.notes.append(
                    "whether the electronic cycles converged is in the output of CP2K, which does "
                    "not lie beside the trajectory"
                )
            yield from trajectory(Path(path))
            return
        with open_text(path) as file:
            yield from _single_points(file, path)


def _single_points(file: IO[str], path: str) -> Iterator[Atoms]:
    """Yield the structures of an output; there is one unless outputs were joined."""
    step: dict[str, Any] = {}
    for line in file:
        if "PROGRAM STARTED AT" in line:
            if "rows" in step:
                yield _frame(step)
            step = {}
        elif "MODULE QUICKSTEP:" in line and "ATOMIC COORDINATES" in line:
            step["scale"] = Bohr if "BOHR" in line.upper() else 1.0
            step.setdefault("rows", _table(file))
        elif match := ENERGY.search(line):
            step.setdefault("energies", []).append(float(match[1]))
        elif "ATOMIC FORCES in" in line or "FORCES| Atomic forces" in line:
            step["forces"] = _table(file)
        elif "STRESS| Analytical stress" in line or "STRESS TENSOR [" in line:
            step["stress"] = (bar if "[bar]" in line else GPa, [next(file, "") for _ in range(5)])
        elif match := re.match(r"\s*CELL\| Vector ([abc]) \[angstrom\]", line):
            step.setdefault("cell", {})[match[1]] = NUMBER.findall(line)[:3]
        elif match := re.match(r"\s*(?:CELL|POISSON)\| Periodicity\s+(\w+)", line):
            step["pbc"] = [axis in match[1] for axis in "XYZ"] if match[1] != "NONE" else False
        elif "SCF run NOT converged" in line:
            step["failed"] = True
        elif match := re.match(r"\s*DFT\| (Charge|Multiplicity)\s+(-?\d+)", line):
            key = "charge" if match[1] == "Charge" else "spin_multiplicity"
            step.setdefault("info", {})[key] = int(match[2])
        elif "PROGRAM ENDED AT" in line:
            step["ended"] = True
    if len(step.get("energies", ())) > 1 and "rows" in step and not step.get("failed"):
        raise InputError(
            f"{path} has {len(step['energies'])} energies but the positions of the first; give "
            "PROJECT-pos-1.xyz of that run, beside PROJECT-frc-1.xyz and PROJECT-1.cell."
        )
    yield _frame(step) if "rows" in step else unusable("an output of CP2K without coordinates")


def _table(file: IO[str]) -> list[list[str]]:
    """Return the words of the rows of a table, below its heading and empty lines."""
    rows: list[list[str]] = []
    for line in file:
        words = line.replace("FORCES|", " ").split()
        if words and words[0].isdigit():
            rows.append(words)
        elif rows:
            break
    return rows


def _frame(step: dict[str, Any]) -> Atoms:
    """Return one single point."""
    if step.get("failed"):
        return unusable(UNCONVERGED)
    if "energies" not in step or "ended" not in step:
        return unusable("an output of CP2K that breaks off")
    symbols = [row[2] for row in step["rows"]]
    if not set(symbols) <= atomic_numbers.keys():
        return unusable("atoms that are not elements, such as ghost atoms")
    try:
        positions = np.array([row[4:7] for row in step["rows"]], float) * step["scale"]
        cell = np.array([step["cell"][axis] for axis in "abc"], float) if "cell" in step else None
        results: dict[str, Any] = {"energy": step["energies"][-1] * Hartree}
        if "forces" in step:
            # the older table has three more columns in front, the newer one the norm behind
            rows = [row[3:6] if row[1].isdigit() else row[1:4] for row in step["forces"]]
            results["forces"] = np.array(rows, float).reshape(len(symbols), 3) * Hartree / Bohr
        if "stress" in step and cell is not None:
            size, lines = step["stress"]
            rows = [NUMBER.findall(line) for line in lines if len(NUMBER.findall(line)) == 3]
            tensor = -size * np.array(rows, float).reshape(3, 3)
            results["stress"] = full_3x3_to_voigt_6_stress(tensor)
    except (ValueError, KeyError, IndexError):
        return unusable("numbers that cannot be read")
    pbc = step.get("pbc", cell is not None)
    atoms = Atoms(symbols, positions, cell=cell if np.any(pbc) else None, pbc=pbc)
    atoms.info.update(step.get("info", {}))
    atoms.calc = SinglePointCalculator(atoms, **results)
    return atoms
