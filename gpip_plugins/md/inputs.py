"""Checks of the user's settings, before `spkmd` builds anything.

`spkmd` reads the structure, and fails with a trace-back at a missing value, before any of our
classes is instantiated. A Hydra callback runs earlier. Hydra turns every `Exception` of a callback
into a warning, so this one ends the program with `SystemExit`: the message on stderr, exit code 1.
"""

import os
from functools import partial
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf

from gpip_plugins.analysis.structure_faults import check_structure
from gpip_plugins.errors import InputError, check_number, check_whole
from gpip_plugins.io.locks import lock_folder, release_folder
from gpip_plugins.io.paths import existing
from gpip_plugins.io.structures import read_structures

__all__ = ["SimulationInputs"]


class SimulationInputs(Callback):
    """Hydra callback that locks the folder of the run and checks the files of a simulation.

    A second simulation in the same folder at the same time is refused. Conditions: model and
    structure are given and exist; the structure is readable, finite, and not periodic without a
    cell of three vectors; the files of a restart exist; the folder of the run contains no
    trajectory, unless the run continues it or has `overwrite=true`.
    """

    def on_job_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Lock and check, or end the program with one sentence and exit code 1."""
        try:
            # Hydra has changed to the folder of the run.
            lock_folder(os.curdir, "choose another folder with simulation_dir=FOLDER")
            check_config(config)
        except InputError as error:
            release_folder(os.curdir)
            raise SystemExit(str(error)) from None

    def on_job_end(self, config: DictConfig, **kwargs: Any) -> None:
        """Release the folder for the next run of the same process."""
        release_folder(os.curdir)


def check_config(config: DictConfig) -> None:
    """Check the composed configuration of a simulation.

    Args:
        config: configuration of `spkmd`, with its node `hydra`.

    Raises:
        InputError: for the first error found.
    """
    if config.load_config is not None:
        # The loaded file may contain everything that is missing here; only its presence is checked.
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
        full = existing("system.molecule_file", file, "name a structure file, for example XYZ")
        check_molecule_file(full)
    check_numbers(config)
    check_trajectory(config)


def check_numbers(config: DictConfig) -> None:
    """Refuse temperatures, lengths and devices that cannot be."""
    for key, check in (
        ("temperature", partial(check_number, least=0.0, unit="K", example=500)),
        ("dynamics.n_steps", partial(check_whole, least=1)),
        ("dynamics.integrator.time_step", partial(check_number, above=0, unit="fs", example=0.5)),
    ):
        if (value := OmegaConf.select(config, key)) is not None:
            check(key, value)
    device = OmegaConf.select(config, "device")
    if str(device).startswith("cuda"):
        import torch

        if not torch.cuda.is_available():
            raise InputError(f"device={device}, but torch finds no GPU; use device=cpu.")


def named(config: DictConfig, key: str, example: str) -> Any:
    """Return the value of a key that the user must give."""
    value = OmegaConf.select(config, key)
    if value is None:
        raise InputError(f"{key} is missing; give it, for example {example}.")
    return value


def check_molecule_file(path: str) -> None:
    """Check that `system.molecule_file` holds structures that can be simulated.

    Args:
        path: absolute path of a file that ASE reads.

    Raises:
        InputError: if ASE cannot read the file, it contains no structure, or one that
            `gpip_plugins.analysis.structure_faults.check_structure` refuses.
    """
    n_structures = 0
    try:
        for atoms in read_structures(path):
            check_structure(atoms, f"structure {n_structures} of {path} (counted from 0)")
            n_structures += 1
    except InputError as error:
        raise InputError(f"system.molecule_file: {error}") from None
    if not n_structures:
        raise InputError(
            f"system.molecule_file={path} holds no structure; name a file with at least one."
        )


def check_trajectory(config: DictConfig) -> None:
    """Refuse to start in a folder that contains the trajectory of another run."""
    logger = OmegaConf.select(config, "callbacks.hdf5.filename")
    if logger is None or config.restart is not None:
        return
    # Hydra has changed to the folder of the run; SchNetPack writes there.
    path = os.path.abspath(logger)
    if not os.path.exists(path):
        return
    if not config.get("overwrite"):
        raise InputError(
            f"simulation_dir={config.simulation_dir} already holds a trajectory ({logger}); give "
            "another folder, continue it with restart=CHECKPOINT, or replace it with "
            "overwrite=true."
        )
    os.remove(path)
