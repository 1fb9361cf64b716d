"""Systems from files: every structure of a file, each different one once.

SDF and MOL files contain bonds and charges, which are taken as they are. In all other files bonds
are found from the geometry. Further geometries of a molecule or a box that the file already holds
(conformers, frames of a trajectory) are not sampled again, which is said.
"""

import gzip
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

import ase
import numpy as np
from rdkit import Chem

from gpip_plugins.analysis.bonds import bonds
from gpip_plugins.analysis.structure_faults import check_structure
from gpip_plugins.errors import InputError
from gpip_plugins.io.paths import existing
from gpip_plugins.sampling.systems.box import Box
from gpip_plugins.sampling.systems.embedding import QuietRDKit
from gpip_plugins.sampling.systems.molecule import MolecularSystem
from gpip_plugins.sampling.systems.stereo import isomeric_smiles
from gpip_plugins.sampling.systems.structures import read_structures_of

__all__ = ["read_systems"]

MAX_STRUCTURES: Final = 1000
WITH_BONDS: Final = (".sdf", ".sd", ".mol")


def read_systems(
    path: str | Path, charge: int | None, charges: Mapping[str, int], seed: int = 0
) -> list[MolecularSystem | Box]:
    """Return the different systems of a file: boxes for periodic structures, else molecules.

    Args:
        path: the file; relative to the folder in which the command was typed.
        charge: charge of isolated molecules in e; None takes `charge` of the structure in extended
            XYZ, else 0. Not for files with bonds.
        charges: charges of the molecules in a box, as for `Box.from_atoms`.
        seed: seed of the geometry of molecules that a file gives only in two dimensions.

    Returns:
        Systems named after the file; if it holds several, followed by `_` and the number of the
        structure from 0.

    Raises:
        InputError: when the file cannot be read, holds more than 1000 structures, or a structure
            cannot be a system.
    """
    path = Path(path)
    stem = Path(path.name.removesuffix(".gz")).stem
    read = _with_bonds if _ending(path) in WITH_BONDS else _without_bonds
    kept: dict[str, MolecularSystem | Box] = {}
    repeated: dict[str, list[int]] = {}
    for number, (key, system) in enumerate(read(path, stem, charge, charges, seed)):
        if key in kept:
            repeated[key].append(number)
        else:
            kept[key], repeated[key] = system, []
    if len(kept) == 1:
        kept = {key: replace(system, name=stem) for key, system in kept.items()}
    return [_with_note(system, repeated[key]) for key, system in kept.items()]


def _with_note(system: MolecularSystem | Box, repeated: list[int]) -> MolecularSystem | Box:
    """Return a system with a note on its further geometries in the file."""
    if not repeated:
        return system
    which = f"structure {repeated[0]}" if len(repeated) == 1 else f"{len(repeated)} structures"
    note = f"{which} of the file with the same bonds not used: one geometry starts the sampling"
    return replace(system, assumed="; ".join(filter(None, (system.assumed, note))))


def _ending(path: Path) -> str:
    return Path(path.name.removesuffix(".gz")).suffix.lower()


def _without_bonds(
    path: Path, stem: str, charge: int | None, charges: Mapping[str, int], seed: int
) -> Iterator[tuple[str, MolecularSystem | Box]]:
    """Yield what identifies the system of each structure, and the system."""
    boxes: dict[tuple, Box] = {}
    for number, atoms in enumerate(read_structures_of(path, MAX_STRUCTURES)):
        where = f"structure={str(path)!r} (frame {number})"
        name = f"{stem}_{number}"
        if atoms.pbc.any():
            # Frames of a trajectory have the same atoms in the same order with the same bonds.
            graph = (atoms.numbers.tobytes(), bonds(atoms).tobytes())
            if graph not in boxes:
                boxes[graph] = Box.from_atoms(atoms, name, where, charges)
            yield boxes[graph].source, boxes[graph]
        else:
            own = atoms.info.get("charge", 0) if charge is None else charge
            system = MolecularSystem.from_atoms(atoms, name, where, _whole(own, where))
            yield isomeric_smiles(system.mol), system


def _whole(charge: object, where: str) -> int:
    """Return a charge as a whole number."""
    try:
        value = float(charge)
        whole = round(value)
    except (TypeError, ValueError, OverflowError):  # a word, several numbers, NaN, infinity
        value, whole = None, 0
    if value != whole:
        raise InputError(f"{where} has charge={charge}, which is not a whole number; correct it.")
    return whole


def _with_bonds(
    path: Path, stem: str, charge: int | None, charges: Mapping[str, int], seed: int
) -> Iterator[tuple[str, MolecularSystem]]:
    """Yield what identifies each molecule of an SDF or MOL file, and the molecule."""
    full = existing("structure", path, "give an existing file")
    opened = gzip.open if path.name.endswith(".gz") else open
    number = -1
    with QuietRDKit(), opened(full, "rb") as file:
        for number, mol in enumerate(Chem.ForwardSDMolSupplier(file, removeHs=False)):
            where = f"structure={str(path)!r} (molecule {number})"
            if number == MAX_STRUCTURES:
                raise InputError(f"{where} is one more than {MAX_STRUCTURES}; give a smaller file.")
            if mol is None or not mol.GetNumAtoms():
                raise InputError(
                    f"{where} cannot be read, or has valences that do not exist; repair it."
                )
            if charge is not None and Chem.GetFormalCharge(mol) != charge:
                raise InputError(
                    f"{where} has the charge {Chem.GetFormalCharge(mol):+d} e in the file, but "
                    f"charge={charge}; correct one of them."
                )
            system = _of_bonds(mol, f"{stem}_{number}", where, seed)
            yield isomeric_smiles(system.mol), system
    if number < 0:
        raise InputError(f"structure={str(path)!r} holds no molecule; repair the file.")


def _of_bonds(mol: Chem.Mol, name: str, where: str, seed: int) -> MolecularSystem:
    """Return a molecule in its own geometry, or embedded if it is flat or lacks hydrogens."""
    complete = not any(atom.GetTotalNumHs() for atom in mol.GetAtoms())
    if not complete or not mol.GetNumConformers() or not mol.GetConformer().Is3D():
        missing = "two-dimensional" if complete else "without hydrogens"
        bare = Chem.RemoveHs(mol)
        system = MolecularSystem.from_mol(bare, name, where, seed)
        note = f"{missing} in the file; its geometry is an embedding"
        return replace(system, assumed="; ".join(filter(None, (system.assumed, note))))
    positions = np.array(mol.GetConformer().GetPositions())
    numbers = [atom.GetAtomicNum() for atom in mol.GetAtoms()]
    check_structure(ase.Atoms(numbers, positions), where)
    xyz = " ".join(f"{x:.6f}" for x in positions.ravel())
    return MolecularSystem(name, mol, positions, f"{isomeric_smiles(mol)} {xyz}")
