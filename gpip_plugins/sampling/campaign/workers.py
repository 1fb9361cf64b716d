"""Tasks on all cores of a machine: worker processes of joblib, one progress bar for all.

Every worker appends one byte to a file of its task at every tick; the sum of their sizes is the
progress. So the bar needs no channel between processes, and a killed run leaves nothing but files.
"""

import contextlib
import os
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from fasteners import InterProcessLock
from joblib import Parallel, cpu_count, delayed, parallel_config
from tqdm import tqdm

from gpip_plugins.sampling.campaign.tasks import Task, missing

__all__ = ["number_of_cores", "run_tasks"]

REFRESH: Final = 0.5  # s between two updates of the progress bar


def number_of_cores(cores: int | None) -> int:
    """Return how many processes to use.

    Args:
        cores: number of processes; None for all cores that this process may use.

    Example:
        >>> number_of_cores(3)
        3
    """
    return cpu_count() if cores is None else cores


def run_tasks(
    tasks: Sequence[Task],
    folder: Path,
    cores: int,
    description: str = "",
    unit: str = "frame",
    tick: float = 1,
    progress: bool = True,
) -> None:
    """Run the tasks whose shards are missing; return when all shards are there.

    Args:
        tasks: what to run, in the order in which they are started.
        folder: where the shards are kept; it is created.
        cores: number of processes; 1 stays in this one.
        description: text in front of the progress bar.
        unit: of the progress bar.
        tick: how many units one tick stands for.
        progress: show a progress bar.
    """
    folder.mkdir(parents=True, exist_ok=True)
    to_run = missing(tasks, folder)
    n_jobs = min(cores, len(to_run))
    with _Progress(tasks, folder, description, unit, tick, progress):
        if n_jobs <= 1:
            for task in to_run:
                _execute(task, folder)
        else:
            # Explicitly processes: OpenMM's Reference platform has one generator per process.
            main = os.getpid()
            with parallel_config(backend="loky", inner_max_num_threads=1):
                Parallel(n_jobs, batch_size=1)(
                    delayed(_execute)(task, folder, main) for task in to_run
                )


def _execute(task: Task, folder: Path, main: int | None = None) -> None:
    """Run one task, unless another process on the same folder was faster.

    A worker, which knows the number of its main process, stops when that is gone.
    """
    shard = folder / task.shard
    with InterProcessLock(shard.with_suffix(".lock")):
        if shard.exists():
            return
        ticks = _ticks(shard)
        with open(ticks, "wb", buffering=0) as file:

            def tick() -> None:
                # Ticks only move the bar; a full disk is reported by what has to be written.
                with contextlib.suppress(OSError):
                    file.write(b".")
                if main is not None and os.getppid() != main:
                    raise SystemExit(f"{task.shard}: the main process is gone")

            try:
                task.run(folder, tick)
            finally:
                ticks.unlink(missing_ok=True)


def _ticks(shard: Path) -> Path:
    return shard.with_suffix(".ticks")


class _Progress:
    """A progress bar over all tasks, refreshed by a thread."""

    def __init__(self, tasks: Iterable[Task], folder: Path, description, unit, tick, progress):
        self.waiting = {folder / task.shard: task.n_ticks for task in tasks}
        self.finished, self.tick = 0, tick
        total = tick * sum(self.waiting.values())
        self.bar = tqdm(total=total, desc=description, unit=unit, disable=not progress)
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self._refresh, daemon=True)

    def __enter__(self):
        self._update()
        # For the rate: what was there has not been run now.
        self.bar.initial = self.tick * self.finished
        self.thread.start()

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join()
        self._update()
        self.bar.close()

    def _refresh(self) -> None:
        while not self.stop.wait(REFRESH):
            self._update()

    def _update(self) -> None:
        running = 0
        for shard, n_ticks in list(self.waiting.items()):
            if shard.exists():
                self.finished += self.waiting.pop(shard)
                continue
            try:
                running += min(_ticks(shard).stat().st_size, n_ticks)
            except FileNotFoundError:
                continue
        self.bar.n = self.tick * (self.finished + running)
        self.bar.refresh()
