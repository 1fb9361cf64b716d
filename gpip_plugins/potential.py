"""What a saved potential (`best_model`) says about itself: cut-off, elements, outputs, units.

SchNetPack's model file holds the network but neither the units nor the cut-off as plain numbers;
typed by hand for every simulation, as in stock SchNetPack, both can be wrong without a message.
"""

import math
import os
from collections.abc import Sequence

import torch
from ase.data import chemical_symbols
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from schnetpack.model import AtomisticModel

from gpip_plugins.checkpoint import load_model, settings_of
from gpip_plugins.errors import InputError
from gpip_plugins.paths import resolve

__all__ = [
    "agreed_cutoff",
    "agreed_unit",
    "check_elements",
    "existing_model",
    "load_potential",
    "require_outputs",
    "training_units",
]


def existing_model(path: str, key: str = "model file") -> str:
    """Return the absolute path of a model that must exist.

    Args:
        path: file or folder of a run; relative to where the command was typed.
        key: what the user calls this setting, for the message.

    Raises:
        InputError: if there is no such file.
    """
    full = resolve(path)
    if not os.path.exists(full):
        raise InputError(
            f"{key}={path} does not exist (looked for {full}); name the best_model of a finished "
            "run."
        )
    return full


def load_potential(
    path: str, key: str = "model file", device: str = "cpu", trust: Sequence[str] = ()
) -> AtomisticModel:
    """Load a saved potential for evaluation.

    Args:
        path: the `best_model` of a run, or the folder of the run; relative to where the command
            was typed.
        key: what the user calls this setting, for the message.
        device: where the model shall lie.
        trust: packages of your own whose classes may occur in the file.

    Raises:
        InputError: if there is no such file, if it holds no SchNetPack model, or if its parameters
            are not finite.
    """
    model = load_model(existing_model(path, key), device, trust)
    for name, value in model.named_parameters():
        if not torch.isfinite(value).all():
            raise InputError(
                f"{key}={path} holds values that are not finite, in {name}; its training broke "
                "down, so train again, for example with a lower learning rate."
            )
    return model


def agreed_cutoff(model: AtomisticModel, given: float | None, key: str) -> float:
    """Return the cut-off to build neighbour lists with.

    Args:
        model: the potential.
        given: the value of the user, or None to take the model's.
        key: what the user calls this setting, for the message.

    Raises:
        InputError: if both are known and differ, or none is known.
    """
    own = settings_of(model.representation).get("cutoff")
    if own is None and given is None:
        raise InputError(f"{key} is missing and the model does not tell its cut-off; set {key}.")
    if own is not None and given is not None and not math.isclose(own, given, rel_tol=1e-5):
        raise InputError(
            f"{key}={given:g} contradicts the model, which was trained with a cut-off of {own:g}; "
            f"leave {key} out."
        )
    return float(given) if own is None else own


def require_outputs(model: AtomisticModel, keys: dict[str, str | None]) -> None:
    """Check that a model predicts what is asked of it.

    Args:
        model: the potential.
        keys: what the user calls the setting, and the name of the output that it asks for.

    Raises:
        InputError: naming the first output that the model lacks.
    """
    for key, name in keys.items():
        if name is not None and name not in model.model_outputs:
            found = ", ".join(sorted(model.model_outputs)) or "nothing"
            raise InputError(
                f"{key}={name} is not an output of the model, which predicts {found}; set {key} to "
                "one of these or use a model that was trained on energies and forces."
            )


def check_elements(model: AtomisticModel, numbers: torch.Tensor) -> None:
    """Check that a model knows all elements of a structure.

    The embedding has a row for many elements that were in no training structure. Where the model
    carries the buffer `known_elements` (see `gpip_plugins.transform.KnownElements`) that decides,
    otherwise only the size of the embedding can.

    Args:
        model: the potential.
        numbers: atomic numbers, shape (n_atoms,).

    Raises:
        InputError: naming the elements that the model does not know.
    """
    present = torch.unique(numbers.detach().cpu()).tolist()
    buffers = dict(model.named_buffers())
    known = next((v for k, v in buffers.items() if k.split(".")[-1] == "known_elements"), None)
    if known is not None and not bool(known.any()):
        known = None  # its training did not tell
    rows = getattr(getattr(model.representation, "embedding", None), "num_embeddings", None)
    if known is not None:
        listed = set(known.nonzero()[:, 0].tolist())
    elif rows is not None:
        listed = set(range(1, rows))
    else:
        return
    unknown = [z for z in present if z not in listed]
    if unknown:
        names = ", ".join(
            chemical_symbols[z] if z < len(chemical_symbols) else str(z) for z in unknown
        )
        what = (
            "knows only " + ", ".join(chemical_symbols[z] for z in sorted(listed))
            if known is not None
            else f"embeds elements only up to Z = {rows - 1}"
        )
        raise InputError(
            f"The structure holds {names}, but the model {what}; train it on data with these "
            "elements or use another structure."
        )


def training_units(path: str) -> dict[str, str]:
    """Return the units in which a model was trained, from the `config.yaml` of its run.

    `spktrain` writes that file beside `best_model`; its `data.property_units` and
    `data.distance_unit` are the units of the labels that the network saw.

    Args:
        path: the `best_model` of a run.

    Returns:
        Property names and `distance`, each with its unit; empty if there is no such record.
    """
    path = resolve(path)
    folder = path if os.path.isdir(path) else os.path.dirname(path)
    config_file = os.path.join(folder, "config.yaml")
    if not os.path.isfile(config_file):
        return {}
    config = OmegaConf.load(config_file)
    found = {}
    try:
        for name, unit in (OmegaConf.select(config, "data.property_units") or {}).items():
            found[str(name)] = str(unit)
        if (unit := OmegaConf.select(config, "data.distance_unit")) is not None:
            found["distance"] = str(unit)
    except OmegaConfBaseException:
        # An interpolation that only the training could resolve tells nothing about units.
        return {}
    return found


def agreed_unit(name: str, key: str, given: str | None, recorded: dict[str, str]) -> str:
    """Return the unit of a model's energy or length.

    Args:
        name: `distance`, or the energy's name among the recorded units.
        key: what the user calls this setting, for the message.
        given: the value of the user, or None to take the recorded one.
        recorded: what `training_units` found.

    Raises:
        InputError: if both are known and differ, or none is known.

    Example:
        >>> agreed_unit("energy", "energy_unit", None, {"energy": "eV"})
        'eV'
    """
    own = recorded.get(name)
    if own is None and given is None:
        example = "Ang" if name == "distance" else "eV"
        raise InputError(
            f"{key} is not given, and no config.yaml of the training beside the model tells it; "
            f"set it, for example {key}={example}."
        )
    if own is not None and given is not None and own.replace(" ", "") != given.replace(" ", ""):
        raise InputError(
            f"{key}={given} contradicts the config.yaml of the training beside the model, which "
            f"says {own}; leave {key} out."
        )
    return given or own
