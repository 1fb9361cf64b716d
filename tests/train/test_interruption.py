"""A run that is stopped ends with an error code and one sentence; its folder says so."""

import shlex
import signal
import sys

import pytest
from pytorch_lightning import Callback

from gpip_plugins.io.unfinished import note_beside
from gpip_plugins.train import Interruption, SafeGlobals

EXIT = {"SIGTERM": 143, "SIGUSR1": 143, "SIGXCPU": 143, "SIGHUP": 143, "SIGINT": 1}


class Send(Callback):
    """Sends a signal in the third epoch."""

    def __init__(self, name):
        self.number = getattr(signal, name)

    def on_train_batch_end(self, trainer, *args):
        if trainer.current_epoch == 2:
            signal.raise_signal(self.number)


@pytest.fixture
def typed(monkeypatch):
    """Make the process look like `spktrain`; return the words."""
    words = ["/bin/spktrain", "experiment=gpip_finetune", "data.datapath=my labels.db"]
    monkeypatch.setattr(sys, "argv", words)
    return words


@pytest.fixture
def stop(make_task, make_data, make_trainer, typed):
    """Return a function that trains until something stops the run; the exit code."""

    def run(*callbacks, **options):
        trainer = make_trainer(Interruption("a=1"), SafeGlobals(), *callbacks, **options)
        before = signal.getsignal(signal.SIGINT)  # which Lightning ignores from then on
        try:
            with pytest.raises(SystemExit) as end:
                trainer.fit(make_task(), datamodule=make_data())
        finally:
            signal.signal(signal.SIGINT, before)
        return end.value.code

    return run


@pytest.mark.parametrize("name", EXIT)
def test_a_signal_is_not_success(stop, name, capsys, tmp_path):
    assert stop(Send(name), max_epochs=9) == EXIT[name]
    said = capsys.readouterr().err.strip().splitlines()[-1]
    cause = "an interrupt" if name == "SIGINT" else name
    assert f"stopped by {cause} after 2 finished epochs of 9; to go on, type" in said
    command = shlex.split(said.partition("same folder: ")[2])
    assert command == [
        "spktrain",
        "experiment=gpip_finetune",
        "data.datapath=my labels.db",
        'run.id="a=1"',
    ]
    assert "has not finished" in note_beside(tmp_path / "best_model")
    assert signal.getsignal(getattr(signal, name)) in (signal.SIG_DFL, signal.default_int_handler)


def test_the_time_limit_of_the_trainer_is_not_success(
    stop, make_task, make_data, make_trainer, capsys, tmp_path
):
    assert stop(max_epochs=9, max_time={"seconds": 0}) == 1
    assert "larger trainer.max_time" in capsys.readouterr().err
    # Nothing of the epoch that was cut short is kept, so the resumed run repeats it.
    assert not (tmp_path / "checkpoints" / "last.ckpt").exists()


def test_a_run_that_ends_and_is_tested_has_no_note(make_task, make_data, make_trainer, tmp_path):
    trainer = make_trainer(Interruption("a"), SafeGlobals(), max_epochs=1)
    task, data = make_task(), make_data()
    trainer.fit(task, datamodule=data)
    assert note_beside(tmp_path / "checkpoints" / "last.ckpt") is not None
    trainer.test(task, datamodule=data, ckpt_path="best", verbose=False)
    assert note_beside(tmp_path / "best_model") is None


def test_a_command_that_names_its_run_stays_as_it_is():
    assert Interruption("x").command(["spktrain", "run.id=x"]) == "spktrain run.id=x"
