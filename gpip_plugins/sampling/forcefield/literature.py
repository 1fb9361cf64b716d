"""Small molecules and ions with published parameters: water and the anions of electrolytes.

Water: TIP3P (Jorgensen, Chandrasekhar, Madura, Impey, Klein, J. Chem. Phys. 79, 926 (1983)), made
flexible with the bond and angle constants of CHARMM (450 kcal/mol/Å^2, 55 kcal/mol/rad^2,
E = k (x - x0)^2; as in the TIP3P files of moltemplate). Only the oxygen has a Lennard-Jones term,
as in the original model and unlike in CHARMM.

Monatomic ions: see `.ions`.
PF6-: J. N. Canongia Lopes, J. Deschamps, A. A. H. Pádua, J. Phys. Chem. B 108, 2038 (2004), after
G. A. Kaminski, W. L. Jorgensen, J. Chem. Soc. Perkin Trans. 2, 2365 (1999): the CL&P force field.
TFSI-, OTf-: J. N. Canongia Lopes, A. A. H. Pádua, J. Phys. Chem. B 108, 16893 (2004). BF4-, FSI-:
the same force field.

CL&P is designed to be mixed with OPLS-AA: geometric means, pairs three bonds apart scaled by 1/2.
Its file (il.ff, version 2016/02/03, https://github.com/paduagroup/clandp) gives k/2 (x - x0)^2 in
kJ/mol. The numbers below are those of the file, all compared with it, and converted in the code.
"""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from rdkit import Chem

from gpip_plugins.sampling.forcefield import topology
from gpip_plugins.sampling.forcefield.parameters import ParameterTable, Terms
from gpip_plugins.units import KCAL

__all__ = ["MODELS", "LiteratureModel"]

KJ = 1.0 / KCAL  # kcal in one kJ
HALF = 0.5 * KJ  # k/2 in kJ/mol -> k in kcal/mol
TRANS = 135.0  # degrees; larger angles of an octahedron are straight and have no term


@dataclass(frozen=True)
class LiteratureModel:
    """Parameters of one molecule; atoms are named by element (with a letter where needed).

    Args:
        name: name of the model in reports.
        smiles: canonical SMILES of the molecule.
        atoms: name -> (SMARTS of the atom, charge in e, sigma in Å, epsilon in kcal/mol).
        bonds: two names -> (k in kcal/mol/Å^2, r0 in Å).
        angles: three names -> (k in kcal/mol/rad^2, t0 in degrees).
        torsions: four names -> (V1, V2, V3, V4) in kcal/mol; groups without an entry have none.
        mixing: means of sigma, see `gpip_plugins.sampling.forcefield.parameters.ParameterTable`.

    Example:
        >>> water = MODELS[0]
        >>> water.name, water.types(Chem.AddHs(Chem.MolFromSmiles("O")))
        ('TIP3P', ('O', 'H', 'H'))
    """

    name: str
    smiles: str
    atoms: dict[str, tuple[str, float, float, float]]
    bonds: dict[tuple[str, ...], tuple[float, float]] = field(default_factory=dict)
    angles: dict[tuple[str, ...], tuple[float, float]] = field(default_factory=dict)
    torsions: dict[tuple[str, ...], tuple[float, ...]] = field(default_factory=dict)
    mixing: Literal["geometric", "arithmetic"] = "geometric"

    def types(self, mol: Chem.Mol) -> tuple[str, ...]:
        """Return the name of every atom."""
        names = [""] * mol.GetNumAtoms()
        for name, (smarts, *_) in self.atoms.items():
            for (i,) in mol.GetSubstructMatches(Chem.MolFromSmarts(smarts)):
                names[i] = name
        return tuple(names)

    def table(self, mol: Chem.Mol, positions: np.ndarray) -> ParameterTable:
        """Return the parameters.

        Args:
            mol: the molecule with explicit hydrogens.
            positions: Å, shape (n_atoms, 3); only used to distinguish angles of 180 and 90 degrees
                in an octahedron.
        """
        names = self.types(mol)
        _, charges, sigma, epsilon = zip(*(self.atoms[n] for n in names), strict=True)
        angles = [
            (atoms, self._find(self.angles, names, atoms))
            for atoms in topology.angles(mol)
            if mol.GetAtomWithIdx(atoms[1]).GetDegree() <= 4 or _angle(positions, atoms) < TRANS
        ]
        torsions = [
            (atoms, term)
            for atoms in topology.torsions(mol)
            for term in topology.fourier(self._find(self.torsions, names, atoms) or ())
        ]
        bonds = [(atoms, self._find(self.bonds, names, atoms)) for atoms in topology.bonds(mol)]
        return ParameterTable(
            charges,
            sigma,
            epsilon,
            *(
                Terms(*zip(*rows, strict=True)) if rows else Terms.none(size)
                for size, rows in ((2, bonds), (3, angles), (4, torsions))
            ),
            mixing=self.mixing,
        )

    def _find(self, rules: dict, names: tuple[str, ...], atoms: tuple[int, ...]):
        key = tuple(names[i] for i in atoms)
        return rules.get(key) or rules.get(key[::-1])


