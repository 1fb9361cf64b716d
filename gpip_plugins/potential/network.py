"""Reads from a file of weights how its representation is built, as a node of a recipe."""

import inspect
from typing import Any

from torch import nn

from gpip_plugins.checkpoint.file import Checkpoint
from gpip_plugins.potential.card import Card

__all__ = ["network_of"]

_PLAIN = (bool, int, float, str)


def network_of(checkpoint: Checkpoint) -> dict[str, Any]:
    """Return the node that builds a representation like that of a file, as far as it is known.

    The card contains it completely. For a model without a card, the arguments of the constructor
    are read from attributes of the same name, and cut-off, width and depth from its settings;
    weights alone give at most width, cut-off and size of the radial basis.

    Args:
        checkpoint: the loaded file.

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
    if card is not None and card.representation:
        return card.representation
    module = getattr(checkpoint.module, "representation", None)
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
