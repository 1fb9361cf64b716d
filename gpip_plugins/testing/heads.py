"""Checks of output modules: random features replace the representation."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from ase import Atoms
from torch import nn

from .batches import assert_batch_independent
from .subject import Subject
from .symmetry import (
    assert_permutation_equivariant,
    assert_reflection_equivariant,
    assert_rotation_equivariant,
)
from .systems import random_systems

__all__ = ["assert_head_equivariant", "head_subject"]


def head_subject(
    head: nn.Module | Callable[[], nn.Module],
    laws: Mapping[str, str],
    *,
    n_atom_basis: int,
    lmax: int | None = None,
    inputs: Mapping[str, str] | None = None,
    systems: Sequence[Atoms] | None = None,
    cutoff: float = 4.0,
    rotations_only: Sequence[str] = (),
    seed: int = 0,
) -> Subject:
    """Wrap an output module, with random features as input, for any check of the kit.

    The features are `scalar_representation` (n_atoms, n_atom_basis), `vector_representation`
    (n_atoms, 3, n_atom_basis) and, if `lmax` is given, `multipole_representation`
    (n_atoms, (lmax+1)^2, n_atom_basis), all drawn from N(0, 1). The head also gets the batch with
    its pairs, including `Rij`.

    Args:
        head: output module or its factory.
        laws: law of each output, for example `{"noise": "vector"}`.
        n_atom_basis: number of features.
        lmax: largest angular momentum of the multipoles; None for a head that reads none.
        inputs: laws of further inputs that the head reads from `systems`.
        systems: configurations; default `random_systems`.
        cutoff: cutoff of the pairs, Å.
        rotations_only: outputs that do not obey their law under reflections.
        seed: seed of the features.
    """
    rng = np.random.default_rng(seed)
    shapes = {"scalar": (n_atom_basis,), "vector": (3, n_atom_basis)}
    if lmax is not None:
        shapes["multipole"] = ((lmax + 1) ** 2, n_atom_basis)
    featured = []
    for atoms in systems or random_systems(seed=seed):
        atoms = atoms.copy()
        for law, shape in shapes.items():
            atoms.arrays[f"{law}_representation"] = rng.normal(size=(len(atoms), *shape))
        featured.append(atoms)
    return Subject(
        head,
        cutoff=cutoff,
        laws=laws,
        rotations_only=rotations_only,
        inputs={f"{law}_representation": law for law in shapes} | dict(inputs or {}),
        systems=featured,
        seed=seed,
    )


def assert_head_equivariant(
    head: nn.Module | Callable[[], nn.Module],
    laws: Mapping[str, str],
    *,
    n_atom_basis: int,
    tolerance: float = 1e-9,
    **options,
) -> float:
    """Check an output module under rotations, reflections, permutations and batching.

    A head that differentiates with respect to positions (a gradient head) cannot be tested here;
    test it with a representation, as a model: `assert_rotation_equivariant(Subject(model,
    laws={"noise": "vector"}))`.

    Args:
        head: output module or its factory.
        laws: law of each output.
        n_atom_basis: number of features.
        tolerance: largest relative deviation allowed.
        **options: further options of `head_subject`.

    Returns:
        The largest relative deviation.

    Raises:
        ConsistencyError: a property does not hold.

    Example:
        >>> from schnetpack.atomistic import Atomwise
        >>> deviation = assert_head_equivariant(
        ...     lambda: Atomwise(n_in=8, output_key="energy"), {"energy": "scalar"}, n_atom_basis=8
        ... )
        >>> deviation < 1e-9
        True
    """
    subject = head_subject(head, laws, n_atom_basis=n_atom_basis, **options)
    return max(
        check(subject, tolerance=tolerance)
        for check in (
            assert_rotation_equivariant,
            assert_reflection_equivariant,
            assert_permutation_equivariant,
            assert_batch_independent,
        )
    )