def _angle(positions: np.ndarray, atoms: tuple[int, int, int]) -> float:
    a, b = (positions[i] - positions[atoms[1]] for i in (atoms[0], atoms[2]))
    return float(np.degrees(np.arccos(a @ b / np.linalg.norm(a) / np.linalg.norm(b))))


# Shared by the anions with sulfonyl groups.
SULFONYL = {
    "F": ("F", -0.16, 2.95, 0.22175 * KJ),
    "C": ("C", 0.35, 3.50, 0.27614 * KJ),
    "S": ("S", 1.02, 3.55, 1.046 * KJ),
    "O": ("O", -0.53, 2.96, 0.87864 * KJ),
    "N": ("N", -0.66, 3.25, 0.71128 * KJ),
}
TRIFLUOROMETHYL_BONDS = {("F", "C"): (3698.0 * HALF, 1.323), ("C", "S"): (1950.0 * HALF, 1.818)}
SULFONAMIDE_BONDS = {("S", "O"): (5331.0 * HALF, 1.437), ("N", "S"): (3137.0 * HALF, 1.570)}
TRIFLUOROMETHYL_ANGLES = {
    ("F", "C", "F"): (781.0 * HALF, 107.1),
    ("F", "C", "S"): (694.0 * HALF, 111.7),
    ("C", "S", "O"): (870.0 * HALF, 102.6),
}
SULFONAMIDE_ANGLES = {
    ("O", "S", "O"): (969.0 * HALF, 118.5),
    ("N", "S", "O"): (789.0 * HALF, 113.6),
    ("S", "N", "S"): (671.0 * HALF, 125.6),
}

#: Water and the anions of electrolytes.
MODELS = (
    LiteratureModel(
        "TIP3P",
        "O",
        {"O": ("[O]", -0.834, 3.1507, 0.1521), "H": ("[#1]", 0.417, 1.0, 0.0)},
        bonds={("O", "H"): (450.0, 0.9572)},
        angles={("H", "O", "H"): (55.0, 104.52)},
        mixing="arithmetic",
    ),
    LiteratureModel(
        "PF6- (CL&P)",
        "F[P-](F)(F)(F)(F)F",
        {"P": ("P", 1.34, 3.74, 0.8368 * KJ), "F": ("F", -0.39, 3.12, 0.2552 * KJ)},
        bonds={("P", "F"): (3100.0 * HALF, 1.606)},
        angles={("F", "P", "F"): (1165.0 * HALF, 90.0)},
    ),
    LiteratureModel(
        "BF4- (CL&P)",
        "F[B-](F)(F)F",
        {"B": ("B", 0.96, 3.58, 0.3975 * KJ), "F": ("F", -0.49, 3.12, 0.2552 * KJ)},
        bonds={("B", "F"): (3235.0 * HALF, 1.394)},
        angles={("F", "B", "F"): (669.5 * HALF, 109.5)},
    ),
    LiteratureModel(
        "TFSI- (CL&P)",
        "O=S(=O)([N-]S(=O)(=O)C(F)(F)F)C(F)(F)F",
        {kind: SULFONYL[kind] for kind in "FCSON"},
        bonds=TRIFLUOROMETHYL_BONDS | SULFONAMIDE_BONDS,
        angles=TRIFLUOROMETHYL_ANGLES
        | SULFONAMIDE_ANGLES
        | {("N", "S", "C"): (764.0 * HALF, 103.5)},
        torsions={
            ("O", "S", "C", "F"): (0.0, 0.0, 1.451 * KJ, 0.0),
            ("N", "S", "C", "F"): (0.0, 0.0, 1.322 * KJ, 0.0),
            ("O", "S", "N", "S"): (0.0, 0.0, -0.015 * KJ, 0.0),
            ("S", "N", "S", "C"): (32.773 * KJ, -10.42 * KJ, -3.195 * KJ, 0.0),
        },
    ),
    LiteratureModel(
        "FSI- (CL&P)",
        "O=S(=O)(F)[N-]S(=O)(=O)F",
        {kind: SULFONYL[kind] for kind in "SON"} | {"F": ("F", -0.13, *SULFONYL["F"][2:])},
        bonds=SULFONAMIDE_BONDS | {("F", "S"): (1879.0 * HALF, 1.575)},
        angles=SULFONAMIDE_ANGLES
        | {("F", "S", "O"): (1077.0 * HALF, 104.1), ("F", "S", "N"): (902.0 * HALF, 103.0)},
        torsions={
            ("O", "S", "N", "S"): (0.0, 0.0, -0.015 * KJ, 0.0),
            ("F", "S", "N", "S"): (13.4514 * KJ, -12.3373 * KJ, -8.4874 * KJ, -2.8654 * KJ),
        },
    ),
    LiteratureModel(
        "OTf- (CL&P)",
        "O=S(=O)([O-])C(F)(F)F",
        {kind: SULFONYL[kind] for kind in "FCS"} | {"O": ("O", -0.63, *SULFONYL["O"][2:])},
        bonds=TRIFLUOROMETHYL_BONDS | {("S", "O"): SULFONAMIDE_BONDS["S", "O"]},
        angles=TRIFLUOROMETHYL_ANGLES | {("O", "S", "O"): SULFONAMIDE_ANGLES["O", "S", "O"]},
        torsions={("O", "S", "C", "F"): (0.0, 0.0, 1.451 * KJ, 0.0)},
    ),
)
