"""Run one composed recipe in this process, as `spktrain` would, and keep its figures in a file.

Benchmarks need hundreds of short trainings: starting a fresh interpreter for each would cost more
than the training. Configuration, data module, model, task and callbacks are those of the recipes.
"""

import json
import os
import time
from pathlib import Path

import hydra
import pytorch_lightning as pl
import torch
from fasteners import InterProcessLock
from hydra import compose, initialize_config_module
from schnetpack.utils import str2class


def device_name(accelerator: str) -> str:
    """Return what a result's `device` says: the GPU's name, or cpu."""
    return "cpu" if accelerator == "cpu" else torch.cuda.get_device_name()


def composed(overrides: list[str], folder: Path, accelerator: str):
    """Compose the configuration of `spktrain` with overrides; the run lives in `folder`."""
    with initialize_config_module("schnetpack.configs", version_base="1.2"):
        return compose(
            "train",
            overrides=[
                *overrides,
                f"run.work_dir={folder}",
                f"run.data_dir={folder}",
                f"globals.model_path={folder}/best_model",
                f"callbacks.model_checkpoint.dirpath={folder}/checkpoints",
                f"trainer.accelerator={accelerator}",
            ],
        )


def train(
    overrides: list[str], folder: Path, seed: int, test: bool, accelerator: str = "cpu"
) -> dict:
    """Train, optionally test the best model, and return the metrics with wall time in seconds."""
    folder.mkdir(parents=True, exist_ok=True)
    config = composed(overrides, folder, accelerator)
    pl.seed_everything(seed, workers=True, verbose=False)
    back = os.getcwd()
    os.chdir(folder)
    try:
        datamodule = hydra.utils.instantiate(config.data)
        model = hydra.utils.instantiate(config.model)
        task = hydra.utils.instantiate(
            config.task,
            model=model,
            optimizer_cls=str2class(config.task.optimizer_cls),
            scheduler_cls=str2class(config.task.scheduler_cls),
        )
        callbacks = [
            hydra.utils.instantiate(c)
            for name, c in config.callbacks.items()
            if name not in ("lr_monitor", "early_stopping", "run_lock", "next_steps")
        ]
        trainer = hydra.utils.instantiate(
            config.trainer,
            callbacks=callbacks,
            logger=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            _convert_="partial",
        )
        start = time.perf_counter()
        trainer.fit(task, datamodule=datamodule)
        wall = time.perf_counter() - start
        result = {"wall_s": wall, "steps": trainer.global_step}
        result["device"] = device_name(accelerator)
        best = trainer.checkpoint_callback
        result["val_loss"] = float(best.best_model_score)
        result |= {
            k: float(v)
            for k, v in trainer.validate(verbose=False, **_best(trainer, task, datamodule))[
                0
            ].items()
        }
        if test:
            metrics = trainer.test(verbose=False, **_best(trainer, task, datamodule))
            result |= {k: float(v) for k, v in metrics[0].items()}
        return result
    finally:
        os.chdir(back)


def _best(trainer, task, datamodule) -> dict:
    return {"model": task, "datamodule": datamodule, "ckpt_path": "best"}


def once(path: Path, work) -> dict | None:
    """Do `work` unless its result is there; None if another process is at it."""
    if path.exists():
        return json.loads(path.read_text())
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = InterProcessLock(path.with_suffix(".lock"))
    if not lock.acquire(blocking=False):
        return None
    try:
        if not path.exists():
            torch.set_num_threads(1)
            result = work()
            part = path.with_suffix(".part")
            part.write_text(json.dumps(result, indent=1, sort_keys=True))
            part.replace(path)
        return json.loads(path.read_text())
    finally:
        lock.release()
