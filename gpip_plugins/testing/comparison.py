"""Comparison of tensors, and the error that names the failed property and the deviation."""

from collections.abc import Mapping

import torch

__all__ = ["ConsistencyError", "compare", "compare_all", "first_line"]


class ConsistencyError(AssertionError):
    """A property of a module that should hold and does not.

    Args:
        check: name of the property.
        sentence: description of the fault.
        deviation: largest deviation found, relative; NaN if there is none.
        tolerance: largest deviation allowed.
    """

    def __init__(
        self,
        check: str,
        sentence: str,
        deviation: float = float("nan"),
        tolerance: float = float("nan"),
    ):
        super().__init__(f"{check}: {sentence}")
        self.check = check
        self.deviation = deviation
        self.tolerance = tolerance


def compare(
    check: str,
    name: str,
    expected: torch.Tensor,
    actual: torch.Tensor,
    tolerance: float,
    scale: float | None = None,
) -> float:
    """Compare two tensors; the deviation is `max|actual - expected| / max|expected|`.

    Args:
        check: the property under test, for the message.
        name: name of the tensor, for the message.
        expected: reference.
        actual: tensor under test, of the same shape.
        tolerance: largest relative deviation allowed.
        scale: divisor instead of `max|expected|`.

    Returns:
        The relative deviation.

    Raises:
        ConsistencyError: other shape, a value that is not finite, or too large a deviation.
    """
    if expected.shape != actual.shape:
        raise ConsistencyError(
            check, f"{name} has shape {tuple(actual.shape)}, expected {tuple(expected.shape)}."
        )
    if not (torch.isfinite(expected).all() and torch.isfinite(actual).all()):
        raise ConsistencyError(check, f"{name} holds values that are not finite.", float("inf"))
    if expected.numel() == 0:
        return 0.0
    scale = scale if scale is not None else float(expected.abs().max())
    difference = float((actual.to(expected.dtype) - expected).abs().max())
    deviation = difference / scale if scale > 0 else difference
    if deviation > tolerance:
        raise ConsistencyError(
            check,
            f"{name} deviates by {deviation:.1e} of its largest value; tolerance {tolerance:.0e}.",
            deviation,
            tolerance,
        )
    return deviation


def compare_all(
    check: str,
    expected: Mapping[str, torch.Tensor],
    actual: Mapping[str, torch.Tensor],
    tolerance: float,
) -> float:
    """Compare all outputs of a module; return the largest relative deviation, see `compare`."""
    return max(compare(check, key, expected[key], actual[key], tolerance) for key in expected)


def first_line(error: Exception) -> str:
    """Return the kind of an error and the first line of its message."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0] if lines else ''}"
