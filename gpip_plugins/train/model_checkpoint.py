"""Checkpoints of the best and of the newest epoch."""

import os

import schnetpack.train
from pytorch_lightning import LightningModule, Trainer

__all__ = ["ModelCheckpoint"]


class ModelCheckpoint(schnetpack.train.ModelCheckpoint):
    """SchNetPack's callback with a `last.ckpt` of the newest epoch, from which a run goes on.

    Since Lightning 2.6 `save_last` writes only after an epoch that was among the best, so that a
    run without progress would start again from its best epoch each time it is interrupted.

    Args:
        model_path: file of the best model, with its post-processing.
        save_last: keep `last.ckpt` in `dirpath`.
        **settings: those of Lightning's `ModelCheckpoint`, such as `dirpath` and `monitor`.

    Example:
        >>> ModelCheckpoint("best_model", dirpath="checkpoints", monitor="val_loss").keeps_last
        True
    """

    def __init__(self, model_path: str, save_last: bool = True, **settings):
        super().__init__(model_path, **settings)
        self.keeps_last = save_last

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save the best, then the newest, which keeps the score of the best."""
        super().on_train_epoch_end(trainer, pl_module)
        if self.keeps_last and not trainer.fast_dev_run:
            trainer.save_checkpoint(os.path.join(self.dirpath, f"{self.CHECKPOINT_NAME_LAST}.ckpt"))
