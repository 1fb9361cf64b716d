"""Consistency kit: properties that every representation and every potential must have.

It needs no test framework: call it from pytest, a notebook or a script. It works on any module that
takes SchNetPack's dictionary of inputs, also on yours.

    from gpip_plugins.testing import check_representation

    report = check_representation(lambda: MyRepresentation(n_atom_basis=16, cutoff=5.0))
    print(report)
    report.raise_if_failed()

Every check is also a separate function (`assert_rotation_equivariant`, ...), which takes a
module, a factory or a `Subject` (a module with all facts that the tests need).
"""

from .batches import assert_batch_independent, assert_pair_direction, assert_periodic
from .check import CHECKS, MODEL_CHECKS, Report, Result, check_model, check_representation
from .comparison import ConsistencyError, compare
from .derivatives import (
    assert_finite_gradients,
    assert_forces_are_gradient,
    assert_smooth_at_cutoff,
    assert_stress_is_gradient,
)
from .heads import assert_head_equivariant, head_subject
from .modules import (
    assert_double_precision,
    assert_elements,
    assert_pickle_round_trip,
    assert_scriptable,
    assert_state_dict_round_trip,
)
from .subject import Subject
from .symmetry import (
    assert_permutation_equivariant,
    assert_reflection_equivariant,
    assert_rotation_equivariant,
    assert_translation_invariant,
)
from .systems import make_batch, random_cell, random_molecule, random_systems
from .transformations import random_orthogonal, transform, transform_system, wigner_D

__all__ = [
    "CHECKS",
    "MODEL_CHECKS",
    "ConsistencyError",
    "Report",
    "Result",
    "Subject",
    "assert_batch_independent",
    "assert_double_precision",
    "assert_elements",
    "assert_finite_gradients",
    "assert_forces_are_gradient",
    "assert_head_equivariant",
    "assert_pair_direction",
    "assert_periodic",
    "assert_permutation_equivariant",
    "assert_pickle_round_trip",
    "assert_reflection_equivariant",
    "assert_rotation_equivariant",
    "assert_scriptable",
    "assert_smooth_at_cutoff",
    "assert_state_dict_round_trip",
    "assert_stress_is_gradient",
    "assert_translation_invariant",
    "check_model",
    "check_representation",
    "compare",
    "head_subject",
    "make_batch",
    "random_cell",
    "random_molecule",
    "random_orthogonal",
    "random_systems",
    "transform",
    "transform_system",
    "wigner_D",
]
