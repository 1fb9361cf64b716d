"""Ends a training that is stopped early with an exit code and the command that goes on."""

import os
import shlex
import signal
import sys
from pathlib import Path

from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.callbacks import Timer
from pytorch_lightning.utilities.exceptions import SIGTERMException

from gpip_plugins.io.overrides import as_override_value
from gpip_plugins.io.unfinished import mark_finished, mark_unfinished

__all__ = ["Interruption"]

#: Signals of queues before a time limit, and of a closed terminal; they would kill the process.
ALSO = tuple(
    getattr(signal, name)
    for name in ("SIGUSR1", "SIGUSR2", "SIGXCPU", "SIGHUP")
    if hasattr(signal, name)
)


class TimeLimit(SystemExit):
    """The run reached `trainer.max_time`."""


class Interruption(Callback):
    """Reports a training that was stopped, and how to go on; the program ends with an error code.

    Lightning ends a run after SIGTERM and after `max_time` as if it were finished, so that
    `spktrain ... && spkmd ...` would go on. Here the exit code is 143 after SIGTERM, and 1 after
    an interrupt from the keyboard and after `max_time`. The other signals by which queues announce
    a time limit (SIGUSR1, SIGUSR2, SIGXCPU) and SIGHUP are treated like SIGTERM, unless something
    else handles them, such as Lightning's re-queueing under Slurm. A run stops after the present
    batch; an epoch that was not completed is repeated.

    Until the run has been tested, `unfinished.txt` in its folder says that the model is not final.

    Args:
        run_id: name of the folder of the run (`${run.id}` in recipes); None outside of `spktrain`.
        folder: folder of the run; `spktrain` works inside it.

    Example:
        >>> Interruption("ethanol").command(["spktrain", "experiment=gpip_pretrain"])
        'spktrain experiment=gpip_pretrain run.id=ethanol'
    """

    def __init__(self, run_id: str | None = None, folder: str | os.PathLike = "."):
        self.run_id = run_id
        self.folder = Path(os.path.abspath(folder))
        self._cause = "an interrupt"

    def command(self, words: list[str]) -> str:
        """Return the command that continues the run.

        Args:
            words: the command that was typed (`sys.argv`).
        """
        typed = shlex.join([os.path.basename(words[0]), *words[1:]])
        if self.run_id is None or any(word.startswith("run.id=") for word in words):
            return typed
        return f"{typed} run.id={as_override_value(str(self.run_id))}"

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take the signals that nothing else handles; Lightning has registered its own by now."""
        for number in ALSO:
            if signal.getsignal(number) == signal.SIG_DFL:
                signal.signal(number, self._as_sigterm)

    def _as_sigterm(self, number: int, frame: object) -> None:
        self._cause = signal.Signals(number).name
        signal.raise_signal(signal.SIGTERM)

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Leave the note that the run is not finished."""
        if trainer.is_global_zero:
            mark_unfinished(
                self.folder, "The training of this run has not finished, so its model is not final."
            )

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop a run that ended because of its time limit."""
        if self._expired(trainer):
            raise TimeLimit(1)

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Remove the note when the run has been tested."""
        if stage == "test" and trainer.is_global_zero:
            mark_finished(self.folder)

    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        """Print one sentence, and set the exit code."""
        if not trainer.is_global_zero:
            return
        if isinstance(exception, SIGTERMException):
            # A rank that fails makes Lightning kill the others, so only rank zero has a code.
            exception.code = 128 + signal.SIGTERM
            self._cause = "SIGTERM" if self._cause == "an interrupt" else self._cause
        elif not isinstance(exception, KeyboardInterrupt | TimeLimit):
            return
        print(self.text(trainer, isinstance(exception, TimeLimit)), file=sys.stderr, flush=True)

    def text(self, trainer: Trainer, expired: bool) -> str:
        """Return the sentence.

        Args:
            trainer: the trainer that was stopped.
            expired: whether it reached `max_time`.
        """
        n_done = trainer.fit_loop.epoch_progress.current.completed
        cause = "trainer.max_time" if expired else self._cause
        head = f"The run in {self.folder} was stopped by {cause} after {n_done} finished epochs"
        if trainer.max_epochs not in (None, -1):
            head += f" of {trainer.max_epochs}"
        kept = (self.folder / "checkpoints" / "last.ckpt").is_file()
        go_on = "to go on" if kept else "to start again"
        more = " with a larger trainer.max_time, which counts from the first start" * expired
        return f"{head}; {go_on}{more}, type in the same folder: {self.command(sys.argv)}"

    def _expired(self, trainer: Trainer) -> bool:
        if trainer.max_epochs not in (None, -1) and trainer.current_epoch >= trainer.max_epochs:
            return False
        timers = (timer for timer in trainer.callbacks if isinstance(timer, Timer))
        remaining = [timer.time_remaining() for timer in timers]
        return any(seconds is not None and seconds <= 0.0 for seconds in remaining)
