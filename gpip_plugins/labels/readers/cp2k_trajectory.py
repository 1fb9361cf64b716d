"""The files that a run of CP2K writes: positions, forces and cells, frame by frame."""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.data import atomic_numbers
from ase.units import Bohr, Hartree

from gpip_plugins.errors import InputError

__all__ = ["PART", "trajectory", "trajectory_files"]

#: Name of a file of positions, forces or velocities.
PART = re.compile(r"(.+)-(pos|frc|vel)-(\d+)\.xyz")
COMMENT = re.compile(r"i\s*=\s*(\d+).*?E\s*=\s*(-?\d\S*)")


def trajectory_files(path: Path) -> list[Path]:
    """Return the files of positions, forces (if there are any), and cell.

    Args:
        path: `PROJECT-pos-1.xyz`.

    Raises:
        InputError: for the file of forces or velocities alone; without a cell.
    """
    project, kind, run = PART.fullmatch(path.name).groups()
    if kind != "pos":
        raise InputError(f"{path} has no positions; give {project}-pos-{run}.xyz, beside it.")
    forces = path.with_name(f"{project}-frc-{run}.xyz")
    cells = [path.with_name(f"{project}-{run}{ending}") for ending in (".cell", ".restart")]
    cell = next((file for file in cells if file.is_file()), None)
    if cell is None:
        raise InputError(
            f"{path} states no cell; put {cells[0].name} or {cells[1].name} of that run beside it."
        )
    return [path, *([forces] if forces.is_file() else []), cell]


def trajectory(path: Path) -> Iterator[Atoms]:
    """Yield the frames of a run, with energy (eV) and, if written, forces (eV/Å).

    Args:
        path: `PROJECT-pos-1.xyz`.

    Raises:
        InputError: if the files have different steps or cannot be read.
    """
    positions, *forces, cell = trajectory_files(path)
    cells = _cells(cell)
    others = {file: _frames(file) for file in forces}
    for step, energy, symbols, rows in _frames(positions):
        vectors = cells.get(step, cells.get(-1))
        if vectors is None:
            raise InputError(f"{cell} has no cell for step {step} of {path.name}; repair it.")
        periodic = bool(vectors.any())
        atoms = Atoms(symbols, rows, cell=vectors if periodic else None, pbc=periodic)
        results = {"energy": energy * Hartree}
        for file, frames in others.items():
            found = next(frames, None)
            if found is None or found[0] != step or found[2] != symbols:
                raise InputError(
                    f"{file} does not have step {step} of {path.name}, or other atoms; CP2K has to "
                    "write both at the same steps."
                )
            results["forces"] = found[3] * Hartree / Bohr
        atoms.calc = SinglePointCalculator(atoms, **results)
        yield atoms


def _frames(path: Path) -> Iterator[tuple[int, float, list[str], np.ndarray]]:
    """Yield step, energy (Hartree), symbols and the three numbers of every atom."""
    with open(path, encoding="utf-8", errors="replace") as file:
        while first := file.readline().strip():
            match = COMMENT.search(file.readline())
            if not first.isdigit() or match is None:
                raise InputError(
                    f"{path} has a frame without `i = STEP, ..., E = ENERGY` in its comment; give "
                    "the file as CP2K wrote it."
                )
            words = [file.readline().split() for _ in range(int(first))]
            try:
                symbols = [row[0] for row in words]
                numbers = np.array([row[1:4] for row in words], float).reshape(len(words), 3)
            except (ValueError, IndexError):
                raise InputError(
                    f"{path} breaks off in step {match[1]}; remove that step."
                ) from None
            if not set(symbols) <= atomic_numbers.keys():
                raise InputError(
                    f"{path} has kinds that are not elements in step {match[1]}; write elements."
                )
            yield int(match[1]), float(match[2]), symbols, numbers


def _cells(path: Path) -> dict[int, np.ndarray]:
    """Return the cell of every step, or of all steps (-1); zero for PERIODIC NONE."""
    text = path.read_text(errors="replace")
    try:
        if path.suffix == ".cell":
            rows = [line.split() for line in text.splitlines() if line.strip()[:1] not in ("#", "")]
            return {int(row[0]): np.array(row[2:11], float).reshape(3, 3) for row in rows}
        section = re.search(r"&CELL\n(.*?)&END CELL", text, re.S)[1]
        if re.search(r"PERIODIC\s+NONE", section):
            return {-1: np.zeros((3, 3))}
        rows = [re.search(rf"(?m)^\s*{axis}\s+(.*)$", section)[1].split()[-3:] for axis in "ABC"]
        return {-1: np.array(rows, float)}
    except (TypeError, ValueError, IndexError):
        raise InputError(
            f"{path} states no cell that can be read; give it as CP2K wrote it."
        ) from None
