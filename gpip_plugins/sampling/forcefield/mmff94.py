"""The Merck molecular force field MMFF94 as OpenMM forces, with RDKit's parameters.

T. A. Halgren, J. Comput. Chem. 17, 490-519, 520-552, 553-586, 587-615, 616-641 (1996). RDKit types
the atoms and looks up (or derives) every parameter; this module only writes the functional form:

    E_bond    = 143.9325/2 k (r - r0)^2 [1 + cs (r - r0) + 7/12 cs^2 (r - r0)^2],  cs = -2 / Å
    E_angle   = 0.043844/2 k (t - t0)^2 [1 + cb (t - t0)],  cb = -0.006981317 / degree
    E_linear  = 143.9325 k (1 + cos t)                          centres such as sp carbon
    E_strbnd  = 2.51210 [k_ij (r_ij - r0_ij) + k_kj (r_kj - r0_kj)] (t - t0)
    E_oop     = 0.043844/2 k chi^2                              chi: Wilson angle, three a centre
    E_torsion = 1/2 [V1 (1 + cos w) + V2 (1 - cos 2w) + V3 (1 + cos 3w)]
    E_vdw     = eps [1.07 R/(r + 0.07 R)]^7 [1.12 R^7/(r^7 + 0.12 R^7) - 2]
    E_charge  = 332.0716 q_i q_j / (r + 0.05 Å), times 0.75 between atoms three bonds apart

in kcal/mol, Å and degrees. Pairs one or two bonds apart have no E_vdw and no E_charge; there is no
cutoff and the dielectric constant is 1.
"""

import math
from dataclasses import dataclass
from itertools import combinations

import openmm
from rdkit import Chem
from rdkit.Chem import rdForceFieldHelpers
from rdkit.ForceField import rdForceField  # noqa: F401  (registers the class of the parameters)

from gpip_plugins.errors import InputError
from gpip_plugins.sampling.forcefield.coverage import (
    NO_BOXES,
    ComponentCoverage,
    Coverage,
    refuse_boxes,
)
from gpip_plugins.sampling.systems.box import Box
from gpip_plugins.sampling.systems.molecule import MolecularSystem
from gpip_plugins.units import ANGSTROM, KCAL

__all__ = ["MMFF94"]

DEGREE = math.pi / 180.0
MDYNE = 143.9325  # kcal/mol in one mdyn Å, the constant of Halgren's papers
COULOMB = 332.0716  # kcal/mol Å / e^2, from the same papers
CUBIC_STRETCH = -2.0  # 1/Å
CUBIC_BEND = -0.006981317  # 1/degree
CHARGE_BUFFER = 0.05  # Å
SCALE_14 = 0.75
LINEAR_TYPES = {4, 53, 61}  # types of two-coordinate linear centres: sp C, =N= and the N of R-N#C
BENT = {Chem.HybridizationType.SP2, Chem.HybridizationType.SP3}  # allowed in a torsion's axis

BEND = f"0.5*k*(theta-t0)^2*(1+{CUBIC_BEND / DEGREE!r}*(theta-t0))"
CUBIC = CUBIC_STRETCH / ANGSTROM  # 1/nm
STRETCH = f"0.5*k*d^2*(1+{CUBIC!r}*d+{7.0 / 12.0 * CUBIC**2!r}*d^2);d=r-r0"
STRETCH_BEND = "(k1*(distance(p1,p2)-r1)+k2*(distance(p3,p2)-r2))*(angle(p1,p2,p3)-t0)"
PAIR = f"eps*(1.07/(s+0.07))^7*(1.12/(s^7+0.12)-2)+qq/(r+{CHARGE_BUFFER * ANGSTROM!r});s=r/rstar"
# Wilson angle between the bond p2-p4 and the plane of p1, p2, p3: the sine is the component of
# the unit vector along p2-p4 in the direction of the plane's normal (n = a x b).
OUT_OF_PLANE = (
    "0.5*k*asin(max(-1,min(1,(nx*cx+ny*cy+nz*cz)/sqrt((nx^2+ny^2+nz^2)*(cx^2+cy^2+cz^2)))))^2;"
    "nx=ay*bz-az*by;ny=az*bx-ax*bz;nz=ax*by-ay*bx;"
    "ax=x1-x2;ay=y1-y2;az=z1-z2;bx=x3-x2;by=y3-y2;bz=z3-z2;cx=x4-x2;cy=y4-y2;cz=z4-z2"
)


