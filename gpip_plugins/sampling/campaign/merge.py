"""From shards to one database, with the account of what happened and what it cost."""

import logging
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from tqdm import tqdm

from gpip_plugins.errors import InputError
from gpip_plugins.sampling.campaign.database import write_database
from gpip_plugins.sampling.campaign.plan import Sampler
from gpip_plugins.sampling.campaign.preparation_task import PreparationTask
from gpip_plugins.sampling.campaign.thinning import distinct_frames
from gpip_plugins.sampling.campaign.trajectory_task import TrajectoryTask
from gpip_plugins.sampling.dynamics.trajectory import Trajectory

__all__ = ["describe_cost", "merge"]

log = logging.getLogger(__name__)

MAX_DEVIATION: Final = 0.05  # of a molarity from the one asked for; one molecule more is 2 to 4 %


def merge(
    sampler: Sampler,
    folder: Path,
    datapath: Path,
    metadata: dict[str, Any],
    drop_exploded: bool,
    min_difference: float = 0.0,
    progress: bool = True,
) -> tuple[int, dict[str, dict[str, float]]]:
    """Write the database from the shards of all trajectories, in an order of its own.

    To the metadata are added: `n_rows`, `boxes` (what came out of the preparation, by box and
    replica), `dropped` and `halved_time_step` (trajectories that exploded, or whose box did),
    `near_duplicates_dropped` (number of frames by system; empty unless they were looked for),
    `nve_drift` and `nve_drift_error` (drift of the total energy without a thermostat and its
    standard error in meV/atom/ps, by system, where it was checked), and `cost`.

    Args:
        sampler: all trajectories.
        folder: where the shards are.
        datapath: the database, ending in `.db`.
        metadata: settings and other facts to be stored.
        drop_exploded: leave trajectories out that exploded with half the time step, too.
        min_difference: Å; frames nearer to an earlier one of their system are left out, see
            `distinct_frames`. 0 keeps all.
        progress: show a progress bar.

    Returns:
        Number of frames, and the cost: stage -> `core_seconds` and `gpu_seconds`.

    Raises:
        InputError: when a trajectory exploded and `drop_exploded` is false, or all of them did.
    """
    tasks = [(task, task.facts(folder)) for task in sampler.tasks]
    boxes = [(task, task.facts(folder)) for task in sampler.preparations(sampler.tasks)]
    checks = [(task, task.facts(folder)) for task in sampler.checks]
    for _, facts in boxes + tasks + checks:
        for message in facts["explosions"]:
            log.warning("%s", message)
    dropped = [task.label for task, facts in tasks if not facts["complete"]]
    if dropped and not drop_exploded:
        raise InputError(
            f"{len(dropped)} of {len(tasks)} trajectories exploded, also with half the "
            f"time_step={sampler.dynamics.time_step} fs (the first: {dropped[0]}); choose a "
            "smaller time_step or lower temperatures, or leave them out with on_explosion=drop."
        )
    if len(dropped) == len(tasks):
        raise InputError(
            f"all {len(tasks)} trajectories exploded, also with half the "
            f"time_step={sampler.dynamics.time_step} fs, which leaves nothing to store; choose a "
            "smaller time_step or lower temperatures."
        )
    for task, facts in boxes:
        _tell(task, facts)
    started = time.process_time()
    results, near = _distinct(sampler, folder, min_difference, progress)
    n_rows = sum(task.n_frames for task, facts in tasks if facts["complete"]) - sum(near.values())
    halved = [t.label for t, facts in tasks if facts["complete"] and facts["explosions"]]
    cost = {"preparation": _cost(boxes)} if boxes else {}
    cost["trajectories"] = _cost(tasks)
    if checks:
        cost["energy check"] = _cost(checks)
    if min_difference:
        seconds = round(time.process_time() - started, 3)
        cost["near-duplicates"] = {"core_seconds": seconds, "gpu_seconds": 0.0}
    found = [(task, facts) for task, facts in checks if facts["drift"] is not None]
    keys = ("density", "density_error", "density_drift", "molarity")
    metadata = metadata | {
        "n_rows": n_rows,
        "boxes": {
            task.label: {key: facts[key] for key in keys}
            | {"molarity_asked": dict(task.system.molarity_asked)}
            for task, facts in boxes
        },
        "dropped": dropped,
        "halved_time_step": halved,
        "near_duplicates_dropped": near,
        "nve_drift": {t.label: f["drift"] for t, f in found},
        "nve_drift_error": {t.label: f["drift_error"] for t, f in found},
    }
    write_database(datapath, results, metadata, cost, progress)
    log.info("%s: %d frames.", datapath, n_rows)
    return n_rows, cost


