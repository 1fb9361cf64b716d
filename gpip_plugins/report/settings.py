"""The settings of the reports and their defaults."""

from dataclasses import dataclass
from typing import Final

from gpip_plugins.errors import check_number, check_whole

__all__ = ["LEAKAGE_TOLERANCE", "QualitySettings"]

LEAKAGE_TOLERANCE: Final = 1e-3
"""Largest distance of an atom from its partner in equal structures, in Å."""


@dataclass(frozen=True)
class QualitySettings:
    """Settings of the quality report.

    Args:
        max_frames: number of random frames whose positions are examined; at least 20.
        tolerance: Å; frames are near-duplicates if the root mean square difference of their
            interatomic distances is at most this.
        seed: seed of all random choices.

    Raises:
        InputError: for a value out of range.

    Example:
        >>> QualitySettings(max_frames=5)  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        gpip_plugins.errors.InputError: max_frames=5 is not a whole number of at least 20; give ...
    """

    max_frames: int = 20_000
    tolerance: float = 0.02
    seed: int = 0

    def __post_init__(self):
        """Check the ranges."""
        # Imported here, so that the command prints its defaults without importing the analysis.
        from gpip_plugins.analysis.coverage import MIN_SAMPLED

        check_whole("max_frames", self.max_frames, least=MIN_SAMPLED)
        tolerance = check_number("tolerance", self.tolerance, least=0.0, unit="Å", example=0.02)
        object.__setattr__(self, "tolerance", tolerance)
        check_whole("seed", self.seed, least=0)
