"""Lets stock `spktrain` finish and resume under a PyTorch that loads weights-only.

SchNetPack keeps the model itself among the hyper-parameters, so its checkpoints name classes. Since
PyTorch 2.6 and Lightning 2.6 such a file is refused, and a run dies at
`trainer.test(ckpt_path="best")`, at `load_from_checkpoint` and when it resumes.
"""

import io

import torch
from pytorch_lightning import Callback, LightningModule, Trainer

from gpip_plugins.checkpoint.safe_pickle import as_safe_globals, names_in
from gpip_plugins.errors import InputError

__all__ = ["SafeGlobals"]


class SafeGlobals(Callback):
    """Allows the classes and functions that checkpoints of this very run need.

    They are read off the live task and data module, written to memory as a checkpoint writes them,
    and handed to `torch.serialization.add_safe_globals`. No file has a say: a checkpoint that names
    anything else is still refused.

    The names stay allowed until the process ends, because `spktrain` loads the best checkpoint
    after the trainer has finished.

    Example:
        >>> from pytorch_lightning import Trainer
        >>> trainer = Trainer(callbacks=[SafeGlobals()], logger=False, accelerator="cpu")
    """

    def on_load_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict
    ) -> None:
        """Refuse to resume a run that has more epochs than are asked for."""
        wanted, done = trainer.max_epochs, checkpoint.get("epoch", 0) + 1
        if trainer.training and wanted not in (None, -1) and done > wanted:
            raise InputError(
                f"max_epochs={wanted}, but the run that would go on has {done} epochs "
                "behind it; give a larger number, or start another run (spktrain: run.id=NAME)."
            )

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Allow the names, before Lightning restores a checkpoint in any stage."""
        buffer = io.BytesIO()
        datamodule = trainer.datamodule
        hyper_parameters = [dict(pl_module.hparams), dict(getattr(datamodule, "hparams", {}))]
        torch.save(hyper_parameters, buffer)
        # Lightning keeps the counts of its loops in these.
        names = names_in(buffer)[0] | {"collections.defaultdict", "builtins.dict", "builtins.int"}
        torch.serialization.add_safe_globals(as_safe_globals(names, may_import=False))
