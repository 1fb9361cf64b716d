"""Signals, a full disk and damaged results: a sentence, and finished trajectories stay."""

import os
import signal
import time

import numpy as np
import pytest

from gpip_plugins.errors import InputError
from gpip_plugins.sampling.campaign.interruption import stopping_on_signals
from gpip_plugins.sampling.campaign.shards import read_facts, read_shard, write_shard
from gpip_plugins.sampling.campaign.workers import run_tasks


class Writes:
    """A task that writes numbers; the second part of one that has a system is not needed here."""

    n_ticks = 1

    def __init__(self, name, n):
        self.shard, self.n = f"{name}.npz", n

    def run(self, folder, tick):
        tick()
        write_shard(folder / self.shard, {"a": np.zeros(self.n)}, {"complete": True})


def test_a_full_disk_is_told_and_finished_shards_are_kept(tmp_path, full_disk):
    tasks = [Writes("small", 10), Writes("large", 10**5)]
    with full_disk(20_000), pytest.raises(InputError, match=r"large\.npz failed .* start again"):
        run_tasks(tasks, tmp_path, cores=1, progress=False)
    assert (tmp_path / "small.npz").exists()
    assert not list(tmp_path.glob("*large*.npz")) and not list(tmp_path.glob("*.ticks"))
    run_tasks(tasks, tmp_path, cores=1, progress=False)
    assert read_facts(tmp_path / "large.npz") == {"complete": True}


@pytest.mark.parametrize("position", [0, 200, -30])
def test_a_damaged_shard_is_named(tmp_path, position):
    path = tmp_path / "a.npz"
    write_shard(path, {"a": np.arange(100.0)}, {"complete": True})
    data = bytearray(path.read_bytes())
    data[position] ^= 255
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"a\.npz, the result of .*, is damaged; delete it"):
        read_shard(path)
    path.write_bytes(data[:50])
    with pytest.raises(InputError, match="is damaged"):
        read_facts(path)


def test_a_signal_ends_the_sampling_with_a_sentence(capsys):
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as end, stopping_on_signals("a.db"):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(5)
    assert end.value.code == 143
    assert "a.db: stopped by SIGTERM; finished trajectories are kept, the same" in (
        capsys.readouterr().err
    )
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_worker_processes_end_with_the_sampling(tmp_path, start_program, number):
    words = ["system=ethanol", "n_frames=400", "temperatures=[300,400]", "sampling_interval=5"]
    words += ["cores=2", "force_field=mmff94", "run.data_dir=."]
    process = start_program(tmp_path, "gpip", "sample", *words)
    try:
        workers = wait_for(lambda: [p for p in children(process.pid) if has_ticks(tmp_path)])
        assert workers
        process.send_signal(number)
        _, errors = process.communicate(timeout=30)
        assert process.returncode == (143 if number == signal.SIGTERM else -9), errors
        assert number == signal.SIGKILL or "the same command continues" in errors
        assert "Traceback" not in errors
        assert wait_for(lambda: not any(map(alive, workers)), seconds=10)
    finally:
        process.kill()
        process.communicate()


def has_ticks(folder):
    return next(folder.rglob("*.ticks"), None) is not None


def wait_for(condition, seconds=120):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.2)
    return condition()


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as handle:
        return [int(word) for word in handle.read().split()]


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as handle:
            return handle.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
