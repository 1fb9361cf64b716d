"""What happens when a simulation is told to stop: by Ctrl-C, by `kill`, by a queue's time limit.

A signal is noted, and the simulation ends after the present step: frames and checkpoint are
written, and a sentence on stderr gives the command that goes on. The exit code is 128 plus the
number of the signal, so that the next command after `&&` does not start.
"""

import os
import shlex
import signal
import sys
import threading
from types import FrameType
from typing import ClassVar

from hydra.core.hydra_config import HydraConfig

from gpip_plugins.io.overrides import as_override_value

__all__ = ["Interruption", "command_to_continue"]

#: Settings of the new command that replace those typed.
_REPLACED = ("simulation_dir=", "restart=", "dynamics.n_steps=", "overwrite=")


class Interruption:
    """Notes SIGTERM and SIGINT until the present step has ended."""

    #: Number of the signal that arrived, or None.
    signal: int | None = None
    #: Whether a simulation is running that will end by itself.
    waited_for: bool = False
    _before: ClassVar[dict[int, object]] = {}

    @classmethod
    def install(cls) -> None:
        """Handle both signals from now on; before the first step they end the program at once."""
        cls.signal, cls.waited_for = None, False
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                cls._before[number] = signal.signal(number, cls._note)

    @classmethod
    def remove(cls) -> None:
        """Handle both signals as before."""
        while cls._before:
            signal.signal(*cls._before.popitem())

    @classmethod
    def _note(cls, number: int, frame: FrameType | None) -> None:
        if cls.waited_for and cls.signal is None:
            cls.signal = number
            return
        # A second signal does not wait either.
        name = signal.Signals(number).name
        sys.stderr.write(f"\n{name}: stopped before the state could be written.\n")
        sys.stderr.flush()
        os._exit(128 + number)

    @classmethod
    def leave(cls, n_left: int, checkpoint: str | None) -> None:
        """End the program with a sentence about how to go on.

        Args:
            n_left: number of steps that were not done.
            checkpoint: absolute path of the checkpoint, or None if there is none.

        Raises:
            SystemExit: with 128 plus the number of the signal.
        """
        name = signal.Signals(cls.signal).name
        if checkpoint is None:
            ending = "there is no checkpoint (callbacks=[checkpoint,...]), so start again."
        else:
            ending = f"go on with\n  {command_to_continue(n_left, checkpoint)}"
        sys.stderr.write(f"\n{name}: stopped with {n_left} steps left; {ending}\n")
        sys.stderr.flush()
        raise SystemExit(128 + cls.signal)


def command_to_continue(n_left: int, checkpoint: str) -> str:
    """Return the command that simulates the remaining steps.

    Args:
        n_left: number of remaining steps.
        checkpoint: absolute path of the checkpoint, in the folder of the run.

    Example:
        >>> command_to_continue(600, "/runs/a/checkpoint.chk").split("n_steps=600 ")[1]
        'simulation_dir=/runs/a restart=/runs/a/checkpoint.chk'
    """
    typed = sys.argv[1:] if HydraConfig.initialized() else []
    words = [word for word in typed if not word.lstrip("+").startswith(_REPLACED)]
    paths = {"simulation_dir": os.path.dirname(checkpoint), "restart": checkpoint}
    settings = [f"{key}={as_override_value(path)}" for key, path in paths.items()]
    return " ".join([shlex.join(["spkmd", *words, f"dynamics.n_steps={n_left}"]), *settings])
