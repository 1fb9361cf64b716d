"""Molecules and ions with their bonds and a starting geometry."""

from dataclasses import dataclass, field
from pathlib import Path

import ase
import numpy as np
from rdkit import Chem, RDLogger
from rdkit.Chem import rdDetermineBonds, rdDistGeom, rdMolDescriptors
from rdkit.Geometry import Point3D

from gpip_plugins.errors import InputError
from gpip_plugins.io.paths import existing
from gpip_plugins.io.structures import read_structures
from gpip_plugins.sampling.systems.presets import PRESETS

__all__ = ["MolecularSystem", "check_name", "read_structure", "with_bonds"]


@dataclass(frozen=True)
class MolecularSystem:
    """One molecule or ion: atoms, bonds and a starting geometry.

    It is an isolated molecule, or a component of a `Box`. Force fields read the chemistry (`mol`),
    the engine reads the geometry (`positions`).

    Args:
        name: name of the system in the database; letters, digits, `_`, `-`.
        mol: RDKit molecule with explicit hydrogens and assigned bonds, shape (n_atoms,).
        positions: starting geometry in Å, shape (n_atoms, 3).
        source: SMILES or file contents that the molecule was made from, stored with the data.

    Example:
        >>> ethanol = MolecularSystem.from_smiles("CCO", name="ethanol")
        >>> ethanol.formula, ethanol.positions.shape, len(ethanol.bonds)
        ('C2H6O', (9, 3), 8)
    """

    name: str
    mol: Chem.Mol = field(repr=False)
    positions: np.ndarray = field(repr=False)
    source: str

    def __post_init__(self):
        """Raise `InputError` for a molecule that cannot be sampled or stored."""
        if not np.isfinite(self.positions).all():
            raise InputError(
                f"{self.name}: the starting positions hold NaN or infinite numbers; repair the "
                "structure file."
            )
        check_name(self.name)
        n_fragments = len(Chem.GetMolFrags(self.mol))
        if n_fragments != 1:
            raise InputError(
                f"{self.name}: {self.source!r} holds {n_fragments} separate molecules, which would "
                "fly apart in vacuum; name one connected molecule."
            )

    @classmethod
    def from_preset(cls, name: str, seed: int = 0) -> "MolecularSystem":
        """Build one of the named molecules of `gpip_plugins.sampling.systems.presets.PRESETS`.

        Args:
            name: name of the preset, for example `aspirin`.
            seed: seed of the embedding in three dimensions.

        Raises:
            InputError: when there is no such preset.
        """
        if name not in PRESETS:
            raise InputError(
                f"molecules={name!r} is not a preset; choose from {', '.join(PRESETS)}, or give "
                "smiles=... or structure=... instead."
            )
        return cls.from_smiles(PRESETS[name], name=name, seed=seed)

    @classmethod
    def from_smiles(cls, smiles: str, name: str | None = None, seed: int = 0) -> "MolecularSystem":
        """Build a molecule from SMILES; its geometry is a seeded ETKDGv3 embedding.

        ETKDGv3: Wang, Witek, Landrum, Riniker, J. Chem. Inf. Model. 60, 2044 (2020).

        Args:
            smiles: the molecule; hydrogens are added.
            name: name of the system; the canonical SMILES if None.
            seed: seed of the embedding.

        Raises:
            InputError: when the SMILES does not parse or cannot be embedded.
        """
        with _QuietRDKit():
            heavy = Chem.MolFromSmiles(smiles) if smiles.strip() else None
            if heavy is None:
                raise InputError(
                    f"smiles={smiles!r} does not parse; correct the SMILES (ethanol is 'CCO')."
                )
            mol = Chem.AddHs(heavy)
            failed = not _embed(mol, seed)
        if failed:
            raise InputError(
                f"smiles={smiles!r} cannot be embedded in three dimensions; give a geometry with "
                "structure=FILE instead."
            )
        name = name or Chem.MolToSmiles(heavy)
        return cls(name, mol, mol.GetConformer().GetPositions(), source=smiles)

    @classmethod
    def from_file(
        cls, path: str | Path, name: str | None = None, charge: int = 0
    ) -> "MolecularSystem":
        """Read a molecule from any file that ASE reads; bonds are found from the geometry.

        Bonds: Kim & Kim, Bull. Korean Chem. Soc. 36, 1769 (2015), as in RDKit. The order of the
        atoms is that of the file. The first structure of the file is used.

        Args:
            path: the structure file.
            name: name of the system; the file's name without its suffix if None.
            charge: total charge of the molecule in e, needed to find the bond orders.

        Raises:
            InputError: when the file is missing, unreadable, periodic, or no bonds fit the charge.
        """
        path = Path(path)
        atoms = read_structure(path)
        if atoms.pbc.any():
            raise InputError(
                f"structure={str(path)!r} is periodic, but an isolated molecule is required; "
                "remove the cell from the file, or ask for a box."
            )
        mol = with_bonds(atoms.numbers, atoms.positions, charge)
        if mol is None:
            raise InputError(
                f"structure={str(path)!r}: no bonds fit the geometry with charge={charge}; "
                "correct the charge or give smiles=... instead."
            )
        xyz = " ".join(f"{x:.6f}" for x in atoms.positions.ravel())
        source = f"{Chem.MolToSmiles(mol)} {xyz} charge={charge}"
        return cls(name or path.stem, mol, np.array(atoms.positions), source=source)

    @property
    def components(self) -> "tuple[tuple[MolecularSystem, int], ...]":
        """Composition of the system, as in a `Box`: one molecule."""
        return ((self, 1),)

    @property
    def cell(self) -> None:
        """Isolated molecules have no cell."""
        return None

    @property
    def numbers(self) -> np.ndarray:
        """Atomic numbers, shape (n_atoms,)."""
        return np.array([atom.GetAtomicNum() for atom in self.mol.GetAtoms()])

    @property
    def masses(self) -> np.ndarray:
        """Atomic masses in u (isotope labels respected), shape (n_atoms,)."""
        return np.array([atom.GetMass() for atom in self.mol.GetAtoms()])

    @property
    def bonds(self) -> np.ndarray:
        """Pairs of bonded atoms, shape (n_bonds, 2)."""
        pairs = [(b.GetBeginAtomIdx(), b.GetEndAtomIdx()) for b in self.mol.GetBonds()]
        return np.array(sorted(tuple(sorted(pair)) for pair in pairs), dtype=int).reshape(-1, 2)

    @property
    def charge(self) -> int:
        """Total charge in e."""
        return Chem.GetFormalCharge(self.mol)

    @property
    def formula(self) -> str:
        """Chemical formula in Hill's order."""
        return rdMolDescriptors.CalcMolFormula(self.mol)


