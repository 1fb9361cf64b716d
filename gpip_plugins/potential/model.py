"""What a saved potential (`best_model`) says about itself: cut-off, elements, outputs, units.

SchNetPack's model file holds the network but neither the units nor the cut-off as plain numbers;
typed by hand for every simulation, as in stock SchNetPack, both can be wrong without a message.
"""

import math
import os
from collections.abc import Sequence

import torch
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from schnetpack.atomistic import Forces, Response
from schnetpack.model import AtomisticModel
from torch import nn

from gpip_plugins.checkpoint import load_model, settings_of
from gpip_plugins.errors import InputError
from gpip_plugins.io.paths import resolve
from gpip_plugins.nn.embedding import element_symbol, elements_without_row
from gpip_plugins.transform import known_elements_of
from gpip_plugins.units import energy_in_ev, length_in_angstrom

__all__ = [
    "agreed_cutoff",
    "agreed_unit",
    "check_elements",
    "load_potential",
    "require_outputs",
    "training_units",
]


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
    model = load_model(path, device, trust, key)
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
            heads = model.output_modules
            if not any(isinstance(module, (Forces, Response)) for module in heads):
                raise InputError(
                    f"{key}={name} is not an output of the model, which predicts {found} and no "
                    "forces; give a model that was trained on energies and forces, or predict these"
                    " with SchNetPack's spkpredict."
                )
            raise InputError(
                f"{key}={name} is not an output of the model, which predicts {found}; set {key} to "
                "one of these or use a model that was trained on energies and forces."
            )


def check_elements(model: AtomisticModel, numbers: torch.Tensor) -> None:
    """Check that a model knows all elements of a structure.

    The embedding has a row for many elements that were in no training structure. Where the model
    carries the buffer `known_elements` (see `gpip_plugins.transform.KnownElements`) that decides,
    otherwise only the rows of the embedding can.

    Args:
        model: the potential.
        numbers: atomic numbers, shape (n_atoms,).

    Raises:
        InputError: naming the elements that the model does not know.
    """
    present = torch.unique(numbers.detach().cpu()).tolist()
    known = known_elements_of(dict(model.named_buffers()))
    embedding = getattr(model.representation, "embedding", None)
    if known:
        unknown = [z for z in present if z not in known]
        what = "knows only " + ", ".join(element_symbol(z) for z in known)
    elif isinstance(embedding, nn.Module):
        unknown = elements_without_row(embedding, present)
        what = "has no row for that in its embedding"
    else:
        return
    if unknown:
        names = ", ".join(f"{element_symbol(z)} (Z = {z})" for z in unknown)
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
        names = OmegaConf.select(config, "data.label_names") or {}
        for name, unit in (OmegaConf.select(config, "data.property_units") or {}).items():
            found[str(names.get(name, name))] = str(unit)
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
        InputError: if both are known and differ, or none is known, or one is no such unit.

    Example:
        >>> agreed_unit("energy", "energy_unit", None, {"energy": "eV"})
        'eV'
        >>> agreed_unit("distance", "distance_unit", "Angstrom", {"distance": "Ang"})
        'Angstrom'
    """
    size = length_in_angstrom if name == "distance" else energy_in_ev
    own = recorded.get(name)
    if own is None and given is None:
        example = "Ang" if name == "distance" else "eV"
        raise InputError(
            f"{key} is not given, and no config.yaml of the training beside the model tells it "
            "(that of a pre-training without labels has no unit of energies, for its model has "
            f"none); set it, for example {key}={example}, or take a fine-tuned model."
        )
    sizes = {}
    if own is not None:
        sizes[own] = size(own, f"the unit of {name} in the config.yaml beside the model")
    if given is not None:
        sizes[given] = size(given, key)
    # Ha and Hartree, Ang and Angstrom are the same.
    if not math.isclose(min(sizes.values()), max(sizes.values()), rel_tol=1e-9):
        raise InputError(
            f"{key}={given} contradicts the config.yaml of the training beside the model, which "
            f"says {own}; leave {key} out."
        )
    return given or own
