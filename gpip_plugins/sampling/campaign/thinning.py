"""Find near-duplicates to leave out of a data set before it is written."""

from collections.abc import Iterable
from itertools import groupby

import numpy as np

from gpip_plugins.analysis.duplicates import fingerprints, near_duplicates
from gpip_plugins.sampling.campaign.trajectory_task import TrajectoryTask
from gpip_plugins.sampling.dynamics.trajectory import Trajectory

__all__ = ["distinct_frames"]


def distinct_frames(
    results: Iterable[tuple[TrajectoryTask, Trajectory]],
    min_difference: float,
    seed: int,
    progress: bool,
) -> dict[str, np.ndarray]:
    """Return which frames differ from all frames of their system that were kept before.

    Frames of all temperatures and replicas of a system are compared, in the order of the database,
    by the root mean square difference of the distances between their atoms
    (`gpip_plugins.analysis.duplicates`).

    Args:
        results: tasks with their trajectories; trajectories of one system follow each other.
        min_difference: Å; a frame that is at most this far from a kept one is dropped.
        seed: seed of the pairs of atoms by which large systems are compared.
        progress: show a progress bar of the comparison.

    Returns:
        Name of the trajectory's shard -> True for the frames to keep, shape (n_frames,).
    """
    kept: dict[str, np.ndarray] = {}
    for _, group in groupby(results, lambda result: result[0].system.name):
        vectors = {task.shard: _vectors(task, frames, seed) for task, frames in group}
        dropped = near_duplicates(np.concatenate(list(vectors.values())), min_difference, progress)
        ends = np.cumsum([len(part) for part in vectors.values()])
        kept |= dict(zip(vectors, np.split(~dropped, ends[:-1]), strict=True))
    return kept


def _vectors(task: TrajectoryTask, frames: Trajectory, seed: int) -> np.ndarray:
    """Return the vectors by which frames of a trajectory are compared."""
    periodic = task.system.cell is not None
    cells = np.broadcast_to(frames.cell, (len(frames), 3, 3)) if periodic else None
    return fingerprints(frames.positions, cells, np.full(3, periodic), seed)
