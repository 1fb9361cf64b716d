"""What is simulated: a molecule with its bonds and one geometry."""

from dataclasses import dataclass, field
from pathlib import Path

import ase.io
import numpy as np
from rdkit import Chem, RDLogger
from rdkit.Chem import rdDetermineBonds, rdDistGeom, rdMolDescriptors
from rdkit.Geometry import Point3D

from gpip_plugins.errors import InputError
from gpip_plugins.paths import resolve
from gpip_plugins.sampling.presets import MOLECULES

__all__ = ["MolecularSystem"]


@dataclass(frozen=True)
class MolecularSystem:
    """One isolated molecule: atoms, bonds and a starting geometry.

    Force fields read the chemistry (`mol`), the engine reads the geometry (`positions`).

    Args:
        name: name of the system, as it will stand in the database; letters, digits, `_`, `-`.
        mol: RDKit molecule with explicit hydrogens and assigned bonds, shape (n_atoms,).
        positions: starting geometry in Å, shape (n_atoms, 3).
        source: what the molecule was made from (SMILES or file contents), for the record.

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
        """Refuse what cannot be sampled or stored."""
        if not np.isfinite(self.positions).all():
            raise InputError(
                f"{self.name}: the starting positions hold NaN or infinite numbers; repair the "
                "structure file."
            )
        if _looks_like_a_number(self.name):  # ASE refuses such texts in its databases
            raise InputError(
                f"{self.name!r} cannot name a molecule in an ASE database, because it reads as a "
                "number or a truth value; rename the structure file."
            )
        n_fragments = len(Chem.GetMolFrags(self.mol))
        if n_fragments != 1:
            raise InputError(
                f"{self.name}: {self.source!r} holds {n_fragments} separate molecules, which would "
                "fly apart in vacuum; name one connected molecule."
            )
        if len(self.numbers) < 2:
            raise InputError(
                f"{self.name}: {self.source!r} is a single atom, which has no internal motion to "
                "sample; name a molecule of at least two atoms."
            )

    @classmethod
    def from_preset(cls, name: str, seed: int = 0) -> "MolecularSystem":
        """Build one of the named molecules of `gpip_plugins.sampling.presets.MOLECULES`.

        Args:
            name: name of the preset, for example `aspirin`.
            seed: seed of the embedding in three dimensions.

        Raises:
            InputError: when there is no such preset.
        """
        if name not in MOLECULES:
            raise InputError(
                f"molecules={name!r} is not a preset; choose from {', '.join(MOLECULES)}, or give "
                "smiles=... or structure=... instead."
            )
        return cls.from_smiles(MOLECULES[name], name=name, seed=seed)

    @classmethod
    def from_smiles(cls, smiles: str, name: str | None = None, seed: int = 0) -> "MolecularSystem":
        """Build a molecule from SMILES; the geometry comes from a seeded ETKDGv3 embedding.

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
        atoms is the file's. The first structure of the file counts.

        Args:
            path: the structure file.
            name: name of the system; the file's name without its ending if None.
            charge: total charge of the molecule in e, needed to find the bond orders.

        Raises:
            InputError: when the file is missing, unreadable, periodic, or no bonds fit the charge.
        """
        path = Path(resolve(path))
        name = name or path.stem
        if not path.is_file():
            raise InputError(f"structure={str(path)!r} does not exist; give an existing file.")
        try:
            atoms = ase.io.read(path, index=0)
        except Exception as error:  # ASE's readers raise whatever their formats come up with
            raise InputError(
                f"structure={str(path)!r} cannot be read by ASE ({type(error).__name__}: {error}); "
                "give for example an XYZ file."
            ) from error
        if atoms.pbc.any():
            raise InputError(
                f"structure={str(path)!r} is periodic, but this sampler simulates isolated "
                "molecules; remove the cell from the file."
            )
        mol = _without_bonds(atoms.numbers, atoms.positions)
        if np.isfinite(atoms.positions).all():
            try:
                with _QuietRDKit():
                    rdDetermineBonds.DetermineBonds(mol, charge=charge)
                    Chem.SanitizeMol(mol)
            except (ValueError, RuntimeError) as error:
                raise InputError(
                    f"structure={str(path)!r}: no bonds fit the geometry with charge={charge}; "
                    "correct the charge or give smiles=... instead."
                ) from error
        xyz = " ".join(f"{x:.6f}" for x in atoms.positions.ravel())
        source = f"{Chem.MolToSmiles(mol)} {xyz} charge={charge}"
        return cls(name, mol, np.array(atoms.positions), source=source)

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
        return np.array(sorted(tuple(sorted(pair)) for pair in pairs)).reshape(-1, 2)

    @property
    def formula(self) -> str:
        """Chemical formula in Hill's order."""
        return rdMolDescriptors.CalcMolFormula(self.mol)


def _looks_like_a_number(name: str) -> bool:
    try:
        float(name)
    except ValueError:
        return name.lower() in ("true", "false")
    return True


class _QuietRDKit:
    """Keeps RDKit's own messages off the screen: ours name the key and the remedy."""

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
    """Give a molecule a geometry; return whether that was possible.

    Large or strained molecules need random starting coordinates. Linear ones (allene, carbon
    dioxide) fail with the torsional knowledge of some releases of RDKit and succeed without it.
    """
    for random_coordinates, knowledge in ((False, True), (True, True), (True, False)):
        parameters = rdDistGeom.ETKDGv3()
        parameters.randomSeed = seed % (2**31 - 1)
        parameters.useRandomCoords = random_coordinates
        parameters.useBasicKnowledge = knowledge
        parameters.useExpTorsionAnglePrefs = knowledge
        if rdDistGeom.EmbedMolecule(mol, parameters) == 0:
            return True
    return False
