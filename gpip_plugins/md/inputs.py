"""Checks of the user's settings, before `spkmd` builds anything.

`spkmd` reads the structure, and fails with a trace-back at a missing value, before any of our
classes is instantiated. A Hydra callback runs earlier. Hydra turns every `Exception` of a callback
into a warning, so this one ends the program with `SystemExit`: the message on stderr, exit code 1.
"""

import os
from typing import Any

from ase import Atoms
from hydra.experimental.callback import Callback
from hydra.utils import get_class
from omegaconf import DictConfig, OmegaConf

from gpip_plugins.analysis.structure_faults import check_structure
from gpip_plugins.errors import InputError
from gpip_plugins.io.locks import lock_folder, release_folder
from gpip_plugins.io.paths import existing
from gpip_plugins.io.structures import read_structures
from gpip_plugins.md.combinations import check_combinations
from gpip_plugins.md.interruption import Interruption
from gpip_plugins.md.loaded_config import loaded_config

__all__ = ["SimulationInputs"]


class SimulationInputs(Callback):
    """Hydra callback that locks the folder of the run and checks the files of a simulation.

    A second simulation in the same folder at the same time is refused. Conditions: model and
    structure are given and exist; the structure can be real; a checkpoint or configuration that is
    loaded runs no code and fits; settings do not contradict each other
    (`gpip_plugins.md.combinations`); the folder of the run contains no trajectory, unless the run
    continues it or has `overwrite=true`.
    """

    def on_job_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Lock and check, or end the program with one sentence and exit code 1."""
        try:
            # Hydra has changed to the folder of the run.
            lock_folder(os.curdir, "choose another folder with simulation_dir=FOLDER")
            Interruption.install()
            check_config(config)
        except InputError as error:
            self.on_job_end(config)
            raise SystemExit(str(error)) from None

    def on_job_end(self, config: DictConfig, **kwargs: Any) -> None:
        """Release the folder and the signals for the next run of the same process."""
        release_folder(os.curdir)
        Interruption.remove()


def check_config(config: DictConfig) -> None:
    """Check the composed configuration of a simulation.

    Args:
        config: configuration of `spkmd`, with its node `hydra`.

    Raises:
        InputError: for the first error found.
    """
    if config.load_config is not None:
        config = loaded_config(config)
    check_models(config)
    states = {}
    for key in ("restart", "system.load_system_state"):
        if (file := OmegaConf.select(config, key)) is not None:
            full = existing(key, file, "name the checkpoint that a simulation wrote")
            states[key] = checkpoints().load_state(full, key, trusted(config))
    structures: list[Atoms] = []
    if config.system.load_system_state is None:
        file = named(config, "system.molecule_file", "system.molecule_file=ethanol.xyz")
        full = existing("system.molecule_file", file, "name a structure file, for example XYZ")
        structures = molecules(full)
    else:
        structures = structures_of(states["system.load_system_state"])
    check_combinations(config, structures)
    if "restart" in states:
        check_restart(config, states["restart"], structures)
    check_device(config)
    check_trajectory(config)


def checkpoints():
    """Return the module that loads checkpoints, imported only where there is one to load."""
    from gpip_plugins.md import checkpoints

    return checkpoints


def trusted(config: DictConfig) -> list[str]:
    """Return the packages that the user trusts."""
    return list(OmegaConf.select(config, "calculator.trust") or ())


def check_models(config: DictConfig) -> None:
    """Check that the files of the models exist, and what SchNetPack's calculators would run.

    Our calculators load a model without running code from its file. SchNetPack's own calculators
    use `torch.load` without a limit, so their files are tested here first.
    """
    # `in` is false for a key that is still `???`, so the keys are listed.
    keys = list(config.calculator.keys())
    if "model_files" in keys:
        files = named(config, "calculator.model_files", "'calculator.model_files=[A,B]'")
        key, remedy = "calculator.model_files", "name the best_model of finished runs"
        if isinstance(files, str):
            raise InputError(f"{key}={files} is one file; give a list, '{key}=[A,B]'.")
    elif "model_file" in keys:
        key, remedy = "calculator.model_file", "name the best_model of a finished run"
        files = [named(config, key, "calculator.model_file=RUN/best_model")]
    else:
        return
    ours = str(config.calculator.get("_target_", "gpip_plugins.")).startswith("gpip_plugins.")
    for file in files:
        existing(key, file, remedy)
        if not ours:
            from gpip_plugins.checkpoint import load_model

            load_model(file, trust=trusted(config), name=key)


def check_device(config: DictConfig) -> None:
    """Refuse a device that is not there."""
    device = OmegaConf.select(config, "device")
    if device is None or str(device) == "cpu":
        return
    import torch

    try:
        kind = torch.device(str(device))
    except RuntimeError:
        raise InputError(f"device={device} is unknown; use device=cpu or device=cuda.") from None
    if kind.type == "cuda" and not torch.cuda.is_available():
        raise InputError(f"device={device}, but torch finds no GPU; use device=cpu.")
    if kind.type == "cuda" and (kind.index or 0) >= torch.cuda.device_count():
        raise InputError(
            f"device={device}, but torch finds {torch.cuda.device_count()} GPUs; use device=cuda."
        )


def named(config: DictConfig, key: str, example: str) -> Any:
    """Return the value of a key that the user must give."""
    value = OmegaConf.select(config, key)
    if value is None:
        raise InputError(f"{key} is missing; give it, for example {example}.")
    return value


def molecules(path: str) -> list[Atoms]:
    """Return the structures of `system.molecule_file`, which must be such as can be simulated.

    Args:
        path: absolute path of a file that ASE reads.

    Raises:
        InputError: if ASE cannot read the file, it contains no structure, or one that
            `gpip_plugins.analysis.structure_faults.check_structure` refuses.
    """
    found = []
    try:
        for atoms in read_structures(path):
            check_structure(atoms, f"structure {len(found)} of {path} (counted from 0)")
            found.append(atoms)
    except InputError as error:
        raise InputError(f"system.molecule_file: {error}") from None
    if not found:
        raise InputError(
            f"system.molecule_file={path} holds no structure; name a file with at least one."
        )
    return found


def structures_of(state: dict) -> list[Atoms]:
    """Return elements and cells of the structures in a checkpoint, of the first replica."""
    system = state["system"]
    sizes = system["n_atoms"].tolist()
    numbers = system["atom_types"].split(sizes)
    positions = system["positions"][0].split(sizes)
    cells, pbc = system["cells"][0] * 10, system["pbc"][0].bool()  # nm to Å
    return [
        Atoms(
            numbers[k].numpy(),
            positions[k].numpy() * 10,
            cell=cells[k].numpy(),
            pbc=pbc[k].tolist(),
        )
        for k in range(len(sizes))
    ]


def check_restart(config: DictConfig, state: dict, structures: list[Atoms]) -> None:
    """Refuse a checkpoint of other structures, replicas, or another thermostat or barostat."""
    stored = structures_of(state)
    replicas = OmegaConf.select(config, "system.n_replicas") or 1
    same = [a.numbers.tolist() for a in stored] == [a.numbers.tolist() for a in structures]
    if not same or len(state["system"]["positions"]) != replicas:
        formulas = ", ".join(atoms.get_chemical_formula() for atoms in stored[:3])
        raise InputError(
            f"restart={config.restart} is the checkpoint of {len(stored)} structure(s) "
            f"({formulas}) with {len(state['system']['positions'])} replica(s), not of those in "
            "system.molecule_file; give the structures and system.n_replicas of that simulation."
        )
    names = {key.__name__ for key in state["simulator_hooks"]}
    barostat = OmegaConf.select(config, "dynamics.barostat._target_")
    controlled = barostat is not None and getattr(get_class(barostat), "temperature_control", False)
    for part in ("barostat",) if controlled else ("thermostat", "barostat"):
        target = OmegaConf.select(config, f"dynamics.{part}._target_")
        if target is not None and get_class(target) not in state["simulator_hooks"]:
            raise InputError(
                f"restart={config.restart} has no state of dynamics.{part}._target_={target}, only "
                f"of {', '.join(sorted(names)) or 'none'}; choose the {part} of that simulation, "
                "or start from its positions and momenta with system.load_system_state."
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
