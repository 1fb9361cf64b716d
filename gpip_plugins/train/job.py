"""The border of a training with `spktrain`: checks before it starts, one sentence when it fails.

Lightning's callbacks exist only after data, model and trainer have been created. What goes wrong
before or around them is seen by a Hydra callback alone. Hydra turns every `Exception` of a callback
into a warning, so this one ends the program with `SystemExit`: the message on stderr, exit code 1.
"""

import os
import sys
import zipfile
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobReturn, JobStatus
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from schnetpack.utils import str2class

from gpip_plugins.errors import InputError, with_names
from gpip_plugins.io.paths import existing, make_folder, resolve
from gpip_plugins.train.foreign_errors import sentence_of
from gpip_plugins.train.resume import check_checkpoint, checkpoint_to_resume, settings_of_run
from gpip_plugins.train.trainer_settings import check_trainer

__all__ = ["TrainingJob"]

#: Packages whose classes the rules of `gpip_plugins.checkpoint` cover.
KNOWN = ("gpip_plugins", "pytorch_lightning", "schnetpack", "torch", "torchmetrics", "builtins")


class TrainingJob(Callback):
    """Hydra callback that checks a run before it starts and puts its errors into words.

    Before the start: the folder can be written, Lightning accepts the settings of the trainer, the
    classes of optimizer and scheduler exist, and the checkpoint from which the run resumes is
    sound. If `last.ckpt` is damaged or missing, the newest other checkpoint of the run is taken,
    and this is printed. A relative `run.ckpt_path` may start from the folder in which the command
    was typed, or from that of the run.
    """

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Check the run, or end the program with one sentence and exit code 1."""
        # Hydra does this after the callback; here it is needed to resolve paths.
        HydraConfig.instance().set_config(config)
        try:
            self._check(config)
        except InputError as error:
            raise SystemExit(with_names(str(error), _keys(config))) from None
        except OmegaConfBaseException as error:
            raise SystemExit(f"{error.full_key or 'A setting'}: {error.msg}") from None

    def on_job_end(self, config: DictConfig, job_return: JobReturn, **kwargs: Any) -> None:
        """Replace an exception of the host or of the machine by a sentence."""
        if job_return.status is not JobStatus.FAILED:
            return
        error = job_return._return_value  # the property raises it
        sentence = sentence_of(error)
        if sentence is not None:
            job_return.return_value = InputError(sentence)
            _remove_half_written(config)

    def _check(self, config: DictConfig) -> None:
        folder = Path(config.hydra.run.dir)
        make_folder(folder.absolute(), "run.path")
        if not os.access(folder, os.W_OK):
            raise InputError(f"The folder {folder} of run.path cannot be written; name another.")
        if "LOCAL_RANK" not in os.environ:  # the first rank has done it for all
            check_trainer(OmegaConf.to_container(config.trainer, resolve=True))
        for key in ("optimizer_cls", "scheduler_cls"):
            _check_class(key, OmegaConf.select(config, f"task.{key}"))
        _choose_checkpoint(config, folder)


def _check_class(key: str, name: str | None) -> None:
    """Check that a class exists that SchNetPack imports by its name."""
    try:
        found = str2class(name) if name else None
    except (ImportError, AttributeError, ValueError):
        found = None
    if name and not isinstance(found, type):
        raise InputError(f"{key}={name} is no class; give for example {key}=torch.optim.AdamW.")


def _choose_checkpoint(config: DictConfig, folder: Path) -> None:
    """Set the checkpoint of a resumed run."""
    trust = sorted(_packages(config))
    typed = config.run.ckpt_path
    if typed is not None:
        path, inside = resolve(typed), str((folder / typed).absolute())
        if not os.path.exists(path):
            path = existing("ckpt_path", inside, "give a file of a folder checkpoints")
        check_checkpoint(path, trust)
        config.run.ckpt_path = path
        return
    if settings_of_run(folder) is None:
        return
    path, note = checkpoint_to_resume(folder, trust)
    config.run.ckpt_path = path
    if note and "LOCAL_RANK" not in os.environ:
        print(note, file=sys.stderr, flush=True)


def _packages(node: Any) -> set[str]:
    """Return the user's packages that the run imports anyway, from the targets of a recipe."""
    found: set[str] = set()
    values = OmegaConf.to_container(node, resolve=False) if OmegaConf.is_config(node) else node
    if isinstance(values, dict):
        target = values.get("_target_")
        if isinstance(target, str) and target.split(".")[0] not in KNOWN:
            found.add(target.split(".")[0])
        values = list(values.values())
    for value in values if isinstance(values, list) else ():
        found |= _packages(value)
    return found


def _keys(config: DictConfig) -> dict[str, str]:
    """Return the keys of the parameters that are checked here."""
    keys = {name: f"trainer.{name}=" for name in config.trainer}
    keys |= {name: f"task.{name}=" for name in ("optimizer_cls", "scheduler_cls")}
    return keys | {"ckpt_path": "run.ckpt_path="}


def _remove_half_written(config: DictConfig) -> None:
    """Remove the task that SchNetPack stores beside the model, if it was not written to its end."""
    path = Path(config.hydra.runtime.output_dir) / f"{config.globals.model_path}.task"
    if path.is_file() and not zipfile.is_zipfile(path):
        path.unlink()
