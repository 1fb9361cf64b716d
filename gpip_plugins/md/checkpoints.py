"""Checkpoints of simulations: what they hold, loading without running code, exact continuation.

A checkpoint is a file of `torch.save` with the state of SchNetPack's simulator (`step`, `system`,
`simulator_hooks`) and an entry `exact`: random generators and the positions of the last renewal of
the neighbour lists, which decide the order of the pairs and so the last digits of the forces.
"""

import io
import logging
import os
import random
import zipfile
from collections.abc import Sequence

import numpy as np
import torch
from schnetpack import properties
from schnetpack.md import Simulator
from schnetpack.md.simulation_hooks import SimulationHook

from gpip_plugins.checkpoint.allowed_names import TENSOR_TYPE, look_up
from gpip_plugins.checkpoint.safe_pickle import names_in, unpickled
from gpip_plugins.errors import InputError
from gpip_plugins.io.paths import whole_file
from gpip_plugins.md.neighbors import MoleculeNeighbors

__all__ = ["load_state", "restore", "save_state"]

log = logging.getLogger(__name__)

#: Functions that rebuild tensors and dictionaries.
_CALLED = {"collections.OrderedDict", "torch._utils._rebuild_tensor_v2"}
#: Packages whose hooks may be named; only as names, no hook is built.
_PACKAGES = ("schnetpack.md.", "gpip_plugins.md.")
_SYSTEM = ("n_atoms", "atom_types", "masses", "positions", "momenta", "cells", "pbc")


def save_state(simulator: Simulator, step: int, path: str) -> None:
    """Write a checkpoint, completely or not at all.

    Args:
        simulator: the simulation.
        step: number of completed steps.
        path: the file.

    Raises:
        InputError: if the disk is full or the folder cannot be written.
    """
    neighbors = getattr(simulator.calculator, "neighbor_list", None)
    exact = {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else [],
        "python": random.getstate(),
        "numpy": _numpy(),
        "positions": getattr(neighbors, "previous_positions", None),
        "cells": getattr(neighbors, "previous_cells", None),
    }
    # SchNetPack restores thermostats and barostats; other hooks have no state.
    hooks = [hook for hook in simulator.simulator_hooks if hasattr(hook, "temperature_bath")]
    state = {
        "step": step,
        "system": simulator.system.state_dict(),
        "simulator_hooks": {type(hook): hook.state_dict() for hook in hooks},
        "exact": exact,
    }
    # Through memory: on a full disk torch.save raises an error that does not name the cause.
    buffer = io.BytesIO()
    torch.save(state, buffer)
    with whole_file(path) as partial, open(partial, "wb") as file:
        file.write(buffer.getvalue())
        file.flush()
        os.fsync(file.fileno())


def _numpy() -> tuple[torch.Tensor, int, int, int]:
    """Return keys, place and spare of numpy's generator (the spare as bits of a float)."""
    _, keys, place, has_gauss, spare = np.random.get_state()
    bits = int(np.float64(spare).view(np.int64))
    return torch.tensor(keys.astype(np.int64)), int(place), int(has_gauss), bits


def load_state(path: str, name: str = "restart", trust: Sequence[str] = ()) -> dict:
    """Load a checkpoint without running code from it.

    The file may call only functions that rebuild tensors, and name classes of hooks, which are the
    keys of their states. PyTorch's weights-only unpickler then loads it with these names alone.

    Args:
        path: absolute path.
        name: name of the parameter of the path.
        trust: further packages whose hooks may be named.

    Raises:
        InputError: if the file is damaged, no checkpoint of a simulation, or names anything else.
    """
    damaged = InputError(
        f"{name}={path} is damaged or no checkpoint of a simulation; give the checkpoint.chk that "
        "spkmd wrote, or start again without it."
    )
    try:
        with open(path, "rb") as file:
            data = file.read()
        if zipfile.ZipFile(io.BytesIO(data)).testzip() is not None:
            raise damaged
        names, called = names_in(io.BytesIO(data))
    except OSError as error:
        raise InputError(
            f"{name}={path} cannot be read ({error.strerror}); give the checkpoint.chk that spkmd "
            "wrote."
        ) from None
    except Exception:
        raise damaged from None
    hooks = {key: _hook(key, (*_PACKAGES, *(f"{package}." for package in trust))) for key in names}
    foreign = sorted(
        key
        for key in names
        if not (key in _CALLED or TENSOR_TYPE.fullmatch(key))
        and (hooks[key] is None or key in called)
    )
    if foreign:
        raise InputError(
            f"{name}={path} was not loaded because it uses {', '.join(foreign[:3])}, which no "
            "checkpoint of a simulation needs; give the checkpoint.chk that spkmd wrote."
        )
    try:
        state = unpickled(data, [hook for hook in hooks.values() if hook is not None])
    except Exception:
        raise damaged from None
    if not _whole(state):
        raise damaged
    return state


