"""Symmetries in space and among atoms that every representation and every potential must have.

Each function takes a module, a factory or a `Subject`, raises `ConsistencyError` if the property
does not hold, and returns the largest relative deviation found. In float64 the deviations of a
correct module are 1e-16 to 1e-12; one with constants rounded to float32 can reach 1e-7.
"""

import numpy as np
import torch
from torch import nn

from .comparison import ConsistencyError, compare, compare_all
from .outputs import is_per_atom
from .subject import Subject
from .transformations import random_orthogonal, transform, transform_system

__all__ = [
    "assert_permutation_equivariant",
    "assert_reflection_equivariant",
    "assert_rotation_equivariant",
    "assert_translation_invariant",
]

# A vector below this counts as zero, and cannot show how it is rotated.
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
            # Each l is compared separately: large scalars must not hide errors of small multipoles.
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
    """Check that nothing changes when every system is shifted by a random vector (about 10 Å).

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
    return compare_all("translation", subject(subject.systems), subject(moved), tolerance)


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
    return compare_all("permutation", expected, subject(permuted), tolerance)
