"""Input of VASP for chosen configurations, with the settings of the paper.

GPIP (arXiv:2309.15718, section 4.1): PBE, PAW, 400 eV, Gamma point only, electronic steps until the
energy changes by less than 1e-5 eV. Settings that the paper does not state are chosen here:
Gaussian smearing of 0.05 eV, no symmetry, `PREC = Accurate`, the neutral closed-shell system.

POTCAR files are licensed and cannot be written; `POTCAR.needed` names them in the order of POSCAR.
"""

import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.io import write
from tqdm import tqdm

from gpip_plugins.errors import InputError
from gpip_plugins.io.paths import writing
from gpip_plugins.labels.origin import origin_of
from gpip_plugins.labels.readers.vasp import INDEX

__all__ = ["INCAR", "in_a_cell", "write_vasp"]

INCAR = """\
SYSTEM = {system}
GGA = PE          ! PBE
ENCUT = 400       ! eV
EDIFF = 1E-5      ! eV
PREC = Accurate
ISMEAR = 0
SIGMA = 0.05      ! eV; small, so that energy and free energy agree
ISYM = 0
LREAL = Auto
NELM = 200        ! a run that needs them all is refused by gpip import
IBRION = -1
NSW = 0
LWAVE = .FALSE.
LCHARG = .FALSE.
"""

KPOINTS = "Gamma point only\n0\nGamma\n1 1 1\n0 0 0\n"

README = """\
One folder for every configuration. In a shell, with VASP_PP_PATH the folder of the PBE potentials:

    for d in frame_*; do (cd $d && \\
      cat $(sed "s|^|$VASP_PP_PATH/|; s|$|/POTCAR|" POTCAR.needed) > POTCAR && \\
      vasp_gam > vasp.out); done

Then, beside this folder:

    gpip import {folder} labels.db

{index} states the file and row of every configuration.
"""


def in_a_cell(atoms: Atoms, vacuum: float) -> Atoms:
    """Return a configuration in its cell, or a molecule in a cell with vacuum around it.

    Args:
        atoms: structure in Å; periodic in all directions or in none.
        vacuum: distance to the periodic images of the molecule, in Å.

    Raises:
        InputError: for a structure that is periodic in some directions only.

    Example:
        >>> boxed = in_a_cell(Atoms("HF", [[0, 0, 0], [0, 0, 0.9]]), vacuum=10.0)
        >>> boxed.cell.lengths().tolist()
        [10.0, 10.0, 10.9]
    """
    if atoms.pbc.all():
        return atoms
    if atoms.pbc.any():
        raise InputError(
            f"{atoms.info.get('source', 'a structure')} is periodic in some directions only, which "
            "has no VASP input here; choose format=extxyz."
        )
    boxed = atoms.copy()
    boxed.cell = np.diag(np.ptp(atoms.positions, axis=0) + vacuum)
    boxed.pbc = True
    boxed.positions += (
        boxed.cell.lengths() / 2 - (atoms.positions.max(axis=0) + atoms.positions.min(axis=0)) / 2
    )
    return boxed


def write_vasp(frames: Sequence[Atoms], target: str, vacuum: float) -> None:
    """Write INCAR, KPOINTS, POSCAR and POTCAR.needed of every configuration.

    The atoms are sorted by element, as POSCAR requires. The folder appears complete or not at all.

    Args:
        frames: structures in Å.
        target: folder to be created.
        vacuum: distance to the periodic images of an isolated molecule, in Å.

    Raises:
        InputError: for a structure that is periodic in some directions only.
    """
    folder = Path(target)
    part = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    try:
        with writing(target):
            part.mkdir()
            _write(frames, part, folder.name, vacuum)
            os.replace(part, folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _write(frames: Sequence[Atoms], part: Path, name_of_all: str, vacuum: float) -> None:
    """Write the input of every configuration, and its origin."""
    index = []
    for number, frame in enumerate(tqdm(frames, desc="writing", disable=None)):
        name = f"frame_{number:05d}"
        boxed = in_a_cell(frame, vacuum)
        boxed = boxed[np.argsort(boxed.numbers, kind="stable")]
        (part / name).mkdir()
        system = f"{frame.info.get('system', boxed.get_chemical_formula())}"
        (part / name / "INCAR").write_text(INCAR.format(system=system))
        (part / name / "KPOINTS").write_text(KPOINTS)
        species = list(dict.fromkeys(boxed.get_chemical_symbols()))
        (part / name / "POTCAR.needed").write_text("\n".join(species) + "\n")
        write(part / name / "POSCAR", boxed, format="vasp", direct=True, vasp5=True)
        isolated = not frame.pbc.any()
        index.append({"folder": name, "isolated": isolated, **origin_of(frame)})
    (part / INDEX).write_text(json.dumps(index, indent=1) + "\n")
    (part / "README").write_text(README.format(folder=name_of_all, index=INDEX))