def _hook(key: str, packages: tuple[str, ...]) -> type | None:
    """Return the class of a hook by its full name, or None for anything else."""
    if not key.startswith(packages):
        return None
    found = look_up(key, may_import=True)
    right = isinstance(found, type) and issubclass(found, SimulationHook)
    return found if right and f"{found.__module__}.{found.__qualname__}" == key else None


def _whole(state: object) -> bool:
    """Return whether a loaded object has the parts and numbers of a simulation's state."""
    if not isinstance(state, dict) or not isinstance(state.get("step"), int) or state["step"] < 0:
        return False
    system, hooks = state.get("system"), state.get("simulator_hooks")
    tensors = [system, *hooks.values()] if isinstance(hooks, dict) else [None]
    for part in tensors:
        if not isinstance(part, dict):
            return False
        if not all(isinstance(value, torch.Tensor) for value in part.values()):
            return False
    if not all(key in system for key in _SYSTEM):
        return False
    shape = system["positions"].shape
    return (
        len(shape) == 3
        and system["momenta"].shape == shape
        and system["atom_types"].shape == shape[1:2]
        and int(system["n_atoms"].sum()) == shape[1]
        and all(bool(torch.isfinite(system[key]).all()) for key in ("positions", "momenta"))
    )


def restore(simulator: Simulator, state: dict) -> None:
    """Set a simulation to the state of a checkpoint, bit for bit.

    SchNetPack loads the checkpoint while the simulation is still in single precision, computes new
    neighbour lists, and leaves the random generators as they are. This function, called after the
    first computation of the forces, repeats the loading exactly.

    Args:
        simulator: simulation with the same structures, thermostat and barostat.
        state: from `load_state`.

    Raises:
        InputError: if the state is that of another kind of simulation.
    """
    try:
        simulator.step = state["step"]
        simulator.system.load_state_dict(state["system"], strict=False)
        for hook in simulator.simulator_hooks:
            if hasattr(hook, "temperature_bath"):
                hook.load_state_dict(state["simulator_hooks"][type(hook)])
        if state["system"]["positions"].dtype != simulator.dtype:
            log.warning(
                "The checkpoint has another precision than this simulation: the trajectory goes on "
                "from rounded numbers."
            )
        if "exact" in state:
            _restore_exactly(simulator, state["exact"])
        else:
            log.warning(
                "The checkpoint has no random generators (SchNetPack wrote it): the trajectory is "
                "not that of an uninterrupted run."
            )
    except (KeyError, TypeError, ValueError, RuntimeError):
        raise InputError(
            "restart is the checkpoint of another kind of simulation or is damaged; give that of a "
            "simulation with the same structures, thermostat and barostat."
        ) from None


def _restore_exactly(simulator: Simulator, exact: dict) -> None:
    torch.set_rng_state(exact["torch"])
    if exact["cuda"] and torch.cuda.is_initialized():
        torch.cuda.set_rng_state_all(exact["cuda"])
    version, keys, spare = exact["python"]
    random.setstate((version, tuple(keys), spare))
    keys, place, has_gauss, bits = exact["numpy"]
    gauss = float(np.int64(bits).view(np.float64))
    np.random.set_state(("MT19937", keys.numpy().astype(np.uint32), place, has_gauss, gauss))
    neighbors = getattr(simulator.calculator, "neighbor_list", None)
    if isinstance(neighbors, MoleculeNeighbors) and exact["positions"] is not None:
        inputs = simulator.calculator._get_system_molecules(simulator.system)
        moved = {key: exact[key].to(inputs[properties.R]) for key in ("positions", "cells")}
        neighbors.renew_at(**moved, inputs=inputs)
