"""The coverage of labelled structures in a report: compared frames and figures."""

import os
from dataclasses import dataclass
from typing import Any

import numpy as np
from ase import Atoms

from gpip_plugins.analysis.coverage import MIN_SAMPLED, QUANTILE, Coverage, Neighbours, compare
from gpip_plugins.errors import InputError
from gpip_plugins.report.sampled import SampledSystem, choose

__all__ = ["ComparedFrames", "compare_frames"]

DESCRIBED_FRAMES = 5000
DESCRIBED_ATOMS = 200_000  # the cost of the descriptors of a frame grows with its atoms


@dataclass(frozen=True)
class ComparedFrames:
    """The comparison of sampled with labelled frames.

    Args:
        coverage: coverage of the compared labelled frames by the compared sampled frames.
        temperatures: temperatures of the compared sampled frames in K, shape (n_sampled,).
        rows: number of each compared labelled frame in its file, shape (n_labelled,).
        n_labelled: number of all labelled frames.
    """

    coverage: Coverage
    temperatures: np.ndarray
    rows: np.ndarray
    n_labelled: int

    def figures(self, labels: str | os.PathLike) -> dict[str, Any]:
        """Return the section of the report on the coverage.

        Args:
            labels: the file with the labelled structures.
        """
        coverage = self.coverage
        return {
            "labelled": os.path.basename(labels),
            "n_labelled": self.n_labelled,
            "criterion": "a labelled vector is covered when its nearest sampled vector is at most "
            f"as far as {QUANTILE:.0%} of the sampled vectors are from their nearest other one; "
            "never sampled: further than all of them",
            "frames": _figures(coverage.frames),
            "environments": {name: _figures(it) for name, it in coverage.environments.items()},
            "elements_never_sampled": {name: len(it) for name, it in coverage.missing.items()},
        }


def compare_frames(
    systems: list[SampledSystem], labelled: list[Atoms], seed: int = 0, progress: bool = True
) -> ComparedFrames:
    """Compare sampled with labelled frames.

    Frames are drawn at random from both sets; their number keeps the time to about a minute.

    Args:
        systems: the sampled systems.
        labelled: labelled structures in Å.
        seed: seed of all random choices.
        progress: show a progress bar.

    Raises:
        InputError: when too few frames were sampled.
    """
    rng = np.random.default_rng(seed)
    frames = [(system, k) for system in systems for k in range(len(system.chosen))]
    if len(frames) < MIN_SAMPLED:
        raise InputError(
            f"{len(frames)} sampled frames are too few for a coverage; sample at least "
            f"{MIN_SAMPLED}, or leave labels out."
        )
    kept = choose(len(frames), _affordable([len(system.numbers) for system, _ in frames]), rng)
    rows = choose(len(labelled), _affordable([len(atoms) for atoms in labelled]), rng)
    sampled = [frames[k] for k in kept]
    return ComparedFrames(
        compare(
            [system.structure(k) for system, k in sampled],
            [labelled[k] for k in rows],
            seed,
            progress,
        ),
        np.array([system.temperature[system.chosen[k]] for system, k in sampled]),
        rows,
        len(labelled),
    )


def _affordable(n_atoms: list[int]) -> int:
    """Return the number of frames of these sizes that are described."""
    by_atoms = int(DESCRIBED_ATOMS / np.mean(n_atoms))
    return max(MIN_SAMPLED, min(DESCRIBED_FRAMES, by_atoms))


def _figures(neighbours: Neighbours) -> dict[str, float]:
    return {
        "covered": neighbours.covered,
        "expected_if_equal": QUANTILE,
        "never_sampled": len(neighbours.never_sampled) / len(neighbours.labelled),
        "threshold": neighbours.threshold,
        "median_distance": float(np.median(neighbours.labelled)),
        "median_own_distance": float(np.median(neighbours.sampled)),
        "n_labelled": len(neighbours.labelled),
        "n_sampled": len(neighbours.sampled),
    }
