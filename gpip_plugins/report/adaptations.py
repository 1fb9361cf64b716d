"""Findings on what the sampler adapted by itself: cutoffs, time steps, trajectories left out."""

from collections.abc import Mapping
from typing import Any, Final

__all__ = ["SHORT_CUTOFF", "adaptation_findings"]

#: Å. The second shell of water ends at 5.5 Å; 64 molecules of water allow 5.9 Å.
SHORT_CUTOFF: Final = 5.5


def adaptation_findings(metadata: Mapping[str, Any]) -> list[str]:
    """Return the findings on adaptations that the metadata of a sampled database state.

    Args:
        metadata: of the database; `boxes`, `halved_time_step` and `dropped` are used.

    Example:
        >>> adaptation_findings({"boxes": {"salt, replica 0": {"cutoff": 4.56}}})
        ['salt, replica 0: the small cell allowed a cutoff of 4.56 Å only, less than 5.5 Å, ...]
    """
    found = []
    for label, facts in metadata.get("boxes", {}).items():
        cutoff = facts.get("cutoff")
        if cutoff is not None and cutoff < SHORT_CUTOFF:
            found.append(
                f"{label}: the small cell allowed a cutoff of {cutoff:.2f} Å only, less than "
                f"{SHORT_CUTOFF:g} Å, so that structure and density depend on it; take more "
                "molecules."
            )
    time_step = (metadata.get("sampling") or {}).get("time_step")
    for name, what in (
        ("halved_time_step", "run with half of it"),
        ("dropped", "with half of it, and left out"),
    ):
        if labels := metadata.get(name):
            more = f" and {len(labels) - 1} more" if len(labels) > 1 else ""
            found.append(
                f"{labels[0]}{more}: unstable with time_step={time_step} fs, {what}; choose a "
                "smaller time_step."
            )
    return found
