"""Read single-point results of VASP from a folder of runs, one sub-folder for each.

`gpip select --format vasp` writes such a folder; any other folder of the same form can be read.
In every sub-folder `vasprun.xml` is read, else `OUTCAR`. A run that reached its maximum number of
electronic steps has meaningless energies and forces, but ASE reads them; so the steps are counted
here.
"""

import json
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path

import ase.io
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

from gpip_plugins.errors import InputError
from gpip_plugins.labels.readers.reader import FAULT, Reader

__all__ = ["INDEX", "VaspFolder"]

#: File in the folder with the origin of every run.
INDEX = "selected.json"
RESULTS = ("vasprun.xml", "OUTCAR")
#: Line of an OUTCAR above the energies at the end of an ionic step (in VASP's spelling).
END_OF_STEP = "FREE ENERGIE OF THE ION-ELECTRON SYSTEM"


class VaspFolder(Reader):
    """A folder of VASP runs, one sub-folder for each."""

    name = "a folder of VASP runs with a vasprun.xml or OUTCAR in each sub-folder"

    def fits(self, path: str) -> bool:
        """Return whether a sub-folder holds results or input of VASP."""
        return bool(_files_of_runs(path))

    def files(self, path: str) -> list[Path]:
        """Return the result, or else the POSCAR, of every run in the order of the folders' names.

        Raises:
            InputError: when no sub-folder holds a result.
        """
        found = _files_of_runs(path)
        if not any(file.name in RESULTS for file in found):
            raise InputError(
                f"{path} holds no folder with a vasprun.xml or OUTCAR; run VASP in its folders, or "
                "name a file with labelled structures."
            )
        return found

    def frames(self, path: str) -> Iterator[Atoms]:
        """Yield the structure of every run, with energy (eV) and forces (eV/Å) if it finished.

        Runs that did not finish or converge have no labels, and the reason in `info`. The origin
        from `selected.json` is also in `info`; a molecule that was put into a cell for VASP is
        isolated again, and its stress is omitted.

        Raises:
            InputError: when no sub-folder holds a VASP run, or a finished one cannot be read.
        """
        origins = {}
        index = Path(path) / INDEX
        if index.is_file():
            origins = {entry.pop("folder"): entry for entry in json.loads(index.read_text())}
        for file in self.files(path):
            atoms = _read(file)
            origin = origins.get(file.parent.name, {})
            if origin.pop("isolated", False):
                atoms = _isolated(atoms)
            atoms.info.update(origin)
            yield atoms


def _files_of_runs(folder: str) -> list[Path]:
    """Return the preferred file of every sub-folder that holds a run of VASP."""
    found = []
    for run in sorted(Path(folder).glob("*/")):
        names = [name for name in (*RESULTS, "POSCAR") if (run / name).is_file()]
        if names:
            found.append(run / names[0])
    return found


def _read(path: Path) -> Atoms:
    """Return the last structure of one run."""
    if path.name == "POSCAR":
        return _unlabelled(path, "no result of VASP yet")
    fault = _fault_of_xml(path) if path.name == "vasprun.xml" else _fault_of_outcar(path)
    if fault:
        return _unlabelled(path, fault)
    try:
        return ase.io.read(path, index=-1)
    except Exception as error:  # ASE's readers raise exceptions of any kind
        raise InputError(
            f"{path} cannot be read ({type(error).__name__}: {error}); repeat that run of VASP."
        ) from None


def _isolated(atoms: Atoms) -> Atoms:
    """Return a molecule without its cell."""
    alone = Atoms(atoms.numbers, atoms.positions, info=atoms.info)
    if atoms.calc is not None:
        labels = {key: atoms.calc.results[key] for key in ("energy", "forces")}
        alone.calc = SinglePointCalculator(alone, **labels)
    return alone


def _unlabelled(path: Path, fault: str) -> Atoms:
    """Return the structure in the input of VASP, if it exists, and what is wrong."""
    poscar = path.with_name("POSCAR")
    atoms = ase.io.read(poscar, format="vasp") if poscar.is_file() else Atoms("X")
    atoms.info[FAULT] = fault
    return atoms


def _fault_of_xml(path: Path) -> str:
    """Return what is wrong with a vasprun.xml, or nothing."""
    try:
        root = ElementTree.parse(path).getroot()
    except ElementTree.ParseError:
        return "a vasprun.xml that breaks off"
    calculations = root.findall("calculation")
    if not calculations:
        return "a vasprun.xml without a result"
    steps = root.find(".//parameters//i[@name='NELM']")
    used = len(calculations[-1].findall("scstep"))
    if steps is not None and used >= int(steps.text):
        return "an electronic cycle that did not converge"
    return ""


def _fault_of_outcar(path: Path) -> str:
    """Return what is wrong with an OUTCAR, or nothing.

    VASP 6 states when the maximum number of steps was reached; VASP 5 reports every end of the
    cycle as converged.
    """
    text = path.read_text(errors="replace")
    _, forces, rest = text.rpartition("TOTAL-FORCE (eV/Angst)")
    if not forces or "energy(sigma->0)" not in rest.partition(END_OF_STEP)[2]:
        return "an OUTCAR that breaks off"
    ends = re.findall(r"aborting loop (because EDIFF is reached|EDIFF was not reached)", text)
    steps = re.search(r"NELM\s*=\s*(\d+)", text)
    used = re.findall(r"Iteration\s+\d+\(\s*(\d+)\)", text)
    used_up = steps is not None and used and int(used[-1]) >= int(steps[1])
    if not ends or "not" in ends[-1] or used_up:
        return "an electronic cycle that did not converge"
    return ""