def describe_cost(cost: dict[str, dict[str, float]], n_frames: int) -> str:
    """Return what every stage cost, for people.

    Args:
        cost: stage -> `core_seconds` and `gpu_seconds`, as in the metadata of a database.
        n_frames: number of frames.

    Example:
        >>> describe_cost({"writing": {"core_seconds": 1.25, "gpu_seconds": 0.0}}, n_frames=10)
        'Cost: writing 1.2 core-seconds; 0.125 core-seconds a frame.'
    """
    stages = []
    for stage, seconds in cost.items():
        gpu = f" and {seconds['gpu_seconds']:.1f} GPU-seconds" if seconds["gpu_seconds"] else ""
        stages.append(f"{stage} {seconds['core_seconds']:.1f} core-seconds{gpu}")
    each = sum(seconds["core_seconds"] for seconds in cost.values()) / max(n_frames, 1)
    return f"Cost: {', '.join(stages)}; {each:.3g} core-seconds a frame."


def _distinct(
    sampler: Sampler, folder: Path, min_difference: float, progress: bool
) -> tuple[Iterator[tuple[TrajectoryTask, Trajectory]], dict[str, int]]:
    """Return the trajectories without near-duplicates, and how many were left out, by system."""
    if not min_difference:
        return sampler.results(folder), {}
    bar = tqdm(
        sampler.results(folder),
        "comparing",
        len(sampler.tasks),
        unit="trajectory",
        disable=not progress,
    )
    kept = distinct_frames(bar, min_difference, sampler.seed, progress)
    near: dict[str, int] = {}
    for task in sampler.tasks:
        if task.shard in kept:
            n_dropped = int((~kept[task.shard]).sum())
            near[task.system.name] = near.get(task.system.name, 0) + n_dropped
    for name, n_dropped in near.items():
        if n_dropped:
            log.info(
                "%s: %d near-duplicates (up to %g Å) dropped.", name, n_dropped, min_difference
            )
    results = sampler.results(folder)
    return ((task, frames.only(kept[task.shard])) for task, frames in results), near


def _cost(tasks: Sequence[tuple[Any, dict[str, Any]]]) -> dict[str, float]:
    """Return the sums of what shards say of their cost."""
    keys = ("core_seconds", "gpu_seconds")
    return {key: round(sum(facts[key] for _, facts in tasks), 3) for key in keys}


def _tell(task: PreparationTask, facts: dict[str, Any]) -> None:
    """Say what came out of a preparation: density, and molarity beside the one asked for."""
    if not facts["complete"]:
        log.warning("%s: left out, for it exploded while it was prepared.", task.label)
        return
    error = f" +- {facts['density_error']:.3f}" if facts["density_error"] is not None else ""
    asked, parts = task.system.molarity_asked, []
    for name, reached in facts["molarity"].items():
        wanted = asked.get(name)
        off = f" (asked: {wanted:g}, {reached / wanted - 1:+.1%})" if wanted else ""
        parts.append(f"{name} {reached:.2f}{off}")
    log.info(
        "%s: density %.3f%s g/cm3; mol/L: %s.",
        task.label,
        facts["density"],
        error,
        ", ".join(parts),
    )
    for name, wanted in asked.items():
        reached = facts["molarity"][name]
        if abs(reached / wanted - 1.0) > MAX_DEVIATION:
            log.warning(
                "%s: %.2f mol/L of %s instead of %g; concentration=%.3g may come nearer, or "
                "box=large, whose numbers of molecules are finer.",
                task.label,
                reached,
                name,
                wanted,
                wanted**2 / reached,
            )
