"""The universal force field UFF as OpenMM forces, with RDKit's parameters; without charges.

A. K. Rappé, C. J. Casewit, K. S. Colwell, W. A. Goddard III, W. M. Skiff, J. Am. Chem. Soc. 114,
10024 (1992). RDKit types the atoms and computes all constants; this module has the functional form:

    E_bond      = 1/2 k (r - r0)^2
    E_angle     = k [c0 + c1 cos t + c2 cos 2t],  c2 = 1/(4 sin^2 t0), c1 = -4 c2 cos t0,
                  c0 = c2 (2 cos^2 t0 + 1); linear centres k (1 + cos t); flat ones k/9 (1 - cos 3t)
    E_torsion   = 1/2 V [1 - cos(n w0) cos(n w)], V shared among the torsions around a bond
    E_inversion = k [c0 + c1 sin g + c2 cos 2g] for each of three bonds, g its angle with the normal
                  of the plane of the other two; flat centres 1, -1, 0; phosphines and heavier
    E_vdw       = D [(x/r)^12 - 2 (x/r)^6]

in kcal/mol, Å and radians. Pairs one or two bonds apart have no E_vdw, there is no cutoff.
"""

import math
from collections import defaultdict
from dataclasses import dataclass
from itertools import combinations

import openmm
from rdkit import Chem, rdBase
from rdkit.Chem import rdForceFieldHelpers

from gpip_plugins.errors import InputError
from gpip_plugins.sampling.forcefield import topology
from gpip_plugins.sampling.forcefield.coverage import (
    NO_BOXES,
    ComponentCoverage,
    Coverage,
    refuse_boxes,
)
from gpip_plugins.sampling.systems.box import Box
from gpip_plugins.sampling.systems.molecule import MolecularSystem
from gpip_plugins.units import ANGSTROM, KCAL

__all__ = ["UFF"]

DEGREE = math.pi / 180.0
SP, SP2, SP3 = (getattr(Chem.HybridizationType, n) for n in ("SP", "SP2", "SP3"))
GROUP_6 = {8, 16, 34, 52, 84}
PYRAMIDS = {15: 84.4339, 33: 86.9735, 51: 87.7047, 83: 90.0}  # degrees: best inversion angle

GENERAL = (
    "k*(c0+c1*cos(theta)+c2*cos(2*theta));c0=c2*(2*cos(t0)^2+1);c1=-4*c2*cos(t0);c2=1/(4*sin(t0)^2)"
)
FLAT = "k/9*(1-cos(3*theta))"
LINEAR = "k*(1+cos(theta))"
INVERSION = (
    "k*(c0+c1*sing+c2*(2*sing^2-1));sing=sqrt(max(0,1-cosg^2));"
    "cosg=(nx*cx+ny*cy+nz*cz)/sqrt((nx^2+ny^2+nz^2)*(cx^2+cy^2+cz^2));"
    "nx=ay*bz-az*by;ny=az*bx-ax*bz;nz=ax*by-ay*bx;"
    "ax=x1-x2;ay=y1-y2;az=z1-z2;bx=x3-x2;by=y3-y2;bz=z3-z2;cx=x4-x2;cy=y4-y2;cz=z4-z2"
)
VDW = "eps*((x/r)^12-2*(x/r)^6)"


@dataclass(frozen=True)
class UFF:
    """UFF for isolated molecules, the last resort: all elements, but no charges and no ions.

    Centres other than linear, flat and tetrahedral ones, and flat centres in rings of three and
    four atoms, are not covered: RDKit treats them by special rules.

    Example:
        >>> from gpip_plugins.sampling.systems.molecule import MolecularSystem
        >>> borane = MolecularSystem.from_smiles("CB(C)C", name="borane")
        >>> UFF().coverage(borane).sentence()
        'uff: borane: no charges: UFF has none'
        >>> UFF().create(borane).getNumParticles()
        13
    """

    name: str = "uff"

    def coverage(self, system: MolecularSystem | Box) -> Coverage:
        """Return the coverage of a molecule by UFF, without raising.

        Args:
            system: the molecule; a box is never covered.
        """
        missing = () if system.cell is None else (NO_BOXES,)
        return Coverage(
            self.name,
            tuple(
                ComponentCoverage(
                    molecule.name,
                    _types(molecule.mol),
                    molecule.charge,
                    -float(molecule.charge) + 0.0,
                    missing=missing,
                    note="no charges: UFF has none",
                )
                for molecule, _ in system.components
            ),
        )

    def create(self, system: MolecularSystem | Box, cutoff: float | None = None) -> openmm.System:
        """Return the OpenMM system of a molecule: flexible bonds, no centre-of-mass remover.

        Args:
            system: the molecule.
            cutoff: not used, because all pairs of a molecule interact.

        Raises:
            InputError: when an atom is not covered, or the system is a box.
        """
        refuse_boxes(self.name, system)
        coverage = self.coverage(system)
        if not coverage.complete:
            raise InputError(
                f"force_field='uff' does not cover {coverage.problems()}; choose another molecule "
                "or force field."
            )
        result = openmm.System()
        for mass in system.masses:
            result.addParticle(float(mass))
        mol = Chem.Mol(system.mol)
        for force in (_stretch(mol), *_bends(mol), _torsion(mol), _inversion(mol), _vdw(mol)):
            result.addForce(force)
        return result


