r"""Depth of every parameter of a model, and the learning rate that follows from it.

.. math:: \eta_d = \eta \, f^d

Layer-wise learning rates (Howard and Ruder, arXiv:1801.06146): layers near the input learn more
general features, and should change less. The heads have depth d = 0, the last of n blocks of
message passing 1, the first n, the embedding n + 1.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from torch import nn

__all__ = ["ModelPart", "model_parts", "parameter_groups"]


@dataclass
class ModelPart:
    """A part of a model with one depth; one line in the summary of a fine-tuning.

    Args:
        name: path of the module in the model, such as `representation.interactions.0`.
        depth: 0 for heads, larger towards the embedding.
        parameters: parameters of this part; shared ones only where they occur first.
    """

    name: str
    depth: int
    parameters: list[nn.Parameter] = field(default_factory=list)


def model_parts(model: nn.Module) -> list[ModelPart]:
    """Return the parts of a model that hold parameters, in the model's order, with their depth.

    Blocks are found without names: they are the items of the `nn.ModuleList`s of the
    representation; the longest lists count (PaiNN: `interactions` and `mixing`, Equivariant
    Transformer: `attention_layers`). Modules defined before the last of these lists have the depth
    of the embedding, because they feed the blocks; modules after it have the depth of the last
    block, because they are fed by it.

    Args:
        model: SchNetPack model with `representation` and `output_modules`.

    Example:
        >>> import schnetpack as spk
        >>> from schnetpack.nn import CosineCutoff, GaussianRBF
        >>> painn = spk.representation.PaiNN(8, 2, GaussianRBF(5, 4.0), CosineCutoff(4.0))
        >>> head = spk.atomistic.Atomwise(8, output_key="energy")
        >>> model = spk.model.NeuralNetworkPotential(painn, output_modules=[head])
        >>> [(p.name.removeprefix("representation."), p.depth) for p in model_parts(model)]
        ... # doctest: +NORMALIZE_WHITESPACE
        [('embedding', 3), ('filter_net', 3), ('interactions.0', 2), ('interactions.1', 1),
         ('mixing.0', 2), ('mixing.1', 1), ('output_modules.0', 0)]
    """
    lists = _block_lists(getattr(model, "representation", None))
    n_blocks = len(next(iter(lists.values()), ()))
    # Modules beside the lists, also inside a wrapped network.
    n_words = {"representation": max((key.count(".") for key in lists), default=1) + 1}
    found: dict[tuple[str, int], ModelPart] = {}
    lists_left = set(lists)
    for name, parameter in model.named_parameters():
        inside = next((key for key in lists if name.startswith(f"{key}.")), None)
        if inside is not None:
            lists_left.discard(inside)
            index = int(name[len(inside) + 1 :].split(".")[0])
            part, depth = f"{inside}.{index}", n_blocks - index
        else:
            words = name.split(".")
            part = ".".join(words[: min(n_words.get(words[0], 2), len(words) - 1)] or words)
            if words[0] == "representation":
                depth = n_blocks + 1 if lists_left or not lists else 1
            else:
                depth = n_blocks + 1 if words[0] == "input_modules" else 0
        found.setdefault((part, depth), ModelPart(part, depth)).parameters.append(parameter)
    return list(found.values())


def _block_lists(representation: nn.Module | None) -> dict[str, nn.ModuleList]:
    """Return the longest outermost module lists of a representation, by full name."""
    if representation is None:
        return {}
    found: dict[str, nn.ModuleList] = {}
    for name, module in representation.named_modules():
        within = any(name.startswith(f"{outer}.") for outer in found)
        if isinstance(module, nn.ModuleList) and not within and list(module.parameters()):
            found[name] = module
    longest = max((len(blocks) for blocks in found.values()), default=0)
    return {
        f"representation.{name}": blocks for name, blocks in found.items() if len(blocks) == longest
    }


def parameter_groups(
    parts: Sequence[ModelPart], others: Sequence[nn.Parameter], lr: float, decay: float
) -> list[dict]:
    """Return the groups of parameters for an optimizer, without frozen parameters.

    Args:
        parts: parts of the model.
        others: parameters outside the model (of a loss), with the rate of the heads.
        lr: learning rate of the heads.
        decay: factor per step of depth, in (0, 1].

    Returns:
        Groups from the deepest to the heads, each with `params`, `lr`, `name` and `lr_factor`.
    """
    by_depth: dict[int, list[nn.Parameter]] = {}
    for part in [*parts, ModelPart("others", 0, list(others))]:
        trained = [p for p in part.parameters if p.requires_grad]
        if trained:
            by_depth.setdefault(part.depth if decay < 1.0 else 0, []).extend(trained)
    return [
        {
            "params": by_depth[depth],
            "lr": lr * decay**depth,
            "name": f"depth_{depth}",
            "lr_factor": decay**depth,
        }
        for depth in sorted(by_depth, reverse=True)
    ]
