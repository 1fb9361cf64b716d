"""Run tasks on all cores of a machine in worker processes of joblib, with one progress bar.

Every worker appends one byte to a file of its task at every tick; the sum of the sizes of these
files is the progress. So the progress bar needs no communication between processes, and a killed
run leaves only files.
"""

import contextlib
import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from fasteners import InterProcessLock
from joblib import Parallel, cpu_count, delayed, parallel_config
from joblib.externals.loky import BrokenProcessPool
from tqdm import tqdm

from gpip_plugins.errors import InputError
from gpip_plugins.io.paths import writing
from gpip_plugins.sampling.campaign.interruption import ending_with
from gpip_plugins.sampling.campaign.tasks import Task, missing

__all__ = ["number_of_cores", "run_tasks"]

REFRESH: Final = 0.5  # s between two updates of the progress bar


def number_of_cores(cores: int | None) -> int:
    """Return the number of processes to use.

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
    """Run the tasks whose shards are missing; return when all shards exist.

    Args:
        tasks: tasks in the order in which they are started.
        folder: folder of the shards; it is created.
        cores: number of processes; 1 runs all tasks in this process.
        description: text in front of the progress bar.
        unit: unit of the progress bar.
        tick: number of units per tick.
        progress: show a progress bar.

    Raises:
        InputError: when the disk is full, or a worker process was killed; finished shards stay.
    """
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    to_run = missing(tasks, folder)
    n_jobs = min(cores, len(to_run))
    with _Progress(tasks, folder, description, unit, tick, progress):
        if n_jobs <= 1:
            for task in to_run:
                _execute(task, folder)
        else:
            # Processes, not threads: OpenMM's Reference platform has one generator per process.
            main = os.getpid()
            with parallel_config(backend="loky", inner_max_num_threads=1), _whole_pool(n_jobs):
                Parallel(n_jobs, batch_size=1)(
                    delayed(_execute)(task, folder, main) for task in to_run
                )


@contextlib.contextmanager
def _whole_pool(n_jobs: int) -> Iterator[None]:
    """Convert the error of joblib for a killed worker process to an `InputError`."""
    try:
        yield
    except BrokenProcessPool as error:
        raise InputError(
            f"a worker process was ended from outside, perhaps for lack of memory with "
            f"cores={n_jobs}; finished trajectories are kept, start again, for example with "
            f"cores={max(n_jobs // 2, 1)}."
        ) from error


def _execute(task: Task, folder: Path, main: int | None = None) -> None:
    """Run one task, unless another process has written its shard already.

    A worker gets the number of its main process, with which it ends.
    """
    if main is not None:
        ending_with(main)
    shard = folder / task.shard
    with writing(shard), InterProcessLock(shard.with_suffix(".lock")):
        if shard.exists():
            return
        ticks = _ticks(shard)
        with open(ticks, "wb", buffering=0) as file:

            def tick() -> None:
                # Ticks only move the bar; a full disk is reported when the shard is written.
                with contextlib.suppress(OSError):
                    file.write(b".")

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
        # Tasks finished before this run do not count for the rate.
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
