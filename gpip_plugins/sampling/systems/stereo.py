"""Stereoisomers: which one a geometry is, and all that a molecule leaves open."""

from typing import Final

from rdkit import Chem
from rdkit.Chem import EnumerateStereoisomers

from gpip_plugins.errors import InputError

__all__ = ["MAX_ISOMERS", "isomeric_smiles", "open_centres", "stereoisomers"]

MAX_ISOMERS: Final = 64


def open_centres(mol: Chem.Mol) -> str:
    """Return the stereocentres and double bonds that a molecule does not specify, in words.

    Args:
        mol: sanitised molecule.

    Example:
        >>> open_centres(Chem.MolFromSmiles("CC(O)C=CC"))
        'stereocentre 1, double bond 3=4'
        >>> open_centres(Chem.MolFromSmiles("CCO"))
        ''
    """
    found = []
    for centre in Chem.FindPotentialStereo(Chem.Mol(mol)):
        if centre.specified == Chem.StereoSpecified.Specified:
            continue
        if centre.type == Chem.StereoType.Bond_Double:
            bond = mol.GetBondWithIdx(centre.centeredOn)
            found.append(f"double bond {bond.GetBeginAtomIdx()}={bond.GetEndAtomIdx()}")
        elif centre.type == Chem.StereoType.Atom_Tetrahedral:
            found.append(f"stereocentre {centre.centeredOn}")
    return ", ".join(found)


def isomeric_smiles(mol: Chem.Mol) -> str:
    """Return the canonical SMILES of the stereoisomer that a geometry is.

    Args:
        mol: molecule with explicit hydrogens and one conformer.
    """
    mol = Chem.Mol(mol)
    Chem.AssignStereochemistryFrom3D(mol)
    return Chem.MolToSmiles(Chem.RemoveHs(mol))


def stereoisomers(mol: Chem.Mol, where: str) -> list[str]:
    """Return the SMILES of all stereoisomers that agree with what a molecule specifies.

    Args:
        mol: sanitised molecule without explicit hydrogens.
        where: the parameter and its value, the beginning of the sentence.

    Raises:
        InputError: when there are more than 64.

    Example:
        >>> stereoisomers(Chem.MolFromSmiles("CC=CC"), "smiles=CC=CC")
        ['C/C=C/C', 'C/C=C\\\\C']
    """
    options = EnumerateStereoisomers.StereoEnumerationOptions(
        onlyUnassigned=True, unique=True, maxIsomers=MAX_ISOMERS + 1
    )
    count = EnumerateStereoisomers.GetStereoisomerCount(mol, options)
    found = sorted(
        Chem.MolToSmiles(isomer)
        for isomer in EnumerateStereoisomers.EnumerateStereoisomers(mol, options)
    )
    if len(found) > MAX_ISOMERS:
        raise InputError(
            f"{where} leaves open {open_centres(mol)}, up to {count} stereoisomers, more than the "
            f"{MAX_ISOMERS} of isomers=all; specify some of them in the SMILES."
        )
    return found
