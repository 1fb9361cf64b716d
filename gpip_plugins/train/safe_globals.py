"""Lets stock `spktrain` finish and resume under a PyTorch that loads weights-only.

SchNetPack keeps the model itself among the hyper-parameters, so its checkpoints name classes. Since
PyTorch 2.6 and Lightning 2.6 such a file is refused, and a run dies at
`trainer.test(ckpt_path="best")`, at `load_from_checkpoint` and when it resumes.
"""

import io

import torch
from pytorch_lightning import Callback, LightningModule, Trainer

from gpip_plugins.checkpoint.safe_pickle import as_safe_globals, names_in

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

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Allow the names, before Lightning restores a checkpoint in any stage."""
        buffer = io.BytesIO()
        datamodule = trainer.datamodule
        hyper_parameters = [dict(pl_module.hparams), dict(getattr(datamodule, "hparams", {}))]
        torch.save(hyper_parameters, buffer)
        # Lightning keeps the counts of its loops in these.
        names = names_in(buffer)[0] | {"collections.defaultdict", "builtins.dict", "builtins.int"}
        torch.serialization.add_safe_globals(as_safe_globals(names, may_import=False))
