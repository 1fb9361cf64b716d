"""Loads a model for use, and checks the user's settings against the model.

The cut-off is stored in the network, units and elements on its card. In stock SchNetPack all are
typed by hand for every use, and can be wrong without a message.
"""

import math
import os
from collections.abc import Iterable, Sequence

import torch
from ase.data import atomic_numbers
from schnetpack import properties
from schnetpack.atomistic import Forces, Response
from schnetpack.model import AtomisticModel
from torch import nn

from gpip_plugins.checkpoint import load_model, settings_of
from gpip_plugins.errors import InputError
from gpip_plugins.nn.embedding import element_symbol, elements_without_row
from gpip_plugins.potential.card import Card
from gpip_plugins.units import energy_in_ev, length_in_angstrom

__all__ = [
    "agreed_cutoff",
    "agreed_units",
    "check_elements",
    "load_potential",
    "require_outputs",
]


def load_potential(
    model_file: str | os.PathLike, device: str = "cpu", trust: str | Sequence[str] = ()
) -> AtomisticModel:
    """Load a saved model for evaluation.

    Args:
        model_file: the `best_model` of a run, the folder of the run, or a Lightning checkpoint;
            relative to the folder of the command.
        device: device of the model.
        trust: your packages whose classes may occur in the file.

    Raises:
        InputError: if there is no such file, if it contains no SchNetPack model, if its parameters
            are not finite, or if it cannot be evaluated.
    """
    model = load_model(model_file, device, trust, "model_file")
    for name, value in model.named_parameters():
        if not torch.isfinite(value).all():
            raise InputError(
                f"model_file={model_file} contains values that are not finite, in {name}; its "
                "training failed, so train again, for example with a lower learning rate."
            )
    _try(model, model_file)
    return model


def _try(model: AtomisticModel, model_file: str | os.PathLike) -> None:
    """Evaluate a model once: a file may hold modules that do not fit together.

    The structure is a pair of equal atoms at a third of the cut-off, of an element of the training.
    """
    card = Card.from_model(model, str(model_file))
    element = next(iter(card.elements), "H") if card is not None else "H"
    distance = (settings_of(model.representation).get("cutoff") or 3.0) / 3.0
    floats = [p for p in model.parameters() if p.is_floating_point()]
    kind = {"dtype": floats[0].dtype, "device": floats[0].device} if floats else {}
    whole = {"device": kind.get("device"), "dtype": torch.long}
    inputs = {
        properties.Z: torch.full((2,), atomic_numbers.get(element, 1), **whole),
        properties.R: torch.tensor([[0.0, 0.0, 0.0], [0.0, 0.0, distance]], **kind),
        properties.cell: 30.0 * distance * torch.eye(3, **kind)[None],  # a stress needs a volume
        properties.pbc: torch.zeros(3, dtype=torch.bool, device=whole["device"]),
        properties.offsets: torch.zeros(2, 3, **kind),
        properties.idx: torch.zeros(1, **whole),
        properties.idx_i: torch.tensor([0, 1], **whole),
        properties.idx_j: torch.tensor([1, 0], **whole),
        properties.idx_m: torch.zeros(2, **whole),
        properties.n_atoms: torch.tensor([2], **whole),
    }
    try:
        with torch.enable_grad():  # forces are derivatives
            outputs = model(inputs)
        finite = all(torch.isfinite(value).all() for value in outputs.values())
    except torch.OutOfMemoryError:  # of a GPU that others use; the prediction says so
        return
    except Exception as error:  # of foreign modules: exceptions of any kind
        why = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise InputError(
            f"model_file={model_file} holds a model that cannot be evaluated for two atoms ({why});"
            " give a model that needs nothing but a structure, as its training wrote it."
        ) from error
    if not finite:
        raise InputError(
            f"model_file={model_file} holds a model that predicts numbers that are not finite for "
            f"two atoms of {element}; train again."
        )


