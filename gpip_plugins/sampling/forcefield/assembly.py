"""Assemble the parameter tables of the components of a system into one OpenMM system.

In an isolated molecule all pairs interact, without cutoff. A periodic box has particle-mesh Ewald
(Essmann et al., J. Chem. Phys. 103, 8577 (1995)) for the charges, and Lennard-Jones terms that a
switching function reduces to zero at the cutoff, with the usual long-range correction of energy and
pressure. The sigma of a pair is the arithmetic mean if both tables take it (water and the ions for
it), otherwise the geometric one. OpenMM's Lennard-Jones force supports only arithmetic means, so
geometric ones need a custom force, except where all sigma are equal.
"""

import math
from collections.abc import Iterable, Sequence
from itertools import combinations

import numpy as np
import openmm

from gpip_plugins.errors import InputError
from gpip_plugins.sampling.forcefield.parameters import ParameterTable
from gpip_plugins.units import ANGSTROM, KCAL

__all__ = ["LEAST_CUTOFF", "MAX_CUTOFF", "assemble", "checked_cutoff", "longest_cutoff"]

DEGREE = math.pi / 180.0
MAX_CUTOFF = 10.0  # Å, when no cutoff is given
# Å; the minima of Lennard-Jones pairs of C, N and O lie at 3.3 to 4.0 Å, and the first shell of
# water ends at 3.4 Å. A shorter cutoff would remove the attraction of neighbours.
LEAST_CUTOFF = 4.0
MARGIN = 0.95  # of half the cell, when no cutoff is given: constant pressure shrinks the cell
EWALD_TOLERANCE = 1e-5
LENNARD_JONES = "4*sqrt(epsilon1*epsilon2)*s6*(s6-1); s6=(sigma/r)^6; sigma="
GEOMETRIC = f"{LENNARD_JONES}sqrt(sigma1*sigma2)"
BOTH_MEANS = (
    f"{LENNARD_JONES}select(arithmetic1*arithmetic2, 0.5*(sigma1+sigma2), sqrt(sigma1*sigma2))"
)


def assemble(
    components: Sequence[tuple[ParameterTable, int]],
    masses: np.ndarray,
    cell: np.ndarray | None = None,
    cutoff: float | None = None,
    switch: float = 1.0,
) -> openmm.System:
    """Return the OpenMM system: flexible bonds, no constraints, no centre-of-mass remover.

    Args:
        components: (table of one molecule, number of molecules), in the order of the atoms.
        masses: u, shape (n_atoms,).
        cell: cell vectors in rows, Å, shape (3, 3); None for one isolated molecule.
        cutoff: Å, boxes only; None takes 10 Å or the largest that the cell allows.
        switch: width in Å of the range below the cutoff in which Lennard-Jones terms are switched
            off; 0 truncates them sharply.

    Raises:
        InputError: when the cutoff does not fit the cell, or the cell is too small for a cutoff.

    Example:
        >>> lithium = ParameterTable([1.0], [2.126], [0.018279])
        >>> system = assemble([(lithium, 2)], [6.94, 6.94], cell=np.eye(3) * 20.0, cutoff=9.0)
        >>> system.getNumParticles(), system.usesPeriodicBoundaryConditions()
        (2, True)
    """
    system = openmm.System()
    for mass in masses:
        system.addParticle(float(mass))
    placed = list(_placed(components))
    for force in _bonded(placed):
        if _n_terms(force):
            force.setUsesPeriodicBoundaryConditions(cell is not None)
            system.addForce(force)
    if cell is None:
        system.addForce(_all_pairs(placed))
        return system
    _set_cell(system, np.asarray(cell, dtype=float))
    cutoff = checked_cutoff(cell, cutoff)
    for force in _with_cutoff(placed, cutoff, switch):
        system.addForce(force)
    return system


def checked_cutoff(cell: np.ndarray, cutoff: float | None = None) -> float:
    """Return the cutoff in Å; None gives 10 Å or the largest that the cell allows.

    Args:
        cell: cell vectors in rows, Å, shape (3, 3).
        cutoff: Å.

    Raises:
        InputError: when the cutoff is not positive or exceeds half the shortest height of the cell;
            when no cutoff is given and the cell allows none of 4 Å.

    Example:
        >>> checked_cutoff(np.eye(3) * 10.0), checked_cutoff(np.eye(3) * 50.0)
        (4.75, 10.0)
    """
    if cutoff is None:
        cutoff = longest_cutoff(cell)
        if cutoff < LEAST_CUTOFF:
            raise InputError(
                f"the cell, {_half_height(cell) * 2:.2f} Å high, allows a cutoff of only "
                f"{cutoff:.2f} Å, less than {LEAST_CUTOFF:g} Å, which would remove the attraction "
                f"of neighbours; make the cell at least {2 * LEAST_CUTOFF / MARGIN:.1f} Å high, "
                "with more molecules (count=... of water) or replicas of the cell."
            )
        return cutoff
    half = _half_height(cell)
    if not 0.0 < cutoff <= half:
        raise InputError(
            f"cutoff={cutoff:g} Å must be positive and at most half the shortest height of the "
            f"cell, {half:.2f} Å; choose a smaller cutoff or a larger box."
        )
    return float(cutoff)


def longest_cutoff(cell: np.ndarray) -> float:
    """Return the cutoff in Å that is taken when none is given, however short.

    Args:
        cell: cell vectors in rows, Å, shape (3, 3).

    Example:
        >>> round(longest_cutoff(np.eye(3) * 3.0), 3)
        1.425
    """
    return min(MAX_CUTOFF, MARGIN * _half_height(cell))


