"""Sample a database if it is missing."""

import logging
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import fasteners

from gpip_plugins import __version__
from gpip_plugins.io.paths import remove_partial
from gpip_plugins.sampling.campaign.interruption import stopping_on_signals
from gpip_plugins.sampling.campaign.merge import describe_cost, merge
from gpip_plugins.sampling.campaign.plan import CoveredSystem, Plan, covered_systems, make_plan
from gpip_plugins.sampling.campaign.run import estimate_run, run_plan
from gpip_plugins.sampling.campaign.stored import check_folder, compare, record
from gpip_plugins.sampling.campaign.tasks import missing
from gpip_plugins.sampling.forcefield import summary
from gpip_plugins.sampling.settings import SamplingSettings

__all__ = ["generate"]

log = logging.getLogger(__name__)

MAX_LISTED: Final = 16  # with more systems, only those with the fall-back force field are printed


def generate(settings: SamplingSettings) -> bool:
    """Sample a database if it is missing, else check that it has the requested settings.

    An existing database is used if it was made with the same settings, and refused otherwise.
    Sampling resumes after an interruption; of several processes one samples and the others wait.
    Frames depend on the settings and the seed only, not on the number of cores.

    Every row has `energy` (eV, (1,)), `forces` (eV/Å, (n_atoms, 3)), both of the force field, the
    thermostat's `temperature` and the frame's `kinetic_temperature` (K, (1,)), and the key-value
    pairs `system`, `force_field` and `replica`. The metadata hold the settings under `sampling` and
    the cost of every stage under `cost`.

    Args:
        settings: settings of the sampling.

    Returns:
        Whether the database exists; of several parts, only the last one returns True.

    Raises:
        InputError: for settings that cannot work, before anything is simulated; when trajectories
            explode; when the disk is full.
        SystemExit: on SIGTERM and similar signals; finished trajectories are kept.
    """
    with stopping_on_signals(settings.datapath):
        return _generate(settings)


def _generate(settings: SamplingSettings) -> bool:
    """Sample if the database is missing, else compare its settings."""
    datapath = Path(settings.datapath)
    covered = covered_systems(settings)
    lock = fasteners.InterProcessLock(datapath.with_name(f".{datapath.name}.generating"))
    if datapath.exists():
        log.info("%s exists already.", datapath)
        compare(datapath, record(settings, covered))
        _make_up_for_report(settings, covered, lock)
        return True
    plan = make_plan(settings, covered)
    _check(settings, plan)
    if settings.workers.parts > 1:
        _sample(settings, plan, covered)
    if not lock.acquire(blocking=False):
        log.warning("Another process is generating %s; waiting for it.", datapath)
        lock.acquire()
    try:
        if not datapath.exists():
            # Left by a killed process: with the lock held, no process is writing now.
            remove_partial(datapath)
            if settings.workers.parts == 1:
                _sample(settings, plan, covered)
            if _others_have_tasks_left(settings, plan):
                return False
            _write(settings, plan, covered)
    finally:
        lock.release()
    compare(datapath, record(settings, covered))
    return True


def _make_up_for_report(
    settings: SamplingSettings,
    covered: Sequence[CoveredSystem],
    lock: fasteners.InterProcessLock,
) -> None:
    """Finish a run that was stopped before its report, unless a process is still running."""
    if settings.shards.exists() and lock.acquire(blocking=False):
        try:
            _finish(settings, covered)
        finally:
            lock.release()


def _check(settings: SamplingSettings, plan: Plan) -> None:
    """Check before the sampling for errors that would otherwise occur only after it."""
    check_folder(Path(settings.datapath).parent, plan)
    if settings.output.labels is not None:
        from gpip_plugins.report.beside import check_labels

        check_labels(settings.output.labels, settings.schedule.n_frames)


def _sample(settings: SamplingSettings, plan: Plan, covered: Sequence[CoveredSystem]) -> None:
    """Print the tasks of this part and their estimated time, then run them."""
    tasks = plan.share(settings.workers.part, settings.workers.parts)
    to_run = missing(tasks, settings.shards)
    log.info(
        "Sampling %d frames into %s: %d system(s) at %d temperature(s), %d of %d tasks to run "
        "here.",
        settings.schedule.n_frames,
        settings.datapath,
        len(covered),
        len(settings.schedule.temperatures),
        len(to_run),
        len(tasks),
    )
    _log_coverage(settings.force_field, covered)
    if to_run:
        log.info("Estimated time: %s.", estimate_run(plan, settings))
    run_plan(plan, settings)


def _log_coverage(force_field: str, covered: Sequence[CoveredSystem]) -> None:
    """Print what was estimated, shortened or chosen for each system; of many, only the number."""
    open_ones = 0
    for system, _, coverage in covered:
        if coverage.instead_of is not None or len(covered) <= MAX_LISTED:
            log.info("%s: %s.", system.name, coverage.sentence())
        else:
            open_ones += bool(coverage.notes)
    if open_ones:
        log.info(
            "%d further system(s) left something open, such as a stereocentre; what was chosen is "
            "in the metadata `coverage`.",
            open_ones,
        )
    log.info("%s", summary(force_field, [coverage for *_, coverage in covered]))


def _others_have_tasks_left(settings: SamplingSettings, plan: Plan) -> bool:
    """Return whether other parts must run before the database can be written, and log it."""
    left = missing(plan.tasks, settings.shards)
    if left:
        log.info(
            "Part %d of %d is done; other parts have %d of %d tasks left.",
            settings.workers.part,
            settings.workers.parts,
            len(left),
            len(plan.tasks),
        )
    return bool(left)


def _write(settings: SamplingSettings, plan: Plan, covered: Sequence[CoveredSystem]) -> None:
    """Write the database, report on it and remove the shards."""
    metadata: dict[str, Any] = {
        "sampling": record(settings, covered),
        "coverage": {system.name: asdict(coverage) for system, _, coverage in covered},
        "generator": f"gpip_plugins {__version__}",
    }
    n_rows, cost = merge(plan, settings, metadata)
    cost |= _finish(settings, covered)
    log.info("%s", describe_cost(cost, n_rows))


def _finish(
    settings: SamplingSettings, covered: Sequence[CoveredSystem]
) -> dict[str, dict[str, float]]:
    """Write the quality report, remove the shards, and return the cost of the report."""
    cost = {}
    if settings.output.quality:
        # Imported here: the import takes a second, which opening a database does not need.
        from gpip_plugins.report.beside import report_beside

        n_atoms = sum(len(system.numbers) for system, *_ in covered) / len(covered)
        seconds = report_beside(
            Path(settings.datapath),
            n_atoms,
            settings.output.labels,
            settings.seed,
            settings.workers.progress,
        )
        cost["quality report"] = {"core_seconds": round(seconds, 3), "gpu_seconds": 0.0}
    shutil.rmtree(settings.shards)
    return cost
