"""Symmetries that every representation and every potential must have.

Each function takes a module, a factory or a `Subject`, raises `ConsistencyError` when the property
does not hold, and returns the largest relative deviation that it saw. In float64 the deviations of
a sound module are 1e-16 to 1e-12; one with constants rounded to float32 can reach 1e-7.
"""

import numpy as np
import torch
from ase import Atoms
from schnetpack import properties
from torch import nn

from .comparison import ConsistencyError, compare
from .subject import Subject, is_per_atom
from .transformations import random_orthogonal, transform, transform_system

__all__ = [
    "assert_batch_independent",
    "assert_pair_direction",
    "assert_periodic",
    "assert_permutation_equivariant",
    "assert_reflection_equivariant",
    "assert_rotation_equivariant",
    "assert_translation_invariant",
]

# A vector below this is as good as zero, and says nothing about the way it turns.
ZERO = 1e-12


def assert_rotation_equivariant(
    subject: Subject | nn.Module, *, tolerance: float = 1e-9, n_operations: int = 3, seed: int = 0
) -> float:
    """Check `f(Q r) = D(Q) f(r)` for random rotations Q, `D` being the law of each output.

    Args:
        subject: module, factory or `Subject`.
        tolerance: largest relative deviation allowed.
        n_operations: number of rotations.
        seed: seed of the rotations.

    Raises:
        ConsistencyError: an output is not equivariant, or a vector is zero throughout.
    """
    subject = Subject.of(subject)
    return _equivariance(subject, "rotation", subject.laws, 1, tolerance, n_operations, seed)


def assert_reflection_equivariant(
    subject: Subject | nn.Module, *, tolerance: float = 1e-9, n_operations: int = 3, seed: int = 0
) -> float:
    """Check `f(Q r) = D(Q) f(r)` for random rotations with reflection (determinant -1).

    Outputs listed in the subject's `rotations_only` are left out.

    Args:
        subject: module, factory or `Subject`.
        tolerance: largest relative deviation allowed.
        n_operations: number of operations; the inversion comes first.
        seed: seed of the operations.

    Raises:
        ConsistencyError: an output is not equivariant, or a vector is zero throughout.
    """
    subject = Subject.of(subject)
    laws = {key: law for key, law in subject.laws.items() if key not in subject.rotations_only}
    return _equivariance(subject, "reflection", laws, -1, tolerance, n_operations, seed)


def _equivariance(subject, check, laws, determinant, tolerance, n_operations, seed) -> float:
    reference = subject(subject.systems)
    for key, law in laws.items():
        if law != "scalar" and reference[key].abs().max() < ZERO:
            raise ConsistencyError(check, f"{key} is zero for all systems, nothing can be tested.")
    worst = 0.0
    for index in range(n_operations):
        if determinant == -1 and index == 0:
            Q = -torch.eye(3, dtype=torch.float64)
        else:
            Q = random_orthogonal(seed + index, determinant)
        moved = subject([transform_system(atoms, Q, subject.inputs) for atoms in subject.systems])
        for key, law in laws.items():
            expected = transform(reference[key], law, Q, key)
            # Each l is compared by itself: small multipoles must not hide behind large scalars.
            blocks = _angular_momenta(expected) if law == "multipole" else {key: slice(None)}
            for name, rows in blocks.items():
                deviation = compare(
                    check,
                    name if law != "multipole" else f"{key} ({name})",
                    expected[:, rows] if law == "multipole" else expected,
                    moved[key][:, rows] if law == "multipole" else moved[key],
                    tolerance,
                )
                worst = max(worst, deviation)
    return worst


def _angular_momenta(x: torch.Tensor) -> dict[str, slice]:
    lmax = round(x.shape[1] ** 0.5) - 1
    return {f"l={angular}": slice(angular**2, (angular + 1) ** 2) for angular in range(lmax + 1)}


def assert_translation_invariant(
    subject: Subject | nn.Module, *, tolerance: float = 1e-9, seed: int = 0
) -> float:
    """Check that nothing changes when every system is moved by its own random vector (about 10 Å).

    Args:
        subject: module, factory or `Subject`.
        tolerance: largest relative deviation allowed.
        seed: seed of the vectors.

    Raises:
        ConsistencyError: an output depends on the origin.
    """
    subject = Subject.of(subject)
    rng = np.random.default_rng(seed)
    moved = []
    for atoms in subject.systems:
        atoms = atoms.copy()
        atoms.positions += rng.normal(scale=10.0, size=3)
        moved.append(atoms)
    return _compare_all("translation", subject(subject.systems), subject(moved), tolerance)


def assert_permutation_equivariant(
    subject: Subject | nn.Module, *, tolerance: float = 1e-9, seed: int = 0
) -> float:
    """Check that renumbering the atoms renumbers the outputs by atom and leaves the others.

    Args:
        subject: module, factory or `Subject`.
        tolerance: largest relative deviation allowed.
        seed: seed of the permutations.

    Raises:
        ConsistencyError: an output depends on the order of the atoms.
    """
    subject = Subject.of(subject)
    rng = np.random.default_rng(seed)
    orders = [rng.permutation(len(atoms)) for atoms in subject.systems]
    starts = np.cumsum([0] + [len(atoms) for atoms in subject.systems[:-1]])
    rows = torch.from_numpy(
        np.concatenate([order + start for order, start in zip(orders, starts, strict=True)])
    )
    batch = subject.batch(subject.systems)
    expected = {
        key: value[rows] if is_per_atom(value, batch, key) else value
        for key, value in subject(subject.systems).items()
    }
    permuted = [atoms[order] for atoms, order in zip(subject.systems, orders, strict=True)]
    return _compare_all("permutation", expected, subject(permuted), tolerance)


