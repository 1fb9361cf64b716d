"""One folder, one run."""

import gc
import os
import subprocess
import sys
import time

import pytest

from gpip_plugins.errors import InputError
from gpip_plugins.train import RunLock

# Takes the lock, says so, and waits to be told what to do.
HOLDER = """
import sys
from gpip_plugins.train.run_lock import RunLock
lock = RunLock(sys.argv[1])
print("held", flush=True)
sys.stdin.readline()
lock.teardown(None, None, "test")
print("released", flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def holder(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


@pytest.mark.slow
def test_second_run_is_refused_until_the_first_has_been_tested(holder, tmp_path):
    with pytest.raises(InputError) as caught:
        RunLock(tmp_path)
    gc.collect()  # a handle left open would warn here
    assert f"process {holder.pid}" in str(caught.value)
    assert "run.id=" in str(caught.value) and str(tmp_path) in str(caught.value)

    holder.stdin.write("\n")
    holder.stdin.flush()
    assert holder.stdout.readline() == "released\n"
    RunLock(tmp_path).release()


@pytest.mark.slow
def test_a_killed_run_does_not_block(holder, tmp_path):
    holder.kill()
    holder.wait()
    assert (tmp_path / "run.lock").exists()
    for _ in range(50):
        try:
            RunLock(tmp_path).release()
            return
        except InputError:
            time.sleep(0.1)
    pytest.fail("the lock of a killed process still blocks")


def test_the_file_names_the_holder_and_is_reusable(tmp_path):
    lock = RunLock(tmp_path)
    assert str(os.getpid()) in (tmp_path / "run.lock").read_text()
    # A second callback in the same process, for instance of a second trainer.
    RunLock(tmp_path)
    lock.release()
    RunLock(tmp_path).release()


def test_other_ranks_do_not_lock(tmp_path, monkeypatch):
    from pytorch_lightning.utilities import rank_zero_only

    monkeypatch.setattr(rank_zero_only, "rank", 1)
    RunLock(tmp_path)
    assert not (tmp_path / "run.lock").exists()


def test_a_folder_that_cannot_be_locked_is_named(tmp_path):
    (tmp_path / "run.lock").mkdir()
    with pytest.raises(InputError, match="cannot be locked"):
        RunLock(tmp_path)