def _types(mol: Chem.Mol) -> tuple[str, ...]:
    """Return element and hybridisation of every atom, empty where UFF does not cover it."""
    with rdBase.BlockLogs():
        if not rdForceFieldHelpers.UFFHasAllMoleculeParams(mol):
            return tuple("" if not _has_type(mol, a) else a.GetSymbol() for a in mol.GetAtoms())
    return tuple(
        f"{a.GetSymbol()} {a.GetHybridization()}" if _has_form(a) else "" for a in mol.GetAtoms()
    )


def _has_type(mol: Chem.Mol, atom: Chem.Atom) -> bool:
    alone = Chem.RWMol()
    alone.AddAtom(atom)
    alone.UpdatePropertyCache(strict=False)
    return rdForceFieldHelpers.UFFHasAllMoleculeParams(alone)


def _has_form(atom: Chem.Atom) -> bool:
    if atom.GetDegree() < 2:
        return True
    if atom.GetHybridization() == SP2:
        return not (atom.IsInRingSize(3) or atom.IsInRingSize(4))
    return atom.GetHybridization() in (SP, SP3)


def _stretch(mol: Chem.Mol) -> openmm.HarmonicBondForce:
    force = openmm.HarmonicBondForce()
    for i, j in topology.bonds(mol):
        k, r0 = rdForceFieldHelpers.GetUFFBondStretchParams(mol, i, j)
        force.addBond(i, j, ANGSTROM * r0, KCAL / ANGSTROM**2 * k)
    return force


def _bends(mol: Chem.Mol) -> list[openmm.CustomAngleForce]:
    forces = {SP: LINEAR, SP2: FLAT, SP3: GENERAL}
    forces = {kind: openmm.CustomAngleForce(form) for kind, form in forces.items()}
    for kind, force in forces.items():
        force.addPerAngleParameter("k")
        if kind == SP3:
            force.addPerAngleParameter("t0")
    for i, j, k in topology.angles(mol):
        constant, t0 = rdForceFieldHelpers.GetUFFAngleBendParams(mol, i, j, k)
        kind = mol.GetAtomWithIdx(j).GetHybridization()
        values = [KCAL * constant, DEGREE * t0][: 2 if kind == SP3 else 1]
        forces[kind].addAngle(i, j, k, values)
    return list(forces.values())


def _torsion(mol: Chem.Mol) -> openmm.PeriodicTorsionForce:
    force = openmm.PeriodicTorsionForce()
    around = defaultdict(list)
    for atoms in topology.torsions(mol):
        v = rdForceFieldHelpers.GetUFFTorsionParams(mol, *atoms)
        if v is not None and all(_kind(mol, i) in (SP2, SP3) for i in atoms[1:3]):
            around[atoms[1:3]].append((atoms, v))
    for torsions in around.values():
        for atoms, v in torsions:
            n, phase = _periodicity(mol, atoms)
            force.addTorsion(*atoms, n, phase, 0.5 * KCAL * v / len(torsions))
    return force


def _periodicity(mol: Chem.Mol, atoms: tuple[int, ...]) -> tuple[int, float]:
    """Return n and the phase d of 1/2 V [1 + cos(n w - d)]."""
    ends, middle = (atoms[0], atoms[3]), atoms[1:3]
    kinds = {_kind(mol, i) for i in middle}
    group_6 = [mol.GetAtomWithIdx(i).GetAtomicNum() in GROUP_6 for i in middle]
    if kinds == {SP2}:
        return 2, math.pi
    if kinds == {SP3}:
        return (2, 0.0) if all(group_6) else (3, 0.0)
    sp3_in_group_6 = any(g and _kind(mol, i) == SP3 for g, i in zip(group_6, middle, strict=True))
    if sp3_in_group_6 and not all(group_6):
        return 2, 0.0
    if any(_kind(mol, i) == SP2 for i in ends):
        return 3, 0.0
    return 6, math.pi


def _inversion(mol: Chem.Mol) -> openmm.CustomCompoundBondForce:
    force = openmm.CustomCompoundBondForce(4, INVERSION)
    for parameter in ("k", "c0", "c1", "c2"):
        force.addPerBondParameter(parameter)
    for j, around in enumerate(topology.neighbours(mol)):
        if len(around) != 3:
            continue
        k = rdForceFieldHelpers.GetUFFInversionParams(mol, around[0], j, around[1], around[2])
        if k is None:
            continue
        c = _inversion_constants(mol.GetAtomWithIdx(j).GetAtomicNum())
        for out in around:
            i, l = (n for n in around if n != out)  # noqa: E741
            force.addBond([i, j, l, out], [KCAL * k, *c])
    return force


def _inversion_constants(number: int) -> tuple[float, float, float]:
    if number not in PYRAMIDS:
        return 1.0, -1.0, 0.0
    w0 = DEGREE * PYRAMIDS[number]
    c1 = -4.0 * math.cos(w0)
    return -(c1 * math.cos(w0) + math.cos(2.0 * w0)), c1, 1.0


def _vdw(mol: Chem.Mol) -> openmm.CustomBondForce:
    force = openmm.CustomBondForce(VDW)
    force.addPerBondParameter("x")
    force.addPerBondParameter("eps")
    distance = Chem.GetDistanceMatrix(mol)
    for i, j in combinations(range(len(distance)), 2):
        if distance[i, j] > 2:
            x, eps = rdForceFieldHelpers.GetUFFVdWParams(mol, i, j)
            force.addBond(i, j, [ANGSTROM * x, KCAL * eps])
    return force


def _kind(mol: Chem.Mol, i: int) -> Chem.HybridizationType:
    return mol.GetAtomWithIdx(i).GetHybridization()
