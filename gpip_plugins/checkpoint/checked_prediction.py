"""Checks the model of `spkpredict` before SchNetPack loads it.

`schnetpack.utils.load_model` reads `best_model` as a pickle, which can run any program. SchNetPack
cannot be told otherwise, but PyTorch can: with `TORCH_FORCE_WEIGHTS_ONLY_LOAD` every `torch.load`
of the process is weights-only, whatever its caller asks for. The names that the model needs are
allowed after the file has been checked by the rules of `gpip_plugins.checkpoint.safe_pickle`.
"""

import os
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf

from gpip_plugins.errors import InputError

__all__ = ["CheckedPrediction"]


class CheckedPrediction(Callback):
    """Hydra callback of `spkpredict`: no foreign code is loaded, no cut-off is too short.

    Packages of the user whose classes occur in the model are named by `+trust=PACKAGE`. Hydra turns
    every `Exception` of a callback into a warning, so this one ends the program with `SystemExit`:
    the message on stderr, exit code 1.
    """

    def on_job_start(self, config: DictConfig, *, task_function: Any, **kwargs: Any) -> None:
        """Check the files that `spkpredict` will load; nothing for other programs."""
        if task_function.__name__ != "predict":
            return
        os.environ["TORCH_FORCE_WEIGHTS_ONLY_LOAD"] = "1"
        try:
            # Hydra has changed to the folder of the model.
            check_prediction(config, os.path.abspath("best_model"))
        except InputError as error:
            raise SystemExit(str(error)) from None


def check_prediction(config: DictConfig, model: str) -> None:
    """Check the files of a prediction, and allow PyTorch to load what they name.

    Args:
        config: configuration of `spkpredict`.
        model: absolute path of its model.

    Raises:
        InputError: a file is missing, damaged or unsafe, or the neighbour lists would be shorter
            than the cut-off of the model.
    """
    import torch

    from gpip_plugins.checkpoint.archive import model_path, open_archive
    from gpip_plugins.checkpoint.file import load
    from gpip_plugins.checkpoint.outline import read_outline
    from gpip_plugins.checkpoint.safe_pickle import as_safe_globals

    trust = OmegaConf.select(config, "trust") or ()
    trust = (trust,) if isinstance(trust, str) else tuple(trust)
    files = {"modeldir": model}
    if config.ckpt_path is not None:
        files["ckpt_path"] = os.path.abspath(config.ckpt_path)
    for key, path in files.items():
        checkpoint = load(path, trust, key)
        _, archive = open_archive(model_path(path))
        names = read_outline(path, archive).names
        torch.serialization.add_safe_globals(as_safe_globals(names))
        needed = checkpoint.settings.get("cutoff")
        if needed is not None and float(config.cutoff) < needed - 1e-5:
            raise InputError(
                f"cutoff={config.cutoff} is shorter than the cut-off of {path}, {needed:g}; give "
                f"cutoff={needed:g}."
            )