@dataclass(frozen=True)
class MMFF94:
    """MMFF94 for isolated molecules; energies and forces agree with RDKit's implementation.

    Args:
        variant: `MMFF94`, or `MMFF94s` whose out-of-plane and torsion terms keep conjugated
            nitrogen centres flat on time average.

    Example:
        >>> from gpip_plugins.sampling.systems.molecule import MolecularSystem
        >>> system = MMFF94().create(MolecularSystem.from_smiles("CCO"))
        >>> system.getNumParticles(), system.getNumConstraints()
        (9, 0)
    """

    variant: str = "MMFF94"

    @property
    def name(self) -> str:
        """The name under which the force field is registered and stored."""
        return self.variant.lower()

    def coverage(self, system: MolecularSystem | Box) -> Coverage:
        """Return the coverage of a molecule by MMFF94, without raising.

        Args:
            system: the molecule; a box is never covered.
        """
        missing = () if system.cell is None else (NO_BOXES,)
        components = (self._coverage(molecule, missing) for molecule, _ in system.components)
        return Coverage(self.name, tuple(components))

    def _coverage(self, molecule: MolecularSystem, missing: tuple[str, ...]) -> ComponentCoverage:
        properties = self._properties(molecule.mol)
        atoms = range(molecule.mol.GetNumAtoms())
        if properties is None:
            types = ("",) * len(atoms)
            return ComponentCoverage(molecule.name, types, molecule.charge, missing=missing)
        # RDKit gives some ions (carbanions beside C=O) and carbon dioxide the types of other
        # molecules, whose charges do not add up.
        total = sum(properties.GetMMFFPartialCharge(i) for i in atoms)
        return ComponentCoverage(
            molecule.name,
            tuple(f"type {properties.GetMMFFAtomType(i)}" for i in atoms),
            molecule.charge,
            round(total - molecule.charge, 9) + 0.0,
            missing=missing,
        )

    def create(self, system: MolecularSystem | Box, cutoff: float | None = None) -> openmm.System:
        """Return the OpenMM system of a molecule: flexible bonds, no centre-of-mass remover.

        Args:
            system: the molecule.
            cutoff: not used, because all pairs of a molecule interact.

        Raises:
            InputError: when MMFF94 has no type for one of its atoms or no term for its bonds, or
                the system is a box.
        """
        refuse_boxes(self.name, system)
        mol = Chem.Mol(system.mol)
        coverage = self.coverage(system)
        if not coverage.complete:
            raise InputError(
                f"force_field={self.name!r} does not cover {coverage.problems()}; choose another "
                "molecule or force field (MMFF94 is made for organic molecules)."
            )
        properties = self._properties(mol)
        result = openmm.System()
        for mass in system.masses:
            result.addParticle(float(mass))
        terms = _Terms(mol, properties)
        forces = [terms.stretch(), terms.out_of_plane(), terms.torsion(), terms.pair()]
        for force in [*forces, *terms.bends()]:
            if _n_terms(force):
                result.addForce(force)
        return result

    def _properties(self, mol: Chem.Mol):
        """Return RDKit's parameters, None if an atom or bond has none."""
        if not rdForceFieldHelpers.MMFFHasAllMoleculeParams(mol):
            return None
        return rdForceFieldHelpers.MMFFGetMoleculeProperties(mol, self.variant)


