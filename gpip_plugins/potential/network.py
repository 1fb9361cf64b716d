"""Reads from a file of weights how its representation is built, as a node of a recipe."""

import inspect
import math
from typing import Any

from schnetpack.transform import Transform
from torch import nn

from gpip_plugins.checkpoint.allowed_names import look_up
from gpip_plugins.checkpoint.file import Checkpoint
from gpip_plugins.errors import InputError
from gpip_plugins.potential.card import Card
from gpip_plugins.units import length_in_angstrom

__all__ = ["check_distance_unit", "network_of"]

_PLAIN = bool | int | float | str


def network_of(checkpoint: Checkpoint) -> dict[str, Any]:
    """Return the node that builds a representation like that of a file, as far as it is known.

    The card contains it completely. For a model without a card, the arguments of the constructor
    are read from attributes of the same name, and cut-off, width and depth from its settings;
    weights alone give at most width, cut-off and size of the radial basis.

    A node names classes, which the caller builds. A foreign file must not choose them freely: those
    of its card have to be the classes of modules that the file contains, which were checked when it
    was loaded, and their arguments plain numbers, texts or lists.

    Args:
        checkpoint: the loaded file.

    Raises:
        InputError: the card names another class, or an argument that is not plain.

    Example:
        >>> import schnetpack.nn as snn
        >>> from schnetpack.representation import SchNet
        >>> model = nn.Module()
        >>> model.representation = SchNet(8, 2, snn.GaussianRBF(5, 4.0), snn.CosineCutoff(4.0))
        >>> node = network_of(Checkpoint("f", "0", "model", {}, model))
        >>> node["_target_"], node["n_atom_basis"], node["radial_basis"]["n_rbf"]
        ('schnetpack.representation.schnet.SchNet', 8, 5)
    """
    card = Card.from_model(checkpoint.module, checkpoint.path)
    module = getattr(checkpoint.module, "representation", None)
    if card is not None and card.representation and isinstance(module, nn.Module):
        classes = {type(m) for m in module.modules() if not isinstance(m, Transform)}
        _check_node(card.representation, classes, checkpoint.path)
        return card.representation
    node = _node(module) if isinstance(module, nn.Module) else {}
    settings = checkpoint.settings
    for name in ("n_atom_basis", "n_interactions", "n_filters", "lmax"):
        if name in settings:
            node[name] = settings[name]
    for child, name in (("radial_basis", "n_rbf"), ("radial_basis", "cutoff")):
        if name in settings:
            node.setdefault(child, {})[name] = settings[name]
    if "cutoff" in settings:
        node.setdefault("cutoff_fn", {})["cutoff"] = settings["cutoff"]
    return node


def _node(module: nn.Module) -> dict[str, Any]:
    """Return the class of a module with the arguments that it stores under their names."""
    kind = type(module)
    node: dict[str, Any] = {"_target_": f"{kind.__module__}.{kind.__qualname__}"}
    for name, parameter in inspect.signature(kind.__init__).parameters.items():
        if not hasattr(module, name):
            continue
        value = getattr(module, name)
        if isinstance(parameter.default, bool) and isinstance(value, nn.Module | None):
            node[name] = value is not None  # a boolean argument that became a module or None
        elif isinstance(value, _PLAIN):
            node[name] = value
        elif name in ("radial_basis", "cutoff_fn") and isinstance(value, nn.Module):
            node[name] = _node(value)
    return node


def _check_node(node: Any, classes: set[type], path: str) -> None:
    """Refuse a node of a card that could do more than build the network of its file."""
    if isinstance(node, dict):
        for name, value in node.items():
            if name == "_target_":
                harmless = isinstance(value, str) and look_up(value, may_import=False) in classes
            else:
                harmless = not name.startswith("_")
                _check_node(value, classes, path)
            if not harmless:
                raise InputError(
                    f"The card of {path} says {name}={value}, which is not part of the network in "
                    "the file; the file was changed, so do not use it, or take its weights alone "
                    "(torch.save(model.state_dict(), FILE))."
                )
    elif isinstance(node, list):
        for value in node:
            _check_node(value, classes, path)
    elif not isinstance(node, _PLAIN | None) or (isinstance(node, str) and "${" in node):
        raise InputError(f"The card of {path} holds {node!r}, which is no setting of a network.")


def check_distance_unit(checkpoint: Checkpoint, distance_unit: str | None) -> None:
    """Refuse a pre-trained file whose lengths are in another unit than those of the run.

    Cut-off and radial basis of the file would else be taken for other lengths.

    Args:
        checkpoint: the loaded file; without a card its unit is not known.
        distance_unit: unit of the run; None if it is not known.

    Raises:
        InputError: the units differ.
    """
    card = Card.from_model(checkpoint.module, checkpoint.path)
    if card is None or card.distance_unit is None or distance_unit is None:
        return
    there = length_in_angstrom(card.distance_unit, "the card's unit of length")
    if not math.isclose(there, length_in_angstrom(distance_unit), rel_tol=1e-9):
        raise InputError(
            f"distance_unit={distance_unit} is not that of {checkpoint.path}, whose lengths are in "
            f"{card.distance_unit}; train in {card.distance_unit} or give another file."
        )
