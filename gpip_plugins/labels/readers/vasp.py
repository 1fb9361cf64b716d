"""Read all ionic steps of VASP: of one file, of the folder of a run, or of a folder of runs.

`gpip select --format vasp` writes a folder of runs; any other one is read as well, at any depth. Of
every run `vasprun.xml` is read, else `OUTCAR`, also compressed. Steps whose electronic cycle did
not converge have meaningless energies and forces, so they have `FAULT`; steps of a machine-learned
force field are left out and counted.
"""

import io
import json
import lzma
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io.formats import open_with_compression

from gpip_plugins.errors import InputError
from gpip_plugins.labels.readers.reader import FAULT, Reader, head_of, unusable
from gpip_plugins.labels.readers.vasp_outcar import steps_of_outcar
from gpip_plugins.labels.readers.vasp_xml import SIGMA0, steps_of_xml

__all__ = ["INDEX", "Vasp"]

#: File beside the runs with the origin of every run.
INDEX = "selected.json"
#: Results of a run, the preferred one first.
PACKED = ("", ".gz", ".bz2", ".xz")
RESULTS = tuple(f"{name}{ending}" for name in ("vasprun.xml", "OUTCAR") for ending in PACKED)
INPUT = "POSCAR"


class Vasp(Reader):
    """A vasprun.xml or OUTCAR, the folder of a run, or a folder of runs.

    A molecule that `gpip select` put into a cell for VASP is isolated again, and its stress is
    omitted; the first ionic step has the origin that `selected.json` states.
    """

    name = "VASP (a vasprun.xml or OUTCAR, the folder of a run, or a folder of runs)"

    @classmethod
    def fits(cls, path: str) -> bool:
        """Return whether it is a result of VASP, or a folder with results or input of VASP."""
        return bool(_kind(Path(path)) if Path(path).is_file() else _files_of_runs(path))

    def files(self, path: str) -> list[Path]:
        """Return the result, or else the POSCAR, of every run in the order of the folders' names.

        Raises:
            InputError: when no run has a result.
        """
        if Path(path).is_file():
            return [Path(path)]
        found = _files_of_runs(path)
        if all(file.name == INPUT for file in found):
            raise InputError(
                f"{path} holds no folder with a vasprun.xml or OUTCAR; run VASP in its folders, or "
                "name a file with labelled structures."
            )
        return found

    def frames(self, path: str) -> Iterator[Atoms]:
        """Yield all ionic steps of every run, with free energy (eV), forces and stress.

        Raises:
            InputError: when a file cannot be read.
        """
        learned: dict[str, int] = {}
        largest = 0.0
        for file in self.files(path):
            origin = dict(_origin(file))
            isolated = origin.pop("isolated", False)
            for atoms in _steps(file):
                if atoms is None:
                    name = str(file.relative_to(path)) if file != Path(path) else file.name
                    learned[name] = learned.get(name, 0) + 1
                    continue
                if FAULT not in atoms.info:
                    largest = max(largest, _smearing(atoms))
                    atoms = _isolated(atoms) if isolated else atoms
                    atoms.info.update(origin)
                    origin = {}
                yield atoms
        self.notes += _notes(learned, largest)


def _files_of_runs(folder: str) -> list[Path]:
    """Return the preferred file of every folder that holds a run of VASP, at any depth."""
    runs: dict[Path, str] = {}
    order = (*RESULTS, INPUT)
    for file in Path(folder).rglob("*"):
        if file.name in order and file.is_file():
            known = runs.get(file.parent, INPUT)
            runs[file.parent] = min(known, file.name, key=order.index)
    return [run / name for run, name in sorted(runs.items())]


def _kind(file: Path) -> str:
    """Return whether a file is an `xml` or an `outcar` of VASP, or nothing."""
    head = head_of(str(file))
    name = re.sub(r"\.(gz|bz2|xz)$", "", file.name)
    if b"<modeling>" in head or re.fullmatch(r"vasprun.*\.xml", name):
        return "xml"
    # A file that breaks off at once is known by its name alone.
    outcar = head.lstrip().startswith(b"vasp.") or re.search(r"OUTCAR[^.]*$", name)
    return "outcar" if outcar else ""


def _steps(file: Path) -> Iterator[Atoms | None]:
    """Yield the ionic steps of one run."""
    if file.name == INPUT:
        yield unusable("no result of VASP yet")
        return
    try:
        with open_with_compression(str(file), "rb") as opened:
            if _kind(file) == "xml":
                yield from steps_of_xml(opened)
            else:
                with io.TextIOWrapper(opened, errors="replace") as text:
                    yield from steps_of_outcar(text, str(file))
    except (OSError, EOFError, lzma.LZMAError) as error:
        yield unusable(f"a file that cannot be unpacked ({error})")


def _origin(file: Path) -> dict[str, Any]:
    """Return what the index beside the folder of a run says about it."""
    index = file.parent.parent / INDEX
    if not index.is_file():
        return {}
    try:
        entries = {entry["folder"]: entry for entry in json.loads(index.read_text())}
    except (ValueError, KeyError, TypeError):
        raise InputError(
            f"{index} is not the index that `gpip select --format vasp` wrote; restore it or "
            "remove it."
        ) from None
    return {k: v for k, v in entries.get(file.parent.name, {}).items() if k != "folder"}


def _isolated(atoms: Atoms) -> Atoms:
    """Return a molecule without its cell."""
    alone = Atoms(atoms.numbers, atoms.positions, info=atoms.info)
    labels = {key: v for key, v in atoms.calc.results.items() if key != "stress"}
    alone.calc = SinglePointCalculator(alone, **labels)
    return alone


def _smearing(atoms: Atoms) -> float:
    """Return by how much the energy without smearing differs, in eV; NaN counts as nothing."""
    difference = abs(atoms.info.get(SIGMA0, np.nan) - atoms.calc.results["energy"])
    return float(np.nan_to_num(difference))


def _notes(learned: dict[str, int], largest: float) -> list[str]:
    notes = []
    if learned:
        files = ", ".join(f"{name}: {count}" for name, count in learned.items())
        notes.append(
            f"{sum(learned.values())} results of a machine-learned force field were left out; only "
            f"ab initio steps are read ({files})"
        )
    if largest > 1e-6:
        notes.append(
            "the energy is VASP's free energy TOTEN, to which the forces belong; extrapolated to "
            f"zero smearing it differs by up to {largest:.2g} eV (energy_key={SIGMA0} takes that)"
        )
    return notes
