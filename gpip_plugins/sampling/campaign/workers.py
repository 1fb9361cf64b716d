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

from gpip_plugins.errors import InputError
from gpip_plugins.sampling.campaign.tasks import Task

__all__ = ["number_of_cores", "run_tasks"]

REFRESH: Final = 0.5  # s between two looks at the progress


def number_of_cores(cores: int | None) -> int:
    """Return how many processes to use.

    Args:
        cores: number of processes; None for all cores that this process may use.

    Raises:
        InputError: when it is less than one.

    Example:
        >>> number_of_cores(3)
        3
    """
    if cores is None:
        return cpu_count()
    if isinstance(cores, bool) or not isinstance(cores, int) or cores < 1:
        raise InputError(
            f"cores={cores!r} is no number of processes; give for example cores=2, or cores=null "
            "for all cores."
        )
    return cores


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
    missing = [task for task in tasks if not (folder / task.shard).exists()]
    n_jobs = min(cores, len(missing))
    with _Progress(tasks, folder, description, unit, tick, progress):
        if n_jobs <= 1:
            for task in missing:
                _execute(task, folder)
        else:
            # Explicitly processes: OpenMM's Reference platform has one generator per process.
            main = os.getpid()
            with parallel_config(backend="loky", inner_max_num_threads=1):
                Parallel(n_jobs, batch_size=1)(
                    delayed(_execute)(task, folder, main) for task in missing
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
                # They only move the progress bar; a full disk is told by what has to be written.
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
        self._look()
        self.bar.initial = (
            self.tick * self.finished
        )  # for the rate: what was there has not been run now
        self.thread.start()

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join()
        self._look()
        self.bar.close()

    def _refresh(self) -> None:
        while not self.stop.wait(REFRESH):
            self._look()

    def _look(self) -> None:
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