class _Terms:
    """The terms of one molecule, each as an OpenMM force in nm, kJ/mol and radians."""

    def __init__(self, mol: Chem.Mol, properties):
        self.mol = mol
        self.properties = properties
        self.neighbours = [[n.GetIdx() for n in a.GetNeighbors()] for a in mol.GetAtoms()]

    def bond_length(self, i: int, j: int) -> tuple[float, float]:
        """Force constant (kJ/mol/nm^2) and reference length (nm) of a bond."""
        _, k, r0 = self.properties.GetMMFFBondStretchParams(self.mol, i, j)
        return MDYNE * KCAL / ANGSTROM**2 * k, ANGSTROM * r0

    def angles(self):
        """Yield (i, j, k, is_linear, constant in mdyn Å/rad^2, reference in radians)."""
        for j, around in enumerate(self.neighbours):
            linear = self.properties.GetMMFFAtomType(j) in LINEAR_TYPES
            for i, k in combinations(around, 2):
                _, constant, t0 = self.properties.GetMMFFAngleBendParams(self.mol, i, j, k)
                yield i, j, k, linear, constant, DEGREE * t0

    def stretch(self) -> openmm.CustomBondForce:
        force = openmm.CustomBondForce(STRETCH)
        force.addPerBondParameter("k")
        force.addPerBondParameter("r0")
        for bond in self.mol.GetBonds():
            i, j = bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()
            force.addBond(i, j, self.bond_length(i, j))
        return force

    def bends(self) -> list[openmm.Force]:
        bend = openmm.CustomAngleForce(BEND)
        bend.addPerAngleParameter("k")
        bend.addPerAngleParameter("t0")
        linear_bend = openmm.CustomAngleForce("k*(1+cos(theta))")
        linear_bend.addPerAngleParameter("k")
        stretch_bend = openmm.CustomCompoundBondForce(3, STRETCH_BEND)
        for parameter in ("k1", "r1", "k2", "r2", "t0"):
            stretch_bend.addPerBondParameter(parameter)
        for i, j, k, linear, constant, t0 in self.angles():
            if linear:
                linear_bend.addAngle(i, j, k, [MDYNE * KCAL * constant])
                continue
            # 0.043844 kcal/mol/degree^2 of the paper is MDYNE in kcal/mol/rad^2
            bend.addAngle(i, j, k, [MDYNE * KCAL * constant, t0])
            parameters = self.properties.GetMMFFStretchBendParams(self.mol, i, j, k)
            if parameters is not None:
                _, k1, k2 = parameters
                unit = MDYNE * KCAL / ANGSTROM  # 2.51210 per degree is MDYNE per radian
                r1, r2 = self.bond_length(i, j)[1], self.bond_length(k, j)[1]
                stretch_bend.addBond([i, j, k], [unit * k1, r1, unit * k2, r2, t0])
        return [bend, linear_bend, stretch_bend]

    def out_of_plane(self) -> openmm.CustomCompoundBondForce:
        force = openmm.CustomCompoundBondForce(4, OUT_OF_PLANE)
        force.addPerBondParameter("k")
        for j, around in enumerate(self.neighbours):
            if len(around) != 3:
                continue
            k = self.properties.GetMMFFOopBendParams(self.mol, around[0], j, around[1], around[2])
            if k:
                for out in around:
                    i, l = (n for n in around if n != out)  # noqa: E741
                    force.addBond([i, j, l, out], [MDYNE * KCAL * k])
        return force

    def torsion(self) -> openmm.PeriodicTorsionForce:
        force = openmm.PeriodicTorsionForce()
        for bond in self.mol.GetBonds():
            j, k = bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()
            ends = (self.mol.GetAtomWithIdx(j), self.mol.GetAtomWithIdx(k))
            if any(atom.GetHybridization() not in BENT for atom in ends):
                continue
            for i in self.neighbours[j]:
                for l in self.neighbours[k]:  # noqa: E741
                    if len({i, j, k, l}) < 4:
                        continue
                    parameters = self.properties.GetMMFFTorsionParams(self.mol, i, j, k, l)
                    if parameters is None:
                        continue
                    for n, v in enumerate(parameters[1:], start=1):
                        if v:
                            phase = math.pi if n == 2 else 0.0
                            force.addTorsion(i, j, k, l, n, phase, 0.5 * KCAL * v)
        return force

    def pair(self) -> openmm.CustomBondForce:
        force = openmm.CustomBondForce(PAIR)
        for parameter in ("rstar", "eps", "qq"):
            force.addPerBondParameter(parameter)
        distance = Chem.GetDistanceMatrix(self.mol)
        charges = [self.properties.GetMMFFPartialCharge(i) for i in range(len(distance))]
        for i, j in combinations(range(len(distance)), 2):
            if distance[i, j] > 2:
                _, _, rstar, eps = self.properties.GetMMFFVdWParams(i, j)
                scale = SCALE_14 if distance[i, j] == 3 else 1.0
                qq = scale * COULOMB * KCAL * ANGSTROM * charges[i] * charges[j]
                force.addBond(i, j, [ANGSTROM * rstar, KCAL * eps, qq])
        return force


def _n_terms(force: openmm.Force) -> int:
    """Return the number of bonds, angles or torsions in a force."""
    for count in ("getNumBonds", "getNumAngles", "getNumTorsions"):
        if hasattr(force, count):
            return getattr(force, count)()
    raise TypeError(type(force).__name__)
