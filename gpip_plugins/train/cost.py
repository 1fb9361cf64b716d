"""Writes the cost of a training beside its result."""

import json
import os
import time
from pathlib import Path

from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.utilities import rank_zero_only

from gpip_plugins.io.paths import whole_file

__all__ = ["Cost"]


class Cost(Callback):
    """Records the cost of training and validation in `cost.json`, across interruptions.

    The file holds `steps`, `wall_seconds`, `core_seconds` (processor time of this process and of
    its finished children, such as workers of the loader) and `gpu_seconds` (wall time on a GPU). In
    a parallel run processor and GPU time are those of the first rank times the number of ranks.

    Args:
        folder: folder of the run; `spktrain` works inside it.

    Example:
        >>> cost = Cost()
        >>> cost.totals
        {'steps': 0, 'wall_seconds': 0.0, 'core_seconds': 0.0, 'gpu_seconds': 0.0}
    """

    def __init__(self, folder: str | os.PathLike = "."):
        self.path = Path(os.path.abspath(folder)) / "cost.json"
        self.totals = {"steps": 0, "wall_seconds": 0.0, "core_seconds": 0.0, "gpu_seconds": 0.0}
        self._last: tuple[float, float] | None = None

    def state_dict(self) -> dict:
        """Return the cost so far, for the checkpoint."""
        return dict(self.totals)

    def load_state_dict(self, state_dict: dict) -> None:
        """Continue from the cost of the resumed run."""
        # Testing restores the best checkpoint, which is older than the end of the run.
        if state_dict["steps"] > self.totals["steps"]:
            self.totals = dict(state_dict)

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clocks."""
        self._last = _clocks()

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Add up, before the checkpoint callbacks write."""
        self._add(trainer)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the total cost."""
        self._add(trainer)

    def on_exception(self, trainer, pl_module, exception) -> None:
        """Write the cost of an interrupted run."""
        self._add(trainer)

    def _add(self, trainer: Trainer) -> None:
        if self._last is None:  # a test, or an error before the start
            return
        now = _clocks()
        wall, cores = (a - b for a, b in zip(now, self._last, strict=True))
        self._last = now
        self.totals["steps"] = trainer.global_step
        self.totals["wall_seconds"] += wall
        self.totals["core_seconds"] += cores * trainer.world_size
        if trainer.strategy.root_device.type == "cuda":
            self.totals["gpu_seconds"] += wall * trainer.world_size
        self._write()

    @rank_zero_only
    def _write(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        rounded = {key: round(value, 1) for key, value in self.totals.items()}
        with whole_file(self.path) as partial:
            Path(partial).write_text(json.dumps(rounded, indent=1) + "\n")


def _clocks() -> tuple[float, float]:
    """Return wall time and processor time in seconds."""
    times = os.times()
    cores = times.user + times.system + times.children_user + times.children_system
    return time.monotonic(), cores
