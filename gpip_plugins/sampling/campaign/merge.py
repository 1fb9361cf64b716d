"""Merge shards into one database, with explosions, near-duplicates and cost in its metadata."""

import logging
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from tqdm import tqdm

from gpip_plugins.errors import InputError
from gpip_plugins.sampling.campaign.database import write_database
from gpip_plugins.sampling.campaign.plan import Plan, preparations
from gpip_plugins.sampling.campaign.preparation_task import PreparationTask
from gpip_plugins.sampling.campaign.tasks import Task
from gpip_plugins.sampling.campaign.thinning import distinct_frames
from gpip_plugins.sampling.campaign.trajectory_task import TrajectoryTask
from gpip_plugins.sampling.dynamics.trajectory import Trajectory
from gpip_plugins.sampling.settings import SamplingSettings

__all__ = ["describe_cost", "merge"]

log = logging.getLogger(__name__)

MAX_DEVIATION: Final = 0.05  # from the requested molarity; one molecule more is 2 to 4 %
BOX_FACTS: Final = ("density", "density_error", "density_drift", "molarity", "cutoff")

Facts = Sequence[tuple[Task, dict[str, Any]]]


def merge(
    plan: Plan, settings: SamplingSettings, metadata: dict[str, Any]
) -> tuple[int, dict[str, dict[str, float]]]:
    """Write the database from the shards of all trajectories, in the order of the plan.

    Added to the metadata are `n_rows`, `boxes` (density, molarity and cutoff after the preparation,
    by box and replica), `dropped` and `halved_time_step` (trajectories that exploded, or whose box
    did), `near_duplicates_dropped` (number of frames by system; empty without a search for them),
    `nve_drift` and `nve_drift_error` (drift of the total energy without a thermostat and its
    standard error in meV/atom/ps, by system, where it was checked), and `cost`.

    Args:
        plan: all tasks; their shards exist.
        settings: settings of the sampling.
        metadata: settings and other facts to be stored.

    Returns:
        Number of frames, and the cost: stage -> `core_seconds` and `gpu_seconds`.

    Raises:
        InputError: when a trajectory exploded and may not be dropped, or all trajectories exploded.
    """
    folder, min_difference = settings.shards, settings.output.min_difference
    tasks = _with_facts(plan.trajectories, folder)
    boxes = _with_facts(preparations(plan.trajectories), folder)
    checks = _with_facts(plan.checks, folder)
    for _, facts in boxes + tasks + checks:
        for message in facts["explosions"]:
            log.warning("%s", message)
    dropped = [task.label for task, facts in tasks if not facts["complete"]]
    _refuse_explosions(dropped, len(tasks), settings)
    for task, facts in boxes:
        _log_box(task, facts)
    started = time.process_time()
    results, near = _distinct(plan, settings)
    complete = [(task, facts) for task, facts in tasks if facts["complete"]]
    n_rows = sum(task.n_frames for task, _ in complete) - sum(near.values())
    cost = {"preparation": _cost(boxes)} if boxes else {}
    cost["trajectories"] = _cost(tasks)
    if checks:
        cost["energy check"] = _cost(checks)
    if min_difference:
        seconds = round(time.process_time() - started, 3)
        cost["near-duplicates"] = {"core_seconds": seconds, "gpu_seconds": 0.0}
    checked = [(task, facts) for task, facts in checks if facts["drift"] is not None]
    metadata = metadata | {
        "n_rows": n_rows,
        "boxes": {
            task.label: {key: facts[key] for key in BOX_FACTS}
            | {"molarity_asked": dict(task.system.molarity_asked)}
            for task, facts in boxes
        },
        "dropped": dropped,
        "halved_time_step": [task.label for task, facts in complete if facts["explosions"]],
        "near_duplicates_dropped": near,
        "nve_drift": {task.label: facts["drift"] for task, facts in checked},
        "nve_drift_error": {task.label: facts["drift_error"] for task, facts in checked},
    }
    write_database(settings.datapath, results, metadata, cost, settings.workers.progress)
    log.info("%s: %d frames.", settings.datapath, n_rows)
    return n_rows, cost


def _with_facts(tasks: Sequence[Task], folder: Path) -> list[tuple[Any, dict[str, Any]]]:
    """Return every task with the facts of its shard."""
    return [(task, task.facts(folder)) for task in tasks]


def _refuse_explosions(dropped: Sequence[str], n_tasks: int, settings: SamplingSettings) -> None:
    """Raise `InputError` if trajectories exploded and may not be dropped, or if all exploded."""
    half = f"also with half the time_step={settings.dynamics.time_step} fs"
    if dropped and not settings.output.drop_exploded:
        raise InputError(
            f"{len(dropped)} of {n_tasks} trajectories exploded, {half} (the first: {dropped[0]}); "
            "choose a smaller time_step or lower temperatures, or leave them out with "
            "on_explosion=drop."
        )
    if len(dropped) == n_tasks:
        raise InputError(
            f"all {n_tasks} trajectories exploded, {half}, which leaves nothing to store; choose a "
            "smaller time_step or lower temperatures."
        )


def describe_cost(cost: dict[str, dict[str, float]], n_frames: int) -> str:
    """Return the cost of every stage as a sentence.

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
    plan: Plan, settings: SamplingSettings
) -> tuple[Iterator[tuple[TrajectoryTask, Trajectory]], dict[str, int]]:
    """Return the trajectories without near-duplicates, and the number dropped by system."""
    min_difference, progress = settings.output.min_difference, settings.workers.progress
    results = plan.results(settings.shards)
    if not min_difference:
        return results, {}
    n_trajectories = len(plan.trajectories)
    bar = tqdm(results, "comparing", n_trajectories, unit="trajectory", disable=not progress)
    kept = distinct_frames(bar, min_difference, settings.seed, progress)
    near: dict[str, int] = {}
    for task in plan.trajectories:
        if task.shard in kept:
            n_dropped = int((~kept[task.shard]).sum())
            near[task.system.name] = near.get(task.system.name, 0) + n_dropped
    for name, n_dropped in near.items():
        if n_dropped:
            log.info(
                "%s: %d near-duplicates (up to %g Å) dropped.", name, n_dropped, min_difference
            )
    again = plan.results(settings.shards)
    return ((task, frames.only(kept[task.shard])) for task, frames in again), near


def _cost(tasks: Facts) -> dict[str, float]:
    """Return the sums of the costs stored in shards."""
    keys = ("core_seconds", "gpu_seconds")
    return {key: round(sum(facts[key] for _, facts in tasks), 3) for key in keys}


def _log_box(task: PreparationTask, facts: dict[str, Any]) -> None:
    """Log density and molarity after a preparation, and the requested molarity."""
    if not facts["complete"]:
        log.warning("%s: left out because it exploded during its preparation.", task.label)
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
                "%s: %.2f mol/L of %s instead of %g; concentration=%.3g may come closer, or "
                "box=large, which allows finer steps of the composition.",
                task.label,
                reached,
                name,
                wanted,
                wanted**2 / reached,
            )
