"""Isomers, or any other set of molecules, from a list in a file.

A list is a text file with one SMILES per line (a name may follow, `#` begins a comment), or a file
of structures that ASE reads, for example a SchNetPack database; their bonds are found from the
geometry. Several frames of one molecule count as one; stereoisomers are different molecules.
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from ase import Atoms
from rdkit import Chem, rdBase
from rdkit.Chem import rdDetermineBonds, rdMolDescriptors
from tqdm import tqdm

from gpip_plugins.analysis.structure_faults import check_structure
from gpip_plugins.errors import InputError, check_whole
from gpip_plugins.io.paths import resolve
from gpip_plugins.io.structures import read_structures
from gpip_plugins.sampling.systems.chemistry import check_chemistry, check_length, check_size
from gpip_plugins.sampling.systems.graphs import parse_formula
from gpip_plugins.sampling.systems.molecule import MolecularSystem
from gpip_plugins.sampling.systems.stereo import isomeric_smiles

__all__ = ["isomers_from_file"]

SMILES_ENDINGS = (".smi", ".smiles", ".txt", ".csv")


def isomers_from_file(
    path: str,
    count: int | None = None,
    seed: int = 0,
    formula: str | None = None,
    progress: bool = True,
) -> list[MolecularSystem]:
    """Return the different molecules of a list, all or a random choice of them.

    Args:
        path: SMILES (.smi, .smiles, .txt, .csv) or structures; relative to the folder in which the
            command was typed.
        count: number of molecules; None for all.
        seed: seed of the choice and of the geometries.
        formula: refuse molecules of another formula; None allows any.
        progress: show a progress bar.

    Returns:
        Molecules named by their canonical SMILES, in the order of the file. The geometry is the
        first one of that molecule in the file, or an embedding if the file holds SMILES, which
        chooses what they leave open (see `MolecularSystem.from_smiles`).

    Raises:
        InputError: for a file that cannot be read, a line that is not a SMILES of one molecule with
            closed shells, a structure that no bonds fit, another formula, or fewer molecules than
            requested.
    """
    file = Path(resolve(path))
    if not file.is_file():
        raise InputError(f"source={path} does not exist; name a file of SMILES or structures.")
    if count is not None:
        check_whole("count", count, least=1)
    entries = _smiles(file) if file.suffix.lower() in SMILES_ENDINGS else _structures(file)
    found: dict[str, tuple[str, Atoms | None]] = {}
    for where, smiles, atoms in tqdm(entries, desc=f"reading {file.name}", disable=not progress):
        _check_formula(where, smiles, formula)
        found.setdefault(smiles, (where, atoms))
    if count is not None and count > len(found):
        raise InputError(
            f"count={count} isomers are requested, but {path} holds {len(found)} different "
            "molecules; lower count."
        )
    names = list(found)
    if count is not None and count < len(names):
        chosen = np.random.default_rng(seed).choice(len(names), count, replace=False)
        names = [names[k] for k in sorted(chosen)]
    return [_system(smiles, *found[smiles], seed) for smiles in names]


def _smiles(file: Path) -> Iterator[tuple[str, str, None]]:
    """Yield the position in the file and the canonical SMILES of every line."""
    for number, line in enumerate(file.read_text().splitlines(), start=1):
        words = line.replace(",", " ").split()
        if not words or words[0].startswith("#"):
            continue
        where = f"line {number} of {file.name}"
        check_length(words[0])
        with rdBase.BlockLogs():
            mol = Chem.MolFromSmiles(words[0])
        if mol is None:
            raise InputError(f"{where}: {words[0]!r} is no SMILES; correct or remove the line.")
        _check_molecule(mol, f"{where}: {words[0]!r}")
        yield where, Chem.MolToSmiles(mol), None


def _structures(file: Path) -> Iterator[tuple[str, str, Atoms]]:
    """Yield the position in the file, the canonical SMILES and the structure of every frame."""
    for number, atoms in enumerate(read_structures(str(file))):
        where = f"frame {number} of {file.name}"
        check_structure(atoms, where)
        try:
            with rdBase.BlockLogs():
                mol = _bonded(atoms)
        except (ValueError, RuntimeError):
            raise InputError(
                f"{where}: no bonds of a neutral molecule fit its geometry; remove the frame or "
                "give its SMILES."
            ) from None
        _check_molecule(mol, where)
        yield where, isomeric_smiles(mol), atoms


def _check_molecule(mol: Chem.Mol, where: str) -> None:
    """Check before any molecule of the list is embedded that this one can be sampled."""
    check_size(mol, where)
    check_chemistry(mol, where, "correct or remove it")
    if len(Chem.GetMolFrags(mol)) > 1:
        raise InputError(
            f"{where} holds several separate molecules; name one in each line or frame."
        )


def _bonded(atoms: Atoms) -> Chem.Mol:
    """Return the molecule with bonds from the geometry."""
    places = zip(atoms.symbols, atoms.positions, strict=True)
    lines = [f"{symbol} {x} {y} {z}" for symbol, (x, y, z) in places]
    mol = Chem.MolFromXYZBlock("\n".join([str(len(atoms)), "", *lines, ""]))
    rdDetermineBonds.DetermineBonds(mol, charge=0)
    Chem.SanitizeMol(mol)
    return mol


def _check_formula(where: str, smiles: str, formula: str | None) -> None:
    if formula is None:
        return
    mol = Chem.AddHs(Chem.MolFromSmiles(smiles))
    if Counter(atom.GetSymbol() for atom in mol.GetAtoms()) != parse_formula(formula):
        raise InputError(
            f"{where} is {rdMolDescriptors.CalcMolFormula(mol)}, not formula={formula}; remove it "
            "or leave formula out."
        )


def _system(smiles: str, where: str, atoms: Atoms | None, seed: int) -> MolecularSystem:
    if atoms is None:
        return MolecularSystem.from_smiles(smiles, name=smiles, seed=seed)
    mol = _bonded(atoms)
    return MolecularSystem(smiles, mol, np.array(atoms.positions), source=f"{smiles} ({where})")
