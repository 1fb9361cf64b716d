"""From SMILES to a geometry, and from a geometry to bonds, by RDKit."""

import numpy as np
from rdkit import Chem, RDLogger
from rdkit.Chem import rdDetermineBonds, rdDistGeom
from rdkit.Geometry import Point3D

from gpip_plugins.errors import InputError
from gpip_plugins.sampling.systems.chemistry import check_length

__all__ = ["QuietRDKit", "embed", "parsed", "shown", "with_bonds"]


def parsed(smiles: str, where: str | None = None) -> Chem.Mol:
    """Return the sanitised molecule of a SMILES, without explicit hydrogens.

    Args:
        smiles: the text.
        where: what it is, for messages; the parameter `smiles` if None.

    Raises:
        InputError: when it does not parse or is too long.
    """
    smiles = str(smiles)
    check_length(smiles)
    with QuietRDKit():
        mol = Chem.MolFromSmiles(smiles) if smiles.strip() else None
    if mol is None:
        raise InputError(
            f"{where or shown(smiles)} does not parse; correct the SMILES (ethanol is 'CCO')."
        )
    return mol


def shown(smiles: str) -> str:
    """Return a SMILES as the beginning of a message, at most 60 letters of it.

    Args:
        smiles: the text.

    Example:
        >>> shown("CCO")
        "smiles='CCO'"
    """
    return f"smiles={smiles!r}" if len(smiles) <= 60 else f"smiles={smiles[:57]}..."


def with_bonds(numbers: np.ndarray, positions: np.ndarray, charge: int) -> Chem.Mol | None:
    """Return a molecule whose bonds follow from its geometry; None if none fit the charge.

    Args:
        numbers: atomic numbers, shape (n_atoms,).
        positions: Å, shape (n_atoms, 3).
        charge: total charge in e.
    """
    mol = _without_bonds(numbers, positions)
    if len(numbers) == 1:
        mol.GetAtomWithIdx(0).SetFormalCharge(charge)
        mol.GetAtomWithIdx(0).SetNoImplicit(True)
    try:
        with QuietRDKit():
            if len(numbers) > 1 and np.isfinite(positions).all():
                rdDetermineBonds.DetermineBonds(mol, charge=charge)
            Chem.SanitizeMol(mol)
    except (ValueError, RuntimeError):
        return None
    return mol


class QuietRDKit:
    """Suppress RDKit's messages; the `InputError` names the parameter and the remedy."""

    def __enter__(self) -> None:
        """Suppress the messages."""
        self.block = RDLogger.logger()
        RDLogger.DisableLog("rdApp.*")

    def __exit__(self, *_) -> None:
        """Allow errors and warnings again."""
        RDLogger.EnableLog("rdApp.error")
        RDLogger.EnableLog("rdApp.warning")


def _without_bonds(numbers: np.ndarray, positions: np.ndarray) -> Chem.RWMol:
    """Return an RDKit molecule with atoms and a conformer, but no bonds."""
    mol = Chem.RWMol()
    conformer = Chem.Conformer(len(numbers))
    for i, (z, r) in enumerate(zip(numbers, positions, strict=True)):
        mol.AddAtom(Chem.Atom(int(z)))
        conformer.SetAtomPosition(i, Point3D(*map(float, r)))
    mol.AddConformer(conformer)
    return mol


def embed(mol: Chem.Mol, seed: int) -> bool:
    """Embed a molecule in three dimensions; return whether that was possible.

    Large or strained molecules need random starting coordinates. Linear molecules (allene, carbon
    dioxide) fail with the torsion preferences of some releases of RDKit and succeed without them.

    Args:
        mol: molecule with explicit hydrogens, which gets the conformer.
        seed: seed of the embedding.
    """
    for random_coordinates, knowledge in ((False, True), (True, True), (True, False)):
        parameters = rdDistGeom.ETKDGv3()
        parameters.randomSeed = seed % (2**31 - 1)
        parameters.useRandomCoords = random_coordinates
        parameters.useBasicKnowledge = knowledge
        parameters.useExpTorsionAnglePrefs = knowledge
        if rdDistGeom.EmbedMolecule(mol, parameters) == 0:
            _straighten_octahedron(mol)
            return True
    return False


def _straighten_octahedron(mol: Chem.Mol) -> None:
    """Place the six atoms around the centre of an AX6 molecule (PF6-, SF6) at right angles.

    Distance geometry does not handle centres with six neighbours and puts some on top of others.
    """
    centres = [atom for atom in mol.GetAtoms() if atom.GetDegree() == 6]
    if len(centres) != 1 or mol.GetNumAtoms() != 7:
        return
    conformer = mol.GetConformer()
    around = [atom.GetIdx() for atom in centres[0].GetNeighbors()]
    origin = conformer.GetPositions()[centres[0].GetIdx()]
    length = np.linalg.norm(conformer.GetPositions()[around] - origin, axis=1).mean()
    for i, axis in zip(around, np.concatenate([np.eye(3), -np.eye(3)]), strict=True):
        conformer.SetAtomPosition(i, Point3D(*map(float, origin + length * axis)))
