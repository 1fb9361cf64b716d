"""Freezes chosen modules of a model: no gradient, no optimizer, no new running statistics."""

import difflib
from collections.abc import Sequence
from fnmatch import fnmatchcase

from torch import nn
from torch.nn.modules.batchnorm import _NormBase

from gpip_plugins.errors import InputError

__all__ = ["freeze", "keep_frozen_norms"]


def freeze(model: nn.Module, patterns: Sequence[str]) -> list[str]:
    """Freeze the modules whose names match; return their names.

    Frozen parameters get no gradient. Derivatives with respect to positions (forces) and gradients
    of the modules below still pass through them.

    Args:
        model: the model; names are relative to it, such as `representation.embedding`.
        patterns: shell patterns of module names; `*` stands for any characters, also dots.

    Raises:
        InputError: a pattern matches no module with parameters, or nothing would be left to train.

    Example:
        >>> model = nn.ModuleDict({"embedding": nn.Embedding(9, 2), "head": nn.Linear(2, 1)})
        >>> freeze(model, ["embed*"])
        ['embedding']
        >>> [name for name, p in model.named_parameters() if p.requires_grad]
        ['head.weight', 'head.bias']
    """
    # remove_duplicate=False: a module that is used twice has two names.
    modules = {name: m for name, m in model.named_modules(remove_duplicate=False) if name}
    holding = [name for name, module in modules.items() if any(True for _ in module.parameters())]
    chosen: list[str] = []
    for pattern in patterns:
        found = [name for name in holding if fnmatchcase(name, pattern)]
        if not found:
            if any(fnmatchcase(name, pattern) for name in modules):
                what = "matches only modules without parameters"
            else:
                what = "matches no module of the model"
            near = difflib.get_close_matches(pattern, holding, n=3, cutoff=0.3) or holding[:3]
            raise InputError(f"freeze={pattern} {what}; similar names are {', '.join(near)}.")
        chosen += [name for name in found if name not in chosen]
    kept = {id(p) for name in chosen for p in modules[name].parameters()}
    if all(id(p) in kept for p in model.parameters()):
        raise InputError(
            f"freeze=[{','.join(patterns)}] freezes every parameter of the model; leave at least a "
            "head to train, for example freeze=[representation]."
        )
    for name in chosen:
        modules[name].requires_grad_(False)
    return chosen


def keep_frozen_norms(model: nn.Module) -> None:
    """Put the normalisation layers that are frozen into evaluation mode.

    In training mode batch normalisation would replace its running mean and variance, which are no
    parameters, by those of the new data. Call this whenever the model is set to training mode.

    Args:
        model: the model.
    """
    for module in model.modules():
        direct = list(module.parameters(recurse=False))
        if isinstance(module, _NormBase) and direct and not any(p.requires_grad for p in direct):
            module.eval()
