"""Moving average of the weights, which does not change the training."""

import schnetpack.train
from pytorch_lightning import LightningModule, Trainer
from torch_ema import ExponentialMovingAverage as EMA

__all__ = ["ExponentialMovingAverage"]


class ExponentialMovingAverage(schnetpack.train.ExponentialMovingAverage):
    r"""SchNetPack's callback, corrected for epochs without validation and for resumed runs.

    The average :math:`\bar\theta \leftarrow d\,\bar\theta + (1 - d)\,\theta` is updated with every
    training batch. Validation, testing and checkpoints use :math:`\bar\theta`; training continues
    from :math:`\theta`. SchNetPack's callback restores the weights of the latest validation at the
    start of *every* epoch, so that `check_val_every_n_epoch=10` undoes nine of ten epochs; after a
    validation within an epoch, and after resuming, it continues from the average.

    Args:
        decay: :math:`d`, between 0 and 1.

    Example:
        >>> ExponentialMovingAverage(decay=0.995).holds_average
        False
    """

    def __init__(self, decay: float):
        super().__init__(decay)
        self.holds_average = False  # whether the model holds the average, not the trained weights

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Create the average, or take that of the resumed run."""
        if self.ema is None:
            self.ema = EMA(pl_module.model.parameters(), decay=self.decay)
        if self._to_load is not None:
            self.ema.load_state_dict(self._to_load)
            self._to_load = None
        self._take_average()

    def on_validation_epoch_start(
        self, trainer: Trainer, pl_module: LightningModule, *args, **kwargs
    ) -> None:
        """Put the average into the model."""
        self._take_average()

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Restore the trained weights, if the model holds the average."""
        self._put_back()

    def on_train_batch_start(self, trainer: Trainer, *args, **kwargs) -> None:
        """Restore the trained weights after a validation within an epoch."""
        self._put_back()

    def state_dict(self) -> dict:
        """Return the average, and whether the weights of the checkpoint are the average."""
        return super().state_dict() | {"holds_average": self.holds_average}

    def load_state_dict(self, state_dict: dict) -> None:
        """Load the average; in checkpoints of SchNetPack's callback the model holds it."""
        super().load_state_dict(state_dict)
        self.holds_average = state_dict.get("holds_average", True)

    def _take_average(self) -> None:
        if not self.holds_average:
            self.ema.store()
            self.ema.copy_to()
            self.holds_average = True

    def _put_back(self) -> None:
        if self.holds_average:
            self.ema.restore()
            self.holds_average = False
