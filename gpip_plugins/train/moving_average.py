"""Moving average of the weights, beside which training goes on undisturbed."""

import schnetpack.train
from pytorch_lightning import LightningModule, Trainer
from torch_ema import ExponentialMovingAverage as EMA

__all__ = ["ExponentialMovingAverage"]


class ExponentialMovingAverage(schnetpack.train.ExponentialMovingAverage):
    r"""SchNetPack's callback, also for epochs without validation and for runs that go on.

    The average :math:`\bar\theta \leftarrow d\,\bar\theta + (1 - d)\,\theta` follows every training
    batch. Validation, testing and checkpoints see :math:`\bar\theta`; training goes on from
    :math:`\theta`. SchNetPack's callback puts back the weights of the latest validation at the
    start of *every* epoch, so that with `check_val_every_n_epoch=10` nine epochs of ten are undone;
    trains on from the average after a validation within an epoch; and resumes from the average.

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
        """Make the average, or take that of the run that goes on."""
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
        """Put the trained weights back, if the average was taken."""
        self._put_back()

    def on_train_batch_start(self, trainer: Trainer, *args, **kwargs) -> None:
        """Put the trained weights back after a validation within an epoch."""
        self._put_back()

    def state_dict(self) -> dict:
        """Return the average, and which of the two the weights of the checkpoint are."""
        return super().state_dict() | {"holds_average": self.holds_average}

    def load_state_dict(self, state_dict: dict) -> None:
        """Take over the average; checkpoints of SchNetPack's callback hold it in the model."""
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
