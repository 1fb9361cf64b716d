"""Molecules and ions with their bonds and a starting geometry."""

from dataclasses import dataclass, field
from pathlib import Path

import ase
import numpy as np
from rdkit import Chem
from rdkit.Chem import rdMolDescriptors

from gpip_plugins.errors import InputError
from gpip_plugins.sampling.systems.chemistry import (
    MAX_ATOMS,
    check_chemistry,
    check_electrons,
    check_size,
)
from gpip_plugins.sampling.systems.embedding import QuietRDKit, embed, parsed, shown, with_bonds
from gpip_plugins.sampling.systems.presets import PRESETS
from gpip_plugins.sampling.systems.stereo import isomeric_smiles, open_centres
from gpip_plugins.sampling.systems.structures import first_structure

__all__ = ["MolecularSystem", "check_name"]

COMPLETE_IT = "add the missing hydrogens or the charge (methane is 'C', a carbanion '[CH3-]')"


@dataclass(frozen=True)
class MolecularSystem:
    """One molecule or ion: atoms, bonds and a starting geometry.

    It is an isolated molecule, or a component of a `Box`. Force fields read the chemistry (`mol`),
    the engine reads the geometry (`positions`).

    Args:
        name: name of the system in the database; letters, digits, `_`, `-`.
        mol: RDKit molecule with explicit hydrogens and assigned bonds, shape (n_atoms,).
        positions: starting geometry in Å, shape (n_atoms, 3).
        source: isomeric SMILES or file contents that the molecule was made from, stored with the
            data.
        assumed: what the input left open and how it was chosen, printed and stored; empty if it
            left nothing open.

    Example:
        >>> ethanol = MolecularSystem.from_smiles("CCO", name="ethanol")
        >>> ethanol.formula, ethanol.positions.shape, len(ethanol.bonds)
        ('C2H6O', (9, 3), 8)
    """

    name: str
    mol: Chem.Mol = field(repr=False)
    positions: np.ndarray = field(repr=False)
    source: str
    assumed: str = ""

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
                "fly apart in vacuum; name one connected molecule, or several as a list."
            )
        check_chemistry(self.mol, self.name, COMPLETE_IT)

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

        ETKDGv3: Wang, Witek, Landrum, Riniker, J. Chem. Inf. Model. 60, 2044 (2020). The embedding
        also chooses the stereocentres and double bonds that the SMILES leaves open; `source` is the
        isomeric SMILES of the result, and `assumed` says so.

        Args:
            smiles: the molecule; hydrogens are added.
            name: name of the system; the canonical SMILES if None.
            seed: seed of the embedding.

        Raises:
            InputError: when the SMILES does not parse, has unpaired electrons or too many atoms, or
                cannot be embedded.

        Example:
            >>> MolecularSystem.from_smiles("CC=CC").assumed
            'double bond 1=2 is not specified; C/C=C/C was chosen'
        """
        heavy = parsed(smiles)
        return cls.from_mol(heavy, name or Chem.MolToSmiles(heavy), shown(smiles), seed)

    @classmethod
    def from_mol(cls, mol: Chem.Mol, name: str, where: str, seed: int = 0) -> "MolecularSystem":
        """Embed a molecule in three dimensions, as in `from_smiles`.

        Args:
            mol: sanitised molecule; hydrogens are added.
            name: name of the system.
            where: parameter and value for messages.
            seed: seed of the embedding.

        Raises:
            InputError: as `from_smiles`.
        """
        check_size(mol, where)
        check_chemistry(mol, where, COMPLETE_IT)
        with QuietRDKit():
            open_ones = open_centres(mol)
            mol = Chem.AddHs(mol)
            failed = not embed(mol, seed)
        if failed:
            raise InputError(
                f"{where} cannot be embedded in three dimensions; give a geometry in a file "
                "instead (system=file)."
            )
        chosen = isomeric_smiles(mol)
        assumed = f"{open_ones} is not specified; {chosen} was chosen" if open_ones else ""
        if "," in open_ones:
            assumed = assumed.replace(" is not", " are not", 1)
        return cls(name, mol, mol.GetConformer().GetPositions(), chosen, assumed)

    @classmethod
    def from_file(
        cls, path: str | Path, name: str | None = None, charge: int = 0
    ) -> "MolecularSystem":
        """Read the first molecule of a file that ASE reads; bonds are found from the geometry.

        All structures of a file, and files that contain bonds: `.files.read_systems`.

        Args:
            path: the structure file.
            name: name of the system; the file's name without its suffix if None.
            charge: total charge of the molecule in e, needed to find the bond orders.

        Raises:
            InputError: when the file is missing or unreadable, and as `from_atoms`.
        """
        path = Path(path)
        atoms = first_structure(path)
        return cls.from_atoms(atoms, name or path.stem, f"structure={str(path)!r}", charge)

    @classmethod
    def from_atoms(
        cls, atoms: ase.Atoms, name: str, where: str, charge: int = 0
    ) -> "MolecularSystem":
        """Make a molecule of atoms; its bonds are found from the geometry.

        Bonds: Kim & Kim, Bull. Korean Chem. Soc. 36, 1769 (2015), as in RDKit. The order of the
        atoms is kept.

        Args:
            atoms: the molecule, not periodic.
            name: name of the system.
            where: file and number of the structure, for messages.
            charge: total charge in e.

        Raises:
            InputError: when the atoms are periodic, the charge leaves unpaired electrons, or no
                bonds fit it.
        """
        if atoms.pbc.any():
            raise InputError(
                f"{where} is periodic, but an isolated molecule is required; "
                "remove the cell from the file, or ask for a box."
            )
        if len(atoms) > MAX_ATOMS:
            raise InputError(
                f"{where} has {len(atoms)} atoms, more than the {MAX_ATOMS} that an isolated "
                "molecule may have; give a smaller molecule, or a box with a cell."
            )
        mol = with_bonds(atoms.numbers, atoms.positions, charge)
        if mol is None:
            raise InputError(
                f"{where}: no bonds fit the geometry with charge={charge}; "
                "correct the charge or give smiles=... instead."
            )
        check_electrons(atoms.numbers, charge, where)
        check_chemistry(mol, f"{where} with charge={charge}", "correct the charge or the geometry")
        xyz = " ".join(f"{x:.6f}" for x in atoms.positions.ravel())
        source = f"{Chem.MolToSmiles(mol)} {xyz} charge={charge}"
        return cls(name, mol, np.array(atoms.positions), source=source)

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
