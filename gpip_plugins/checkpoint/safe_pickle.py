"""Lists what a file of weights names and calls, before it is loaded.

A file of `torch.save` is a pickle: a small program that names classes and functions, builds
instances and may call what it named. SchNetPack stores whole modules in this way (`best_model`, and
the hyper-parameters of a Lightning checkpoint), so loading tensors only would accept too little and
`pickle` too much. The rules here (lists in `gpip_plugins.checkpoint.allowed_names`) lie between
the two:

- the file is first replayed with inert stand-ins for everything that it names (`names_in`), so
  nothing is imported or called before all names are known;
- a class must come from one of `PACKAGES` and be a module, an optimizer or a scheduler; the file
  may create an empty instance of it and set its attributes, but not call its constructor;
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
    >>> refused(buffer)
    []
"""

import _compat_pickle
import io
import pickle
import zipfile

import torch

from gpip_plugins.checkpoint.allowed_names import (
    ACTIVATIONS,
    CALLED,
    TENSOR_TYPE,
    allowed,
    look_up,
)

__all__ = ["as_safe_globals", "names_in", "refused"]


def _torch_function(owner: type, name: str):
    """Return an activation such as `torch.tanh`; pickled models need `getattr` only for these.

    Raises:
        pickle.UnpicklingError: for every other owner or name.
    """
    if owner is torch._C._VariableFunctionsClass and name in ACTIVATIONS:
        return getattr(torch, name)
    raise pickle.UnpicklingError(f"getattr({owner}, {name!r}) is not allowed")


def _inert(name: str, called: set[str]) -> type:
    """Return a class that accepts every pickle operation, does nothing and records its calls."""

    def construct(cls, *args, **kwargs):
        return dict.__new__(cls)

    def note(self, *args, **kwargs):
        called.add(name)

    def nothing(self, *args):
        return None

    body = {"__new__": construct, "__init__": note, "__hash__": object.__hash__}
    body |= dict.fromkeys(("__setstate__", "append", "extend", "add"), nothing)
    return type("Inert", (dict,), body)


class _Replay(pickle.Unpickler):
    """Runs a pickle with stand-ins; it imports nothing and calls nothing."""

    def __init__(self, file):
        super().__init__(file)
        self.stand_ins: dict[str, type] = {}
        self.called: set[str] = set()

    def persistent_load(self, pid):
        return None

    def find_class(self, module, name):
        # torch.save writes protocol 2, with the module names of Python 2.
        if (module, name) in _compat_pickle.NAME_MAPPING:
            module, name = _compat_pickle.NAME_MAPPING[module, name]
        else:
            module = _compat_pickle.IMPORT_MAPPING.get(module, module)
        full = f"{module}.{name}"
        return self.stand_ins.setdefault(full, _inert(full, self.called))


def names_in(file: io.BytesIO) -> tuple[set[str], set[str]]:
    """Return the full names that a file of `torch.save` refers to, and those that it calls.

    Args:
        file: the whole file, in the zip format that PyTorch writes since version 1.6.

    Raises:
        zipfile.BadZipFile, KeyError: if it is not such a file.
        Exception: any error that a damaged pickle causes.
    """
    with zipfile.ZipFile(file) as archive:
        names = archive.namelist()
        if any(name.endswith("/constants.pkl") for name in names):
            raise KeyError("TorchScript")
        record = next((name for name in names if name.endswith("data.pkl")), None)
        if record is None:
            raise KeyError("data.pkl")
        replay = _Replay(io.BytesIO(archive.read(record)))
    replay.load()
    return set(replay.stand_ins), replay.called


def refused(file: io.BytesIO, trust: tuple[str, ...] = ()) -> list[str]:
    """Return the reasons against loading the file: names, or calls as `name()`; sorted.

    Args:
        file: the whole file.
        trust: as in `allowed`.
    """
    names, called = names_in(file)
    reasons = {name for name in names if not allowed(name, trust)}
    reasons |= {f"{name}()" for name in called - CALLED if name not in reasons}
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
