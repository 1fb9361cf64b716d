"""The coverage of labelled structures in a report: which frames are compared, and its figures."""

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
DESCRIBED_ATOMS = 200_000  # descriptors of a box cost as much as those of its atoms


@dataclass(frozen=True)
class ComparedFrames:
    """The comparison of sampled with labelled frames.

    Args:
        coverage: of the compared labelled frames by the compared sampled ones.
        temperatures: of the compared sampled frames in K, shape (n_sampled,).
        rows: number of each compared labelled frame in its file, shape (n_labelled,).
        n_labelled: all labelled frames.
    """

    coverage: Coverage
    temperatures: np.ndarray
    rows: np.ndarray
    n_labelled: int

    def figures(self, labels: str | os.PathLike) -> dict[str, Any]:
        """Return the coverage's part of the report.

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

    Both sets are thinned out at random to what can be described in a minute or so.

    Args:
        systems: what was sampled.
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
    """Return how many frames of these sizes are described."""
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
