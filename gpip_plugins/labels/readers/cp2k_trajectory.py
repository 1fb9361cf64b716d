"""The files that a run of CP2K writes: positions, forces and cells, frame by frame.

The output of the run, if it lies beside them, tells which electronic cycles did not converge, and
the cell of a run in which it is constant. Its energies are those in the comments of the positions.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.data import atomic_numbers
from ase.units import Bohr, Hartree

from gpip_plugins.errors import InputError
from gpip_plugins.labels.readers.reader import head_of, unusable

__all__ = ["PART", "trajectory", "trajectory_files"]

#: Name of a file of positions, forces or velocities.
PART = re.compile(r"(.+)-(pos|frc|vel)-(\d+)\.xyz")
UNCONVERGED = "an electronic cycle that did not converge"
DIGITS = 8  # of the energy in Hartree; comments have 10
ENERGY = re.compile(r"ENERGY\| Total FORCE_EVAL.*[\])]:?\s+(-?\d\S*)")
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
    outputs = [file for file in sorted(path.parent.iterdir()) if is_output(str(file))]
    cell = next((file for file in (*cells, *outputs) if file.is_file()), None)
    if cell is None:
        raise InputError(
            f"{path} states no cell; put {cells[0].name}, {cells[1].name} or the output of that "
            "run beside it."
        )
    others = [file for file in outputs if file != cell]
    return [path, *([forces] if forces.is_file() else []), *others, cell]


def is_output(path: str) -> bool:
    """Return whether a file is an output of CP2K."""
    head = head_of(path)
    return b" CP2K| " in head or b" DBCSR| " in head


def trajectory(path: Path) -> Iterator[Atoms]:
    """Yield the frames of a run, with energy (eV) and, if written, forces (eV/Å).

    Args:
        path: `PROJECT-pos-1.xyz`.

    Raises:
        InputError: if the files have different steps or cannot be read.
    """
    positions, *files, cell = trajectory_files(path)
    cells = _cells(cell)
    others = {file: _frames(file) for file in files if PART.fullmatch(file.name)}
    failed = {e for file in (*files, cell) if is_output(str(file)) for e in _unconverged(file)}
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
        yield unusable(UNCONVERGED) if round(energy, DIGITS) in failed else atoms


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


def _unconverged(path: Path) -> Iterator[float]:
    """Yield the energies (Hartree, rounded) of the cycles that did not converge."""
    failed = False
    for line in path.read_text(errors="replace").splitlines():
        if "SCF run NOT converged" in line:
            failed = True
        elif match := ENERGY.search(line):
            if failed:
                yield round(float(match[1]), DIGITS)
            failed = False


def _cells(path: Path) -> dict[int, np.ndarray]:
    """Return the cell of every step, or of all steps (-1); zero for PERIODIC NONE."""
    text = path.read_text(errors="replace")
    try:
        if path.suffix == ".cell":
            rows = [line.split() for line in text.splitlines() if line.strip()[:1] not in ("#", "")]
            return {int(row[0]): np.array(row[2:11], float).reshape(3, 3) for row in rows}
        if is_output(str(path)):
            if "NPT" in text or "CELL_OPT" in text:
                raise InputError(
                    f"{path} has a cell that changes; put the .cell of the run beside it."
                )
            rows = dict(re.findall(r"(?m)^ *CELL\| Vector ([abc]) \[angstrom\]:?(.*?)\|", text))
            return {-1: np.array([rows[axis].split() for axis in "abc"], float)}
        section = re.search(r"&CELL\n(.*?)&END CELL", text, re.S)[1]
        if re.search(r"PERIODIC\s+NONE", section):
            return {-1: np.zeros((3, 3))}
        rows = [re.search(rf"(?m)^\s*{axis}\s+(.*)$", section)[1].split()[-3:] for axis in "ABC"]
        return {-1: np.array(rows, float)}
    except (TypeError, KeyError, ValueError, IndexError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"{path} states no cell that can be read; give it as CP2K wrote it."
        ) from None
