"""Checkpoints of the best and of the newest epoch."""

import io
import math
import os
import re
import tempfile
from pathlib import Path
from typing import Any

import schnetpack.train
import torch
from pytorch_lightning import LightningModule, Trainer

from gpip_plugins.errors import InputError
from gpip_plugins.io.paths import remove_partial, write_whole, writing
from gpip_plugins.potential.card import Card
from gpip_plugins.train.checkpoint_files import remove_partial_checkpoints

__all__ = ["ModelCheckpoint"]


class ModelCheckpoint(schnetpack.train.ModelCheckpoint):
    """SchNetPack's callback with a `last.ckpt` of the newest epoch, from which a run is resumed.

    Since Lightning 2.6 `save_last` writes only after an epoch that was among the best, so that a
    run without progress would restart from its best epoch after each interruption.
    The card of the best model (`ModelCard`) is written beside it, as `card.md`. The model appears
    whole or not at all, and so do the checkpoints with `SafeGlobals`. Files that a killed run left
    in `dirpath` and no longer knows are removed when the training ends.

    Args:
        model_path: file of the best model, with its post-processing.
        save_last: keep `last.ckpt` in `dirpath`.
        **settings: those of Lightning's `ModelCheckpoint`, such as `dirpath` and `monitor`.

    Raises:
        InputError: before the training, if it would end without a validation and therefore without
            a best model; later, if the disk is full.

    Example:
        >>> ModelCheckpoint("best_model", dirpath="checkpoints", monitor="val_loss").keeps_last
        True
    """

    def __init__(self, model_path: str, save_last: bool = True, **settings):
        # A file of the same name is one that a killed run left.
        settings.setdefault("enable_version_counter", False)
        super().__init__(model_path, **settings)
        self.keeps_last = save_last

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Check that there will be a validation; remove what a killed run left half-written."""
        super().setup(trainer, pl_module, stage)
        if stage != "fit":
            return
        _check_validation(trainer)
        if trainer.is_global_zero:
            remove_partial(os.path.abspath(self.model_path))
            remove_partial_checkpoints(self.dirpath)

    def _update_best_and_save(
        self, current: torch.Tensor, trainer: Trainer, monitor_candidates: dict[str, Any]
    ) -> None:
        """Write a new best model, with its card beside it."""
        # Not SchNetPack's method, which writes into the file of the model.
        super(schnetpack.train.ModelCheckpoint, self)._update_best_and_save(
            current, trainer, monitor_candidates
        )
        # A loss that is not a number counts as the worst one.
        score = math.inf if self.mode == "min" else -math.inf
        score = score if math.isnan(current) else float(current)
        if score != self.best_model_score or not trainer.is_global_zero:
            return
        buffer = io.BytesIO()
        self.task.save_model(buffer, do_postprocessing=self.do_postprocessing)
        write_whole(self.model_path, buffer.getvalue())
        card = Card.from_model(self.task.model)
        if card is not None:
            folder = Path(self.model_path).absolute().parent
            write_whole(folder / "card.md", card.markdown().encode())

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save the best checkpoint, then the newest, which stores the best score."""
        super().on_train_epoch_end(trainer, pl_module)
        # An epoch that a time limit cut short is repeated when the run is resumed.
        whole = trainer.fit_loop.epoch_loop.batch_progress.is_last_batch or not trainer.should_stop
        if self.keeps_last and whole and not trainer.fast_dev_run:
            path = os.path.join(self.dirpath, f"{self.CHECKPOINT_NAME_LAST}.ckpt")
            trainer.save_checkpoint(path, weights_only=False)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Remove the checkpoints of epochs that a killed run left."""
        super().on_train_end(trainer, pl_module)
        if not trainer.is_global_zero or self.save_top_k < 1 or self.filename is None:
            return
        known = {
            os.path.basename(path)
            for callback in trainer.checkpoint_callbacks
            for path in getattr(callback, "best_k_models", ())
        }
        # With the default `{epoch:02d}` the names are `epoch=07.ckpt`.
        name = re.sub(r"\\{(\w+)[^}]*\\}", r"\1=[-+.\\de]+", re.escape(self.filename))
        for file in Path(self.dirpath).glob("*.ckpt"):
            if re.fullmatch(rf"{name}(-v\d+)?\.ckpt", file.name) and file.name not in known:
                file.unlink()

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """After the test, check that there is room for the files that `spktrain` writes now."""
        super().teardown(trainer, pl_module, stage)
        if stage == "test" and trainer.is_global_zero and os.path.isfile(self.best_model_path):
            folder = os.path.dirname(os.path.abspath(self.model_path))
            size = os.path.getsize(self.best_model_path)
            with writing(self.model_path), tempfile.TemporaryFile(dir=folder) as file:
                # The model, and the whole task.
                os.posix_fallocate(file.fileno(), 0, 2 * size)


def _check_validation(trainer: Trainer) -> None:
    """Refuse settings with which the run ends without a validation."""
    every, n_epochs = trainer.check_val_every_n_epoch, trainer.max_epochs
    if every is not None and n_epochs is not None and 0 < n_epochs < every:
        raise InputError(
            f"check_val_every_n_epoch={every} is more than max_epochs={n_epochs}, so that there "
            "would be no validation and no best model; lower it."
        )
    without = {"max_epochs": n_epochs, "max_steps": trainer.max_steps}
    without["limit_val_batches"] = trainer.limit_val_batches
    for name, value in without.items():
        if value is not None and value == 0:
            raise InputError(
                f"{name}={value} leaves no validation and no best model; give a larger number."
            )
    if trainer.fast_dev_run:
        raise InputError(
            "fast_dev_run keeps no best model, which spktrain tests; give for example max_epochs=1 "
            "and limit_train_batches=2."
        )
