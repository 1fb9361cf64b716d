"""Checks of what the user named, before `spkmd` builds anything.

`spkmd` reads the structure and meets a missing value with a trace-back, before any class of ours
is instantiated. A Hydra callback runs earlier. Hydra turns every `Exception` of a callback into a
warning, so this one ends the program with `SystemExit`: the sentence on stderr, exit code 1.
"""

import os
from typing import Any

import numpy as np
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf

from gpip_plugins.data.structures import read_structures
from gpip_plugins.errors import InputError
from gpip_plugins.paths import resolve

__all__ = ["SimulationInputs", "check_structure"]


class SimulationInputs(Callback):
    """Hydra callback that checks the files named for a simulation.

    Checked are: model and structure named and present; the structure readable, finite, and every
    periodic direction of a length above zero; the files of a restart present; no trajectory in the
    folder of the run unless the run continues it or has `overwrite=true`.
    """

    def on_job_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Check `config`, or end the program with one sentence and exit code 1."""
        try:
            check_config(config)
        except InputError as error:
            raise SystemExit(str(error)) from None


def check_config(config: DictConfig) -> None:
    """Check the composed configuration of a simulation.

    Args:
        config: configuration of `spkmd`, with its node `hydra`.

    Raises:
        InputError: for the first mistake found.
    """
    if config.load_config is not None:
        # The loaded file may name everything that is missing here; only its presence can be told.
        existing("load_config", config.load_config, "name a config.yaml of an earlier simulation")
        return
    # `in` is false for a key that is still `???`, so the keys are listed.
    keys = list(config.calculator.keys())
    if "model_files" in keys:
        files = named(config, "calculator.model_files", "'calculator.model_files=[A,B]'")
        for file in files:
            existing("calculator.model_files", file, "name the best_model of finished runs")
    elif "model_file" in keys:
        file = named(config, "calculator.model_file", "calculator.model_file=RUN/best_model")
        existing("calculator.model_file", file, "name the best_model of a finished run")
    for key in ("restart", "system.load_system_state"):
        if (file := OmegaConf.select(config, key)) is not None:
            existing(key, file, "name the checkpoint that a simulation wrote")
    if config.system.load_system_state is None:
        file = named(config, "system.molecule_file", "system.molecule_file=ethanol.xyz")
        check_structure(existing("system.molecule_file", file, "name a structure file, e.g. XYZ"))
    check_trajectory(config)


def named(config: DictConfig, key: str, example: str) -> Any:
    """Return the value of a key that the user must name."""
    value = OmegaConf.select(config, key)
    if value is None:
        raise InputError(f"{key} is missing; name it, for example {example}.")
    return value


def existing(key: str, path: str, remedy: str) -> str:
    """Return the absolute path of a file that must exist."""
    full = resolve(path)
    if not os.path.exists(full):
        raise InputError(f"{key}={path} does not exist (looked for {full}); {remedy}.")
    return full


def check_structure(path: str, key: str = "system.molecule_file") -> None:
    """Check that a file holds structures that can be simulated.

    Args:
        path: absolute path of a file that ASE reads.
        key: what the user calls this setting, for the message.

    Raises:
        InputError: if ASE cannot read the file, if it holds no atoms, positions that are not
            finite, or a periodic direction of length zero.
    """
    try:
        structures = list(read_structures(path))
    except InputError as error:
        raise InputError(f"{key}: {error}") from None
    if not structures or not all(len(atoms) for atoms in structures):
        raise InputError(f"{key}={path} holds no atoms; name a file with at least one structure.")
    for number, atoms in enumerate(structures):
        if not np.isfinite(atoms.positions).all():
            atom = int(np.flatnonzero(~np.isfinite(atoms.positions).all(axis=1))[0])
            raise InputError(
                f"{key}={path} has a position that is not finite at atom {atom} of structure "
                f"{number} (counted from 0); repair the file."
            )
        if atoms.pbc.any() and atoms.cell.volume < 1e-6:
            raise InputError(
                f"{key}={path} is periodic, but the cell of structure {number} (counted from 0) "
                "has a dimension of zero; give all three cell vectors or set pbc to F F F."
            )


def check_trajectory(config: DictConfig) -> None:
    """Refuse to start in a folder that holds the trajectory of another run."""
    logger = OmegaConf.select(config, "callbacks.hdf5.filename")
    if logger is None or config.restart is not None:
        return
    # Hydra has made the folder of the run the current one; SchNetPack writes there.
    path = os.path.abspath(logger)
    if not os.path.exists(path):
        return
    if not config.get("overwrite"):
        raise InputError(
            f"simulation_dir={config.simulation_dir} already holds a trajectory ({logger}); name "
            "another folder, continue it with restart=CHECKPOINT, or replace it with "
            "overwrite=true."
        )
    os.remove(path)
