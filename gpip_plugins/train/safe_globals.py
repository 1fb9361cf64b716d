"""Lets stock `spktrain` finish and resume under a PyTorch that loads weights-only.

SchNetPack stores the model itself among the hyper-parameters, so its checkpoints name classes.
Since PyTorch 2.6 and Lightning 2.6 such a file is refused, and a run fails at
`trainer.test(ckpt_path="best")`, at `load_from_checkpoint` and when it resumes.
"""

import io

import torch
from pytorch_lightning import Callback, LightningModule, Trainer

from gpip_plugins.checkpoint.safe_pickle import as_safe_globals, names_in
from gpip_plugins.errors import InputError
from gpip_plugins.train.checkpoint_files import CheckpointFiles

__all__ = ["SafeGlobals"]


class SafeGlobals(Callback):
    """Allows the classes and functions that the checkpoints of this run need.

    The names are collected from the live task and data module, which are written to memory as in a
    checkpoint, and passed to `torch.serialization.add_safe_globals`. No file can extend the list: a
    checkpoint that names anything else is still refused. The trainer reads and writes checkpoints
    by `CheckpointFiles`.

    The names stay allowed until the process ends, because `spktrain` loads the best checkpoint
    after the trainer has finished.

    Example:
        >>> from pytorch_lightning import Trainer
        >>> trainer = Trainer(callbacks=[SafeGlobals()], logger=False, accelerator="cpu")
    """

    def on_load_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict
    ) -> None:
        """Refuse to resume a run that has more epochs than requested."""
        wanted, done = trainer.max_epochs, checkpoint.get("epoch", 0) + 1
        if trainer.training and wanted not in (None, -1) and done > wanted:
            raise InputError(
                f"max_epochs={wanted}, but the run to be resumed has finished {done} epochs; "
                "give a larger number, or start another run (spktrain: run.id=NAME)."
            )

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Allow the names, before Lightning restores a checkpoint in any stage."""
        trainer.strategy.checkpoint_io = CheckpointFiles()
        buffer = io.BytesIO()
        datamodule = trainer.datamodule
        hyper_parameters = [dict(pl_module.hparams), dict(getattr(datamodule, "hparams", {}))]
        torch.save(hyper_parameters, buffer)
        # Lightning stores the counters of its loops in these.
        names = names_in(buffer)[0] | {"collections.defaultdict", "builtins.dict", "builtins.int"}
        torch.serialization.add_safe_globals(as_safe_globals(names, may_import=False))
