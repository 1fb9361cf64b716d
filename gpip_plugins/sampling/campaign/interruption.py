"""Ends a sampling on the signals of a queue or of `kill`, with its worker processes."""

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from typing import Final

__all__ = ["ending_with", "stopping_on_signals"]

SIGNALS: Final = tuple(
    getattr(signal, name) for name in ("SIGTERM", "SIGHUP", "SIGXCPU") if hasattr(signal, name)
)
POLL: Final = 0.5  # s between two looks at the main process
_watched: set[int] = set()


@contextlib.contextmanager
def stopping_on_signals(target: object) -> Iterator[None]:
    """Turn the signals that end a process into an exception, so that everything is cleaned up.

    By default the process would end at once, and its worker processes would go on. While a sampling
    runs inside `spktrain`, Lightning would only note the signal. The exit code is 128 plus the
    number of the signal. In another thread than the main one nothing is changed.

    Args:
        target: what is being sampled, for the message.

    Raises:
        SystemExit: on such a signal, after one sentence on stderr.
    """

    def stop(number: int, _) -> None:
        print(
            f"{target}: stopped by {signal.Signals(number).name}; finished trajectories are kept, "
            "the same command continues from there.",
            file=sys.stderr,
            flush=True,
        )
        raise SystemExit(128 + number)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, stop) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def ending_with(main: int) -> None:
    """Let this worker process end when its main process has ended for any reason.

    A thread looks after the main process, since a minimisation or a long step may take minutes.

    Args:
        main: number of the main process, the parent of this one.
    """
    if main in _watched:
        return
    _watched.add(main)

    def watch() -> None:
        while os.getppid() == main:
            time.sleep(POLL)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
