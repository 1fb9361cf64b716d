"""Checkpoints of the best and of the newest epoch."""

import math
import os
from pathlib import Path
from typing import Any

import schnetpack.train
import torch
from pytorch_lightning import LightningModule, Trainer

from gpip_plugins.errors import InputError
from gpip_plugins.potential.card import Card

__all__ = ["ModelCheckpoint"]


class ModelCheckpoint(schnetpack.train.ModelCheckpoint):
    """SchNetPack's callback with a `last.ckpt` of the newest epoch, from which a run is resumed.

    Since Lightning 2.6 `save_last` writes only after an epoch that was among the best, so that a
    run without progress would restart from its best epoch after each interruption.
    The card of the best model (`ModelCard`) is written beside it, as `card.md`.

    Args:
        model_path: file of the best model, with its post-processing.
        save_last: keep `last.ckpt` in `dirpath`.
        **settings: those of Lightning's `ModelCheckpoint`, such as `dirpath` and `monitor`.

    Raises:
        InputError: before the training, if it would end without a validation and therefore without
            a best model.

    Example:
        >>> ModelCheckpoint("best_model", dirpath="checkpoints", monitor="val_loss").keeps_last
        True
    """

    def __init__(self, model_path: str, save_last: bool = True, **settings):
        super().__init__(model_path, **settings)
        self.keeps_last = save_last

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Check that there will be a validation."""
        super().setup(trainer, pl_module, stage)
        every, n_epochs = trainer.check_val_every_n_epoch, trainer.max_epochs
        if stage == "fit" and every is not None and n_epochs is not None and 0 < n_epochs < every:
            raise InputError(
                f"trainer.check_val_every_n_epoch={every} is more than "
                f"trainer.max_epochs={n_epochs}, so that there would be no validation and no best "
                "model; lower it."
            )

    def _update_best_and_save(
        self, current: torch.Tensor, trainer: Trainer, monitor_candidates: dict[str, Any]
    ) -> None:
        """Write the card beside every new best model."""
        super()._update_best_and_save(current, trainer, monitor_candidates)
        card = Card.from_model(self.task.model)
        # SchNetPack takes a loss that is not a number for the worst one.
        score = math.inf if self.mode == "min" else -math.inf
        score = score if math.isnan(current) else float(current)
        best = score == self.best_model_score
        if card is not None and best and trainer.is_global_zero:
            folder = Path(self.model_path).absolute().parent
            (folder / "card.md").write_text(card.markdown(), encoding="utf-8")

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save the best checkpoint, then the newest, which stores the best score."""
        super().on_train_epoch_end(trainer, pl_module)
        if self.keeps_last and not trainer.fast_dev_run:
            trainer.save_checkpoint(os.path.join(self.dirpath, f"{self.CHECKPOINT_NAME_LAST}.ckpt"))
