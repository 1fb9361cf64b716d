"""What a molecule must be for a classical force field: closed shells and a limited size."""

from typing import Final

import numpy as np
from rdkit import Chem

from gpip_plugins.errors import InputError

__all__ = ["MAX_ATOMS", "check_chemistry", "check_electrons", "check_length", "check_size"]

#: Atoms of an isolated molecule. Memory and time of the embedding grow with the cube, and all pairs
#: of atoms are listed in the force field.
MAX_ATOMS: Final = 1000


def check_length(smiles: str) -> None:
    """Raise `InputError` for a SMILES that is too long to be parsed.

    Args:
        smiles: the text, before it is parsed.
    """
    if len(smiles) > 10 * MAX_ATOMS:  # a bracket atom takes about ten letters
        raise InputError(
            f"smiles={smiles[:20]}... has {len(smiles)} letters, more than a molecule of at most "
            f"{MAX_ATOMS} atoms needs; name a smaller molecule."
        )


def check_size(mol: Chem.Mol, where: str) -> None:
    """Raise `InputError` for a molecule with too many atoms, before it is embedded.

    Args:
        mol: the molecule, with implicit or explicit hydrogens.
        where: the parameter and its value, the beginning of the sentence.

    Example:
        >>> check_size(Chem.MolFromSmiles("C" * 400), "smiles=CCCC...")
        Traceback (most recent call last):
        ...
        gpip_plugins.errors.InputError: smiles=CCCC... has 1202 atoms, more than the 1000 that ...
    """
    n_atoms = mol.GetNumAtoms() + sum(atom.GetTotalNumHs() for atom in mol.GetAtoms())
    if n_atoms > MAX_ATOMS:
        raise InputError(
            f"{where} has {n_atoms} atoms, more than the {MAX_ATOMS} that an isolated molecule may "
            "have; name a smaller molecule, for example an oligomer."
        )


def check_chemistry(mol: Chem.Mol, where: str, remedy: str) -> None:
    """Raise `InputError` for radicals, carbenes and other open shells.

    Force fields have types for closed shells only, and some take a radical for an alkene.

    Args:
        mol: sanitised molecule.
        where: the parameter and its value, the beginning of the sentence.
        remedy: what to do, without a full stop.

    Example:
        >>> check_chemistry(Chem.MolFromSmiles("C[CH]C"), "smiles='C[CH]C'", "complete it")
        Traceback (most recent call last):
        ...
        gpip_plugins.errors.InputError: smiles='C[CH]C' has 1 unpaired electron at atom 1 (C): ...
    """
    for atom in mol.GetAtoms():
        if n_electrons := atom.GetNumRadicalElectrons():
            raise InputError(
                f"{where} has {n_electrons} unpaired electron{'s' * (n_electrons > 1)} at atom "
                f"{atom.GetIdx()} ({atom.GetSymbol()}): no classical force field has parameters "
                f"for radicals and carbenes; {remedy}."
            )


def check_electrons(numbers: np.ndarray, charge: int, where: str) -> None:
    """Raise `InputError` for an odd number of electrons.

    Args:
        numbers: atomic numbers, shape (n_atoms,).
        charge: total charge in e.
        where: file and number of the structure, the beginning of the sentence.
    """
    if (int(np.sum(numbers)) - charge) % 2:
        raise InputError(
            f"{where} has an odd number of electrons with charge={charge}, and no classical force "
            "field has parameters for radicals; correct the charge, or complete the molecule."
        )