def check_name(name: str) -> None:
    """Raise `InputError` for a name that ASE refuses in its databases.

    Args:
        name: name of a molecule or a box.
    """
    try:
        float(name)
        refused = True
    except ValueError:
        refused = name.lower() in ("true", "false")
    if refused:
        raise InputError(
            f"{name!r} cannot name a system in an ASE database, because it reads as a number or a "
            "truth value; rename the structure file."
        )


def read_structure(path: str | Path) -> ase.Atoms:
    """Read the first structure of a file.

    Args:
        path: any file that ASE reads; relative to the folder in which the command was typed.

    Raises:
        InputError: when the file is missing, empty or unreadable.
    """
    full = existing("structure", path, "give an existing file")
    atoms = next(read_structures(full), None)
    if atoms is None:
        raise InputError(f"structure={str(path)!r} holds no structure; give for example XYZ.")
    return atoms


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
        with _QuietRDKit():
            if len(numbers) > 1 and np.isfinite(positions).all():
                rdDetermineBonds.DetermineBonds(mol, charge=charge)
            Chem.SanitizeMol(mol)
    except (ValueError, RuntimeError):
        return None
    return mol


class _QuietRDKit:
    """Suppress RDKit's messages; the `InputError` names the parameter and the remedy."""

    def __enter__(self):
        self.block = RDLogger.logger()
        RDLogger.DisableLog("rdApp.*")

    def __exit__(self, *_):
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


def _embed(mol: Chem.Mol, seed: int) -> bool:
    """Embed a molecule in three dimensions; return whether that was possible.

    Large or strained molecules need random starting coordinates. Linear molecules (allene, carbon
    dioxide) fail with the torsion preferences of some releases of RDKit and succeed without them.
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
