"""Learning rate that falls as a cosine and keeps to the length of the run after resuming."""

import math
from typing import Any

from pytorch_lightning.utilities import rank_zero_only
from torch.optim.lr_scheduler import CosineAnnealingLR

__all__ = ["CosineAnnealing"]


class CosineAnnealing(CosineAnnealingLR):
    r"""Torch's cosine annealing, which adapts to a length that is changed on resuming.

    .. math:: \eta_t = \eta_{min} + (\eta_0 - \eta_{min}) \, (1 + \cos(\pi t / T_{max})) / 2

    A checkpoint of torch's scheduler restores the `T_max` of the old run; resumed with a larger
    `trainer.max_epochs` the learning rate would pass its minimum and rise again. Here the `T_max`
    of the resumed run counts, the learning rate takes the value of the new cosine at the epoch
    reached, and one line reports it. A warm-up is not included: that of
    `gpip_plugins.task.FineTuningTask` scales the rate that any scheduler has set.

    Args:
        optimizer: the optimizer.
        T_max: epochs (or steps, if it is called every step) until the minimum.
        eta_min: lowest learning rate.
        last_epoch: number of finished epochs minus one.

    Example:
        >>> import torch
        >>> def make(T_max):
        ...     return CosineAnnealing(torch.optim.SGD([torch.zeros(1)], lr=1.0), T_max)
        >>> old, new = make(2), make(4)
        >>> new.load_state_dict(old.state_dict() | {"last_epoch": 2})
        The learning rate falls as a cosine of 4 epochs, not 2 as before: it continues from 0.5.
    """

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the epoch reached, keep `T_max`."""
        wanted = self.T_max
        super().load_state_dict(state_dict)
        if self.T_max == wanted:
            return
        before, self.T_max = self.T_max, wanted
        falling = (1.0 + math.cos(math.pi * min(self.last_epoch / wanted, 1.0))) / 2.0
        for group, base in zip(self.optimizer.param_groups, self.base_lrs, strict=True):
            group["lr"] = self.eta_min + (base - self.eta_min) * falling
        self._last_lr = [group["lr"] for group in self.optimizer.param_groups]
        _print(
            f"The learning rate falls as a cosine of {wanted} epochs, not {before} as before: it"
            f" continues from {self._last_lr[0]:.3g}."
        )


@rank_zero_only
def _print(message: str) -> None:
    print(message, flush=True)
