"""The ionic steps in an `OUTCAR` of VASP.

An ab initio step consists of the electronic iterations, the line that says how their loop ended,
stress, cell, positions with forces, and the energies; parts of it are printed more than once, and
the last one before the energies counts. On-the-fly machine learning prints its own blocks between
them, marked by `ML`. The energy is the free energy TOTEN, to which the forces belong (see
`vasp_xml`).
"""

import re
from collections.abc import Iterator
from typing import IO, Any

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.data import atomic_numbers

from gpip_plugins.errors import InputError
from gpip_plugins.labels.readers.reader import unusable
from gpip_plugins.labels.readers.vasp_xml import KBAR, SIGMA0, UNCONVERGED, UNREADABLE

__all__ = ["steps_of_outcar"]

#: Lines of an OUTCAR (in VASP's spelling).
FORCES, END = "TOTAL-FORCE (eV/Angst)", "FREE ENERGIE OF THE ION-ELECTRON SYSTEM"
NOT_PRINTED = "no forces in the OUTCAR (NWRITE=0); give the vasprun.xml"
ITERATION = re.compile(r"Iteration\s*\S*?\(\s*(\d+)\)")


def steps_of_outcar(file: IO[str], where: str) -> Iterator[Atoms | None]:
    """Yield the ionic steps of an OUTCAR.

    Args:
        file: opened text; it is read once and not held in memory.
        where: its name, for messages.

    Yields:
        As `gpip_plugins.labels.readers.vasp_xml.steps_of_xml`; also `magmom` of spin-polarised
        runs.

    Raises:
        InputError: if the elements are not stated.
    """
    run = _Header()
    step: dict[str, Any] = {}
    found = False
    for line in file:
        if match := ITERATION.search(line):
            step["iteration"] = int(match[1])
        elif "aborting loop" in line:
            step["converged"] = "EDIFF is reached" in line
        elif "ML TOTEN" in line:
            found = True
            # What stands above it belongs to the force field, except the electronic cycle.
            step = {key: step[key] for key in ("iteration", "converged") if key in step}
            yield None
        elif " ML " in line or "(ML)" in line:
            continue
        elif line.lstrip().startswith("in kB"):
            step["stress"] = _words(line)[2:8]
        elif "direct lattice vectors" in line:
            step["cell"] = [_words(next(file, ""))[:3] for _ in range(3)]
        elif "number of electron" in line and "magnetization" in line:
            step["magmom"] = line.partition("magnetization")[2].split()
        elif FORCES in line:
            next(file, "")
            # With a dispersion correction, forces without it stand behind these columns.
            step["rows"] = [_words(next(file, ""))[:6] for _ in run.symbols(where)]
        elif END in line:
            step |= _energies(file)
            if "sigma0" not in step:
                break
            found = True
            yield _frame(step, run, where)
            step = {}
        elif not found:
            run.read(line)
    if "iteration" in step:
        yield unusable("an OUTCAR that breaks off")
    elif not found:
        yield unusable("an OUTCAR without a result")


class _Header:
    """What stands above the first step."""

    def __init__(self):
        self.names: dict[str, list[str]] = {"VRHFIN": [], "TITEL": [], "POTCAR:": []}
        self.counts: list[int] = []
        self.valences: list[float] = []
        self.numbers: dict[str, float] = {}

    def read(self, line: str) -> None:
        for key, names in self.names.items():
            if line.lstrip().startswith(key):
                names.append(_element(key, line.partition(key)[2].strip(" =\n")))
        if "ions per type =" in line:
            self.counts = [int(word) for word in line.partition("=")[2].split()]
        if match := re.search(r"POMASS.*ZVAL\s*=\s*([\d.]+)", line):
            self.valences.append(float(match[1]))
        for key in ("NELM", "NELECT", "ISPIN"):
            if match := re.match(rf"\s*{key}\s*=\s*([\d.]+)", line):
                self.numbers.setdefault(key, float(match[1]))

    def symbols(self, where: str) -> list[str]:
        """Return the element of every atom."""
        for names in self.names.values():
            if len(names) == 2 * len(self.counts):  # VASP prints the list of POTCARs twice
                names = names[: len(self.counts)]
            if names and len(names) == len(self.counts) and set(names) <= atomic_numbers.keys():
                pairs = zip(names, self.counts, strict=True)
                return [name for name, count in pairs for _ in range(count)]
        raise InputError(
            f"{where} does not state the elements of its atoms: {len(self.names['VRHFIN'])} lines "
            f"VRHFIN, {len(self.counts)} numbers of ions per type (VASP before 6.4 prints at most "
            "10); give the complete OUTCAR or the vasprun.xml."
        )

    def charge(self) -> dict[str, float]:
        """Return the charge of the cell in e, if there is one."""
        if len(self.valences) != len(self.counts) or "NELECT" not in self.numbers:
            return {}
        charge = float(np.dot(self.valences, self.counts)) - self.numbers["NELECT"]
        return {"charge": round(charge, 6)} if abs(charge) > 1e-4 else {}


def _element(key: str, text: str) -> str:
    """Return the element of `O: s2p4` (VRHFIN) or `PAW_PBE O_h 06Feb2004` (TITEL, POTCAR)."""
    words = text.replace(":", " ").split() or [""]
    bare = key == "VRHFIN" or "1/r" in text or len(words) == 1
    return re.match("[A-Za-z]*", words[0 if bare else 1])[0]


def _words(line: str) -> list[str]:
    """Return the columns of a line; numbers may touch, as in 0.123-4.567."""
    return re.sub(r"(?<=\d)-", " -", line).split()


def _value(line: str, name: str) -> str:
    """Return the word behind `NAME =`."""
    return (line.partition(name)[2].replace("=", " ").split() or [""])[0]


def _energies(file: IO[str]) -> dict[str, str]:
    """Return TOTEN and the energy without smearing, as far as they are there."""
    found = {}
    for line, _ in zip(file, range(8), strict=False):
        if "TOTEN" in line:
            found["free"] = _value(line, "TOTEN")
        elif "energy(sigma->0)" in line:
            return found | {"sigma0": _value(line, "energy(sigma->0)")}
    return found


def _frame(step: dict[str, Any], run: _Header, where: str) -> Atoms | None:
    """Return one ionic step; None if no electronic cycle led to it."""
    if "iteration" not in step:
        return None
    used_up = step["iteration"] >= run.numbers.get("NELM", np.inf)
    if used_up or not step.get("converged"):  # VASP 5 calls every end of the cycle converged
        return unusable(UNCONVERGED)
    try:
        symbols = run.symbols(where)
        rows = np.array(step["rows"], float).reshape(len(symbols), 6)
        cell = np.array(step["cell"], float).reshape(3, 3)
        free, sigma0 = float(step["free"]), float(step["sigma0"])
        results = {"energy": free, "forces": rows[:, 3:]}
        if "stress" in step:
            xx, yy, zz, xy, yz, zx = (-KBAR * float(word) for word in step["stress"])
            results["stress"] = np.array([xx, yy, zz, yz, zx, xy])
    except KeyError as missing:
        return unusable(NOT_PRINTED if missing.args[0] == "rows" else "an OUTCAR that breaks off")
    except (ValueError, IndexError):
        return unusable(UNREADABLE)
    if run.numbers.get("ISPIN") == 2 and len(step.get("magmom", ())) == 1:
        results["magmom"] = float(step["magmom"][0])
    info = run.charge() | {SIGMA0: sigma0}
    atoms = Atoms(symbols, rows[:, :3], cell=cell, pbc=True, info=info)
    atoms.calc = SinglePointCalculator(atoms, **results)
    return atoms