def assert_batch_independent(subject: Subject | nn.Module, *, tolerance: float = 1e-9) -> float:
    """Check that a batch gives what its systems give one by one, in either order.

    Args:
        subject: module, factory or `Subject`.
        tolerance: largest relative deviation allowed.

    Raises:
        ConsistencyError: systems of one batch feel each other.
    """
    subject = Subject.of(subject)
    alone = [subject([atoms]) for atoms in subject.systems]
    worst = 0.0
    for order in (1, -1):
        expected = {key: torch.cat([out[key] for out in alone[::order]]) for key in subject.laws}
        deviation = _compare_all("batch", expected, subject(subject.systems[::order]), tolerance)
        worst = max(worst, deviation)
    return worst


def assert_pair_direction(subject: Subject | nn.Module, *, tolerance: float = 1e-9) -> float:
    """Check that a pair (i, j) carries information from neighbour j to centre i.

    With all pairs of centre i struck off, atom i must look like a lone atom, though others still
    see it; and another element at j must be felt at i. A module that sums over the wrong one of
    `idx_i` and `idx_j` obeys every symmetry, as long as its pairs come in both directions.
    Outputs by system and the forces are left out.

    Args:
        subject: representation, factory or `Subject` with outputs by atom.
        tolerance: largest relative deviation allowed.

    Raises:
        ConsistencyError: information flows elsewhere, or there is no output by atom.
    """
    subject = Subject.of(subject)
    check = "pair direction"
    atoms = max((a for a in subject.systems if not a.pbc.any()), key=len, default=None)
    if atoms is None or len(atoms) < 3:
        raise ConsistencyError(check, "no isolated system of 3 atoms or more was given to test.")
    whole = subject.batch([atoms])
    names = [
        key
        for key, value in subject.run(whole).items()
        if is_per_atom(value, whole, key) and key != subject.forces_key
    ]
    if not names:
        raise ConsistencyError(check, "the module gives no output by atom to test.")
    kept = whole[properties.idx_i] != 0
    cut = dict(whole)
    for key in (properties.idx_i, properties.idx_j, properties.offsets):
        cut[key] = whole[key][kept]
    outputs, alone = subject.run(cut), subject([atoms[:1]])
    worst = 0.0
    for key in names:
        scale = float(outputs[key].detach().abs().max())
        name = f"{key} of an atom that is the centre of no pair"
        actual = outputs[key].detach()[:1]
        worst = max(worst, compare(check, name, alone[key], actual, tolerance, scale))

    neighbor = whole[properties.idx_j][~kept][0]
    other = dict(whole)
    other[properties.Z] = whole[properties.Z].clone()
    known = {int(z) for a in subject.systems for z in a.numbers}
    other[properties.Z][neighbor] = min(known - {int(whole[properties.Z][neighbor])})
    before, after = subject.run(whole), subject.run(other)
    if all(torch.equal(before[key][0], after[key][0]) for key in names):
        raise ConsistencyError(check, "the element of a neighbour is not felt by its centre.")
    return worst


def assert_periodic(
    subject: Subject | nn.Module, *, tolerance: float = 1e-9, seed: int = 0
) -> float:
    """Check that periodic images are the same atom, however the crystal is written down.

    Atoms moved by random lattice vectors must keep all outputs, and a supercell of 2x2x2 cells
    (or fewer, along directions that are not periodic) must give every copy of an atom the same
    outputs by atom. Outputs by system are left out of the second comparison.

    Args:
        subject: module, factory or `Subject` with periodic systems.
        tolerance: largest relative deviation allowed.
        seed: seed of the lattice vectors.

    Raises:
        ConsistencyError: an output depends on the choice of images, or no system is periodic.
    """
    subject = Subject.of(subject)
    periodic = [atoms for atoms in subject.systems if atoms.pbc.any()]
    if not periodic:
        raise ConsistencyError("periodic images", "no periodic system was given to test.")
    rng = np.random.default_rng(seed)
    reference = subject(periodic)
    shifted = []
    for atoms in periodic:
        atoms = atoms.copy()
        atoms.positions += (
            rng.integers(-2, 3, size=(len(atoms), 3)) * atoms.pbc
        ) @ atoms.cell.array
        shifted.append(atoms)
    worst = _compare_all("periodic images", reference, subject(shifted), tolerance)

    supercells = [_supercell(atoms) for atoms in periodic]
    batch = subject.batch(periodic)
    large = subject(supercells)
    by_atom = [key for key, value in reference.items() if is_per_atom(value, batch, key)]
    sizes = [len(atoms) for atoms in periodic]
    copies = [len(big) // size for big, size in zip(supercells, sizes, strict=True)]
    for key in by_atom:
        parts = reference[key].split(sizes)
        expected = torch.cat(
            [part.repeat(n, *[1] * (part.ndim - 1)) for part, n in zip(parts, copies, strict=True)]
        )
        worst = max(
            worst,
            compare("periodic images", f"{key} of a supercell", expected, large[key], tolerance),
        )
    return worst


def _supercell(atoms: Atoms) -> Atoms:
    return atoms.repeat(tuple(2 if periodic else 1 for periodic in atoms.pbc))


def _compare_all(check, expected, actual, tolerance) -> float:
    return max(compare(check, key, expected[key], actual[key], tolerance) for key in expected)
