"""Lists what a file of weights names and calls, before it is loaded.

A file of `torch.save` is a pickle: a small program that names classes and functions, builds
instances and may call what it named. SchNetPack stores whole modules in this way (`best_model`, and
the hyper-parameters of a Lightning checkpoint), so loading tensors only would accept too little and
`pickle` too much. The rules here (lists in `gpip_plugins.checkpoint.allowed_names`) lie between
the two:

- the file is first replayed with inert stand-ins for everything that it names
  (`gpip_plugins.checkpoint.outline`), so nothing is imported or called before all names are known;
- a class must come from one of `PACKAGES`, be a module, an optimizer or a scheduler, and touch no
  files; the file may create an empty instance of it and set its attributes, but not call its
  constructor;
- functions are listed one by one (`FUNCTIONS`); the file may refer to them, but not call them;
- only functions that rebuild tensors and containers may be called (`CALLED`).

PyTorch's weights-only unpickler then loads the file with exactly these names and checks it a second
time by its own rules.

Example:
    >>> import io, torch
    >>> buffer = io.BytesIO()
    >>> torch.save(torch.nn.Linear(1, 1), buffer)
    >>> "torch.nn.modules.linear.Linear" in names_in(buffer)[0]
    True
    >>> refused(outline_of(Archive(buffer.getvalue())))
    []
"""

import io
import pickle
from collections.abc import Iterable
from typing import Any

import torch

from gpip_plugins.checkpoint.allowed_names import (
    ACTIVATIONS,
    CALLED,
    TENSOR_TYPE,
    allowed,
    look_up,
)
from gpip_plugins.checkpoint.archive import Archive
from gpip_plugins.checkpoint.outline import Outline, outline_of

__all__ = ["as_safe_globals", "names_in", "refused", "unpickled"]


def _torch_function(owner: type, name: str):
    """Return an activation such as `torch.tanh`; pickled models need `getattr` only for these.

    Raises:
        pickle.UnpicklingError: for every other owner or name.
    """
    if owner is torch._C._VariableFunctionsClass and name in ACTIVATIONS:
        return getattr(torch, name)
    raise pickle.UnpicklingError(f"getattr({owner}, {name!r}) is not allowed")


def names_in(file: io.BytesIO) -> tuple[set[str], set[str]]:
    """Return the full names that a file of `torch.save` refers to, and those that it calls.

    Args:
        file: the whole file, in the zip format that PyTorch writes since version 1.6.
    """
    outline = outline_of(Archive(file.getvalue()))
    return outline.names, outline.called


def refused(outline: Outline, trust: tuple[str, ...] = ()) -> list[str]:
    """Return the reasons against loading a file: names, or calls as `name()`; sorted.

    Args:
        outline: of the file.
        trust: as in `allowed`.
    """
    reasons = {name for name in outline.names if not allowed(name, trust)}
    reasons |= {f"{name}()" for name in outline.called - CALLED if name not in reasons}
    return sorted(reasons)


def as_safe_globals(names: set[str], may_import: bool = True) -> list[tuple[object, str]]:
    """Return the names in the form that PyTorch's `add_safe_globals` needs.

    Args:
        names: full names; the caller must have checked that they are harmless.
        may_import: False searches only modules that are loaded already.
    """
    pairs: list[tuple[object, str]] = []
    for name in sorted(names):
        if name == "builtins.getattr":
            pairs.append((_torch_function, name))
        elif not TENSOR_TYPE.fullmatch(name):
            found = look_up(name, may_import)
            if found is not None:
                pairs.append((found, name))
    return pairs


def unpickled(data: bytes, names: Iterable[object]) -> Any:
    """Load a file on the CPU with PyTorch's weights-only unpickler.

    Args:
        data: the whole file, whose names the caller has checked.
        names: classes and functions that may occur in it beside those that PyTorch knows, in the
            form that `add_safe_globals` takes.

    Raises:
        Exception: of many kinds, for a damaged file and for any other name.
    """
    # On leaving the context its names are removed, so it must not contain those added elsewhere.
    present = torch.serialization.get_safe_globals()
    with torch.serialization.safe_globals([name for name in names if name not in present]):
        return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