def agreed_cutoff(model: AtomisticModel, cutoff: float | None) -> float:
    """Return the cut-off for neighbour lists, in the model's unit of length.

    Args:
        model: the potential.
        cutoff: the value of the user, or None to take that of the model.

    Raises:
        InputError: if both are known and differ, or none is known.
    """
    stated = settings_of(model.representation).get("cutoff")
    if stated is None and cutoff is None:
        raise InputError("The model has no known cut-off; give it, for example cutoff=5.0.")
    if stated is not None and cutoff is not None and not math.isclose(stated, cutoff, rel_tol=1e-5):
        raise InputError(
            f"cutoff={cutoff:g} contradicts the model, which was trained with a cut-off of "
            f"{stated:g}; leave cutoff out."
        )
    return float(cutoff) if stated is None else stated


def agreed_units(
    card: Card | None,
    energy_unit: str | None = None,
    distance_unit: str | None = None,
    energy_key: str = "energy",
) -> tuple[str, str]:
    """Return the units of a model's energy and lengths.

    Args:
        card: card of the model, if it has one.
        energy_unit: the value of the user, or None to take that of the card.
        distance_unit: the value of the user, or None to take that of the card.
        energy_key: name of the energy among the model's outputs.

    Raises:
        InputError: if both are known and differ, or none is known, or one is not such a unit.

    Example:
        >>> agreed_units(Card(units={"energy": "eV"}, distance_unit="Ang"))
        ('eV', 'Ang')
        >>> agreed_units(None, "kcal/mol", "Angstrom")
        ('kcal/mol', 'Angstrom')
    """
    energy = None if card is None else card.units.get(energy_key)
    distance = None if card is None else card.distance_unit
    return (
        _agreed("energy_unit", energy_unit, energy, energy_in_ev, "eV"),
        _agreed("distance_unit", distance_unit, distance, length_in_angstrom, "Ang"),
    )


def _agreed(name: str, given: str | None, stated: str | None, size, example: str) -> str:
    """Return the unit given by the user or the card; refuse a contradiction."""
    if stated is None and given is None:
        raise InputError(
            f"{name} is not given, and the model has no card that states it (a model of stock "
            "SchNetPack has none, and a pre-training without labels has no unit of energies); "
            f"give it, for example {name}={example}."
        )
    # Ha and Hartree, Ang and Angstrom are the same.
    sizes = [] if stated is None else [size(stated, "the card's unit")]
    sizes += [] if given is None else [size(given, name)]
    if not math.isclose(min(sizes), max(sizes), rel_tol=1e-9):
        raise InputError(
            f"{name}={given} contradicts the card of the model, which says {stated}; leave {name} "
            "out."
        )
    return given or stated


def require_outputs(model: AtomisticModel, **names: str | None) -> None:
    """Check that a model has the requested outputs.

    Args:
        model: the potential.
        **names: parameter, such as `energy_key`, and the name of the requested output; None
            requests nothing.

    Raises:
        InputError: names the first output that the model lacks.
    """
    for parameter, name in names.items():
        if name is None or name in model.model_outputs:
            continue
        found = ", ".join(sorted(model.model_outputs)) or "nothing"
        if any(isinstance(module, (Forces, Response)) for module in model.output_modules):
            raise InputError(
                f"{parameter}={name} is not an output of the model, which predicts {found}; set "
                f"{parameter} to one of these or use a model that was trained on energies and "
                "forces."
            )
        raise InputError(
            f"{parameter}={name} is not an output of the model, which predicts {found} and no "
            "forces; give a model that was trained on energies and forces, or predict these with "
            "SchNetPack's spkpredict."
        )


def check_elements(model: AtomisticModel, numbers: Iterable[int]) -> None:
    """Check that a model knows all elements of a structure.

    The embedding has rows for many elements that were in no training configuration, and the model
    predicts numbers for them without an error. If the card lists the elements of the training
    configurations, only these are known: the embedding of an element that occurs only in validation
    or test configurations is as untrained as that of an element that never occurs. Without a card
    the rows of the embedding decide.

    Args:
        model: the potential.
        numbers: atomic numbers.

    Raises:
        InputError: names the elements that the model does not know.
    """
    present = sorted({int(z) for z in numbers})
    card = Card.from_model(model)
    embedding = getattr(model.representation, "embedding", None)
    if card is not None and card.elements:
        known = sorted(atomic_numbers[symbol] for symbol in card.elements)
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
            f"The structure contains {names}, but the model {what}; train it on data with these "
            "elements or use another structure."
        )
