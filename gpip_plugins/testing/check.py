"""All checks in one call, with a report."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from schnetpack import properties
from torch import nn

from gpip_plugins.errors import InputError

from .batches import assert_batch_independent, assert_pair_direction, assert_periodic
from .comparison import ConsistencyError
from .derivatives import (
    assert_finite_gradients,
    assert_forces_are_gradient,
    assert_smooth_at_cutoff,
    assert_stress_is_gradient,
)
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

__all__ = ["CHECKS", "MODEL_CHECKS", "Report", "Result", "check_model", "check_representation"]

#: name of a check -> function; the checks of a representation
CHECKS: dict[str, Callable[..., float]] = {
    "rotation": assert_rotation_equivariant,
    "reflection": assert_reflection_equivariant,
    "translation": assert_translation_invariant,
    "permutation": assert_permutation_equivariant,
    "batch": assert_batch_independent,
    "periodic images": assert_periodic,
    "pair direction": assert_pair_direction,
    "cutoff": assert_smooth_at_cutoff,
    "forces": assert_forces_are_gradient,
    "finite gradients": assert_finite_gradients,
    "double precision": assert_double_precision,
    "state dict": assert_state_dict_round_trip,
    "pickle": assert_pickle_round_trip,
    "torchscript": assert_scriptable,
    "elements": assert_elements,
}

#: checks of a model, which can have a stress, and may have no output by atom except the forces
MODEL_CHECKS = {k: v for k, v in CHECKS.items() if k != "pair direction"}
MODEL_CHECKS["stress"] = assert_stress_is_gradient


@dataclass(frozen=True)
class Result:
    """Result of one check.

    Args:
        check: name of the check.
        error: error of the check, None if the property holds.
        deviation: largest relative deviation, NaN if the check has none.
        reason: why this check was declared to fail, None if it was not.
    """

    check: str
    error: ConsistencyError | None
    deviation: float
    reason: str | None = None

    @property
    def ok(self) -> bool:
        """The check passed, or failed as declared; a declared failure that passes is not ok."""
        return (self.error is None) == (self.reason is None)

    def __str__(self) -> str:
        """Return one line: name, deviation, verdict."""
        if self.error is None:
            verdict = "passed" if self.ok else f"passed, but was declared to fail: {self.reason}"
            return f"{self.check:18s}{self.deviation:9.1e}  {verdict}"
        verdict = f"FAILED  {self.error}" if not self.ok else f"known fault ({self.reason})"
        return f"{self.check:18s}{self.deviation:9.1e}  {verdict}"


@dataclass(frozen=True)
class Report:
    """Results of all checks; `print(report)` gives a table.

    Args:
        name: class of the module.
        outputs: outputs tested, with their laws.
        results: one entry for every check.
    """

    name: str
    outputs: Mapping[str, str]
    results: tuple[Result, ...]

    @property
    def ok(self) -> bool:
        """Every check passed, or failed as declared."""
        return all(result.ok for result in self.results)

    def raise_if_failed(self) -> None:
        """Raise an `AssertionError` with the table unless every check is ok."""
        if not self.ok:
            raise AssertionError(str(self))

    def __str__(self) -> str:
        """Return the table, one line for every check."""
        outputs = ", ".join(f"{key} ({law})" for key, law in self.outputs.items())
        return "\n".join([f"{self.name}: {outputs}", *map(str, self.results)])


def check_representation(
    representation: Subject | nn.Module | Callable[[], nn.Module],
    *,
    known_faults: Mapping[str, str] | None = None,
    tolerances: Mapping[str, float] | None = None,
    **options,
) -> Report:
    """Run all checks of the kit over a representation, in float64.

    Args:
        representation: a `Subject`, a factory (best) or a module.
        known_faults: checks that are declared to fail, with the reason. They are run, too, and one
            that passes makes the report fail: a fault that is repaired must be removed here.
        tolerances: tolerances of single checks, instead of their defaults.
        **options: options of `Subject` (`cutoff`, `systems`, `elements`, `rotations_only`, ...).

    Returns:
        Report of all checks.

    Raises:
        InputError: a check is unknown, or the module cannot be tested.

    Example:
        >>> from schnetpack.nn import CosineCutoff, GaussianRBF
        >>> from schnetpack.representation import SchNet
        >>> report = check_representation(
        ...     lambda: SchNet(8, 1, GaussianRBF(8, 4.0), CosineCutoff(4.0)), elements=range(1, 10)
        ... )
        >>> report.ok
        True
    """
    return _check(_subject(representation, options), CHECKS, known_faults, tolerances)


def check_model(
    model: Subject | nn.Module | Callable[[], nn.Module],
    *,
    known_faults: Mapping[str, str] | None = None,
    tolerances: Mapping[str, float] | None = None,
    **options,
) -> Report:
    """Run all checks on a whole model (`NeuralNetworkPotential`), including energy and forces.

    The stress is tested if the model gives one.

    Args:
        model: a `Subject`, a factory (best) or a module. A trained model given as a module is
            tested with its weights.
        known_faults: checks that are declared to fail, with the reason.
        tolerances: tolerances of single checks, instead of their defaults.
        **options: options of `Subject`.

    Returns:
        Report of all checks.

    Raises:
        InputError: a check is unknown, or the model cannot be tested.
    """
    subject = _subject(model, options)
    checks = dict(MODEL_CHECKS)
    if properties.stress not in subject.laws:
        del checks["stress"]
    return _check(subject, checks, known_faults, tolerances)


def _subject(module, options) -> Subject:
    if isinstance(module, Subject):
        for name in options:
            raise InputError(f"the option '{name}' belongs to the Subject; give it there.")
        return module
    return Subject(module, **options)


def _check(subject, checks, known_faults, tolerances) -> Report:
    known_faults, tolerances = dict(known_faults or {}), dict(tolerances or {})
    for option, names in (("known_faults", known_faults), ("tolerances", tolerances)):
        for name in names:
            if name not in checks:
                raise InputError(f"{option} names '{name}'; use one of {', '.join(checks)}.")
    results = []
    for name, function in checks.items():
        more = {"tolerance": tolerances[name]} if name in tolerances else {}
        try:
            error, deviation = None, function(subject, **more)
        except ConsistencyError as caught:
            error, deviation = caught, caught.deviation
        results.append(Result(name, error, deviation, known_faults.get(name)))
    return Report(type(subject.module).__name__, dict(subject.laws), tuple(results))