def _half_height(cell: np.ndarray) -> float:
    """Return half the shortest height of a cell in Å."""
    reciprocal = np.linalg.norm(np.linalg.inv(np.asarray(cell, dtype=float)), axis=0)
    return 0.5 / float(reciprocal.max())


def _placed(
    components: Iterable[tuple[ParameterTable, int]],
) -> Iterable[tuple[ParameterTable, int]]:
    """Yield (table, index of the first atom) of every molecule."""
    first = 0
    for table, count in components:
        for _ in range(count):
            yield table, first
            first += len(table)


def _bonded(placed) -> list[openmm.Force]:
    bonds, angles = openmm.HarmonicBondForce(), openmm.HarmonicAngleForce()
    torsions = openmm.PeriodicTorsionForce()
    for table, first in placed:
        for (i, j), (k, r0) in table.bonds:
            bonds.addBond(first + i, first + j, ANGSTROM * r0, 2.0 * KCAL / ANGSTROM**2 * k)
        for (i, j, l), (k, t0) in table.angles:  # noqa: E741
            angles.addAngle(first + i, first + j, first + l, DEGREE * t0, 2.0 * KCAL * k)
        for terms in (table.torsions, table.impropers):
            for atoms, (k, n, phase) in terms:
                torsions.addTorsion(*(first + i for i in atoms), int(n), DEGREE * phase, KCAL * k)
    return [bonds, angles, torsions]


def _all_pairs(placed) -> openmm.NonbondedForce:
    """Return the force of one isolated molecule, with the constants of every pair."""
    force = openmm.NonbondedForce()
    force.setNonbondedMethod(openmm.NonbondedForce.NoCutoff)
    for table, first in placed:
        if first:
            raise ValueError("a system without a cell holds one molecule")
        for charge in table.charges:
            force.addParticle(float(charge), 1.0, 0.0)
        excluded, pairs14 = table.excluded, table.pairs14
        for pair in combinations(range(len(table)), 2):
            scale = 0.0 if pair in excluded else table.scale14 if pair in pairs14 else 1.0
            force.addException(*pair, *_pair(table, *pair, scale))
    return force


def _with_cutoff(placed, cutoff: float, switch: float) -> list[openmm.Force]:
    """Return the forces of charges (particle-mesh Ewald) and Lennard-Jones terms (cutoff)."""
    sigmas: dict[str, set[float]] = {"geometric": set(), "arithmetic": set()}
    for t, _ in placed:
        sigmas[t.mixing] |= {s for s, e in zip(t.sigma, t.epsilon, strict=True) if e > 0}
    native = not sigmas["geometric"] or len(sigmas["geometric"] | sigmas["arithmetic"]) < 2
    both_means = len(sigmas["arithmetic"]) > 1
    coulomb = openmm.NonbondedForce()
    coulomb.setNonbondedMethod(openmm.NonbondedForce.PME)
    coulomb.setEwaldErrorTolerance(EWALD_TOLERANCE)
    custom = openmm.CustomNonbondedForce(BOTH_MEANS if both_means else GEOMETRIC)
    for parameter in ("sigma", "epsilon", "arithmetic")[: 2 + both_means]:
        custom.addPerParticleParameter(parameter)
    custom.setNonbondedMethod(openmm.CustomNonbondedForce.CutoffPeriodic)
    for table, first in placed:
        for q, sigma, epsilon in zip(table.charges, table.sigma, table.epsilon, strict=True):
            lj = (ANGSTROM * float(sigma), KCAL * float(epsilon)) if epsilon > 0 else (1.0, 0.0)
            coulomb.addParticle(float(q), *(lj if native else (1.0, 0.0)))
            custom.addParticle((*lj, float(table.mixing == "arithmetic"))[: 2 + both_means])
        for scale, pairs in ((0.0, table.excluded), (table.scale14, table.pairs14)):
            for i, j in sorted(pairs):
                coulomb.addException(first + i, first + j, *_pair(table, i, j, scale))
                custom.addExclusion(first + i, first + j)
    forces = [coulomb] if native else [coulomb, custom]
    for force in forces:
        force.setCutoffDistance(ANGSTROM * cutoff)
        force.setUseSwitchingFunction(0.0 < switch < cutoff)
        force.setSwitchingDistance(ANGSTROM * max(0.0, cutoff - switch))
    coulomb.setUseDispersionCorrection(native)
    custom.setUseLongRangeCorrection(True)
    return forces


def _pair(table: ParameterTable, i: int, j: int, scale: float) -> tuple[float, float, float]:
    """Return charge product, sigma in nm and epsilon in kJ/mol of one listed pair."""
    si, sj = table.sigma[i], table.sigma[j]
    sigma = math.sqrt(si * sj) if table.mixing == "geometric" else 0.5 * (si + sj)
    epsilon = scale * KCAL * math.sqrt(table.epsilon[i] * table.epsilon[j])
    qq = scale * table.charges[i] * table.charges[j]
    return float(qq), ANGSTROM * float(sigma) if epsilon > 0 else 1.0, epsilon


def _set_cell(system: openmm.System, cell: np.ndarray) -> None:
    try:
        system.setDefaultPeriodicBoxVectors(*(openmm.Vec3(*(ANGSTROM * row)) for row in cell))
    except openmm.OpenMMException as error:
        raise InputError(
            f"cell={cell.tolist()} is not in the reduced form that OpenMM needs (a along x, b in "
            "the xy plane, all angles between 60 and 120 degrees); give a rectangular box."
        ) from error


def _n_terms(force: openmm.Force) -> int:
    for count in ("getNumBonds", "getNumAngles"):
        if hasattr(force, count):
            return getattr(force, count)()
    return force.getNumTorsions()
