"""Which classes and functions a file of weights may name, and what it may do with them.

A file of `torch.save` is a pickle: a small program that names classes and functions, builds
instances and may call what it named. SchNetPack stores whole modules in this way (`best_model`, and
the hyper-parameters of a Lightning checkpoint), so "tensors only" is too narrow and `pickle` too
wide. The rules here lie between the two:

- the file is first replayed with inert stand-ins for everything that it names (`names_in`), so
  nothing is imported or called before all of it is known;
- a class must come from one of `PACKAGES` and be a module, an optimizer or a scheduler; the file
  may create an empty instance of it and fill in its attributes, but not call its constructor;
- functions are listed one by one (`FUNCTIONS`); the file may refer to them, but not call them;
- called may be only what rebuilds tensors and containers (`CALLED`).

PyTorch's weights-only unpickler then loads the file with exactly these names and does the checking
a second time, in its own way.

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
import importlib
import io
import pickle
import re
import sys
import zipfile

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

__all__ = ["allowed", "as_safe_globals", "names_in", "refused"]

#: Packages whose modules, optimizers and schedulers may be named; imported when a file does so.
PACKAGES = (
    "gpip_plugins.atomistic",
    "gpip_plugins.nn",
    "gpip_plugins.representation",
    "gpip_plugins.task",
    "gpip_plugins.transform",
    "schnetpack.atomistic",
    "schnetpack.model",
    "schnetpack.nn",
    "schnetpack.representation",
    "schnetpack.task",
    "schnetpack.train.lr_scheduler",
    "schnetpack.train.metrics",
    "schnetpack.transform",
    "torch.nn.modules",
    "torch.optim",
    "torchmdnet.models",
    "torchmetrics.aggregation",
    "torchmetrics.regression",
)
BASES = (nn.Module, Optimizer, LRScheduler)

_ACTIVATIONS = [
    "celu", "elu", "gelu", "hardswish", "hardtanh", "leaky_relu", "logsigmoid", "mish", "relu",
    "relu6", "selu", "sigmoid", "silu", "softplus", "softsign", "tanh",
]  # fmt: skip
_INITIALISERS = [
    "constant_", "eye_", "kaiming_normal_", "kaiming_uniform_", "normal_", "ones_", "orthogonal_",
    "trunc_normal_", "uniform_", "xavier_normal_", "xavier_uniform_", "zeros_",
]  # fmt: skip
_REDUCTIONS = ["cat", "max", "mean", "min", "sum"]
_PLAIN = ["bool", "complex", "dict", "float", "int", "list", "str", "tuple"]

#: Functions that modules keep as attributes: activations, initialisers, reductions of metrics.
FUNCTIONS = frozenset(
    [f"torch.nn.functional.{name}" for name in _ACTIVATIONS]
    + [f"torch._C._nn.{name}" for name in _ACTIVATIONS]
    + [f"torch.nn.init.{name}" for name in _INITIALISERS]
    + [
        f"torchmetrics.utilities.data.dim_zero_{name}"
        for name in ["cat", "max", "mean", "min", "sum"]
    ]
    + [
        "schnetpack.nn.activations.shifted_softplus",
        "schnetpack.nn.activations.softplus_inverse",
        "torchmetrics.metric.jit_distributed_available",
    ]
)

#: Plain types that occur as values or as containers; none of them does anything when created.
TYPES = frozenset(
    [
        f"builtins.{name}"
        for name in ["bool", "complex", "dict", "float", "int", "list", "str", "tuple"]
    ]
    + [f"omegaconf.base.{name}" for name in ("ContainerMetadata", "Metadata")]
    + [
        f"omegaconf.nodes.{name}Node"
        for name in ["Any", "Boolean", "Float", "Integer", "InterpolationResult", "Path", "String"]
    ]
    + [
        "omegaconf.dictconfig.DictConfig",
        "omegaconf.listconfig.ListConfig",
        "torch._C._VariableFunctionsClass",
        "typing.Any",
    ]
)

#: What a file may call.
CALLED = frozenset(
    [
        "builtins.frozenset",
        "builtins.getattr",  # replaced by `_torch_function`, which knows the activations only
        "builtins.set",
        "collections.OrderedDict",
        "collections.defaultdict",
        "torch.Size",
        "torch._utils._rebuild_parameter",
        "torch._utils._rebuild_tensor_v2",
        "torch.device",
        "torch.nn.parameter.Parameter",
    ]
)

#: What PyTorch puts in the place of tensors' data: types of storages and of numbers.
_TENSOR_TYPE = re.compile(r"torch\.(\w+Storage|bfloat16|float\w+|u?int\d+|complex\d+|bool)")


def _torch_function(owner: type, name: str):
    """Return `torch.tanh` and its like, the only thing for which pickled models need `getattr`.

    Raises:
        pickle.UnpicklingError: for every other owner or name.
    """
    if owner is torch._C._VariableFunctionsClass and name in _ACTIVATIONS:
        return getattr(torch, name)
    raise pickle.UnpicklingError(f"getattr({owner}, {name!r}) is not allowed")


def _inert(name: str, called: set[str]) -> type:
    """Return a class that takes every pickle operation, does nothing and notes its calls."""

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
    """Runs a pickle with stand-ins: imports nothing, calls nothing."""

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
        Exception: whatever a damaged pickle leads to.
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


def _look_up(name: str, may_import: bool) -> object | None:
    """Return the object of a full name, with or without importing the module that holds it."""
    parts = name.split(".")
    for n_module in range(len(parts) - 1, 0, -1):
        module_name = ".".join(parts[:n_module])
        if may_import:
            try:
                importlib.import_module(module_name)
            except ModuleNotFoundError:
                continue
        found = sys.modules.get(module_name)
        for part in parts[n_module:]:
            found = getattr(found, part, None)
        if found is not None:
            return found
    return None


def _within(name: str, packages: tuple[str, ...]) -> bool:
    return any(name.startswith(package + ".") for package in packages)


def allowed(name: str, trust: tuple[str, ...] = ()) -> bool:
    """Tell whether a file may refer to this class or function.

    Args:
        name: full name, such as `schnetpack.representation.painn.PaiNN`.
        trust: further packages whose modules, optimizers and schedulers are accepted.

    Example:
        >>> allowed("schnetpack.representation.painn.PaiNN"), allowed("os.system")
        (True, False)
    """
    if name in FUNCTIONS or name in TYPES or name in CALLED or _TENSOR_TYPE.fullmatch(name):
        return True
    if not _within(name, PACKAGES + trust):
        return False
    found = _look_up(name, may_import=True)
    # The second condition keeps out what a module merely imported from elsewhere.
    return (
        isinstance(found, type)
        and issubclass(found, BASES)
        and f"{found.__module__}.{found.__qualname__}" == name
    )


def refused(file: io.BytesIO, trust: tuple[str, ...] = ()) -> list[str]:
    """Return what speaks against loading the file: names, or calls as `name()`; sorted.

    Args:
        file: the whole file.
        trust: as in `allowed`.
    """
    names, called = names_in(file)
    reasons = {name for name in names if not allowed(name, trust)}
    reasons |= {f"{name}()" for name in called - CALLED if name not in reasons}
    return sorted(reasons)


def as_safe_globals(names: set[str], may_import: bool = True) -> list[tuple[object, str]]:
    """Return the names as PyTorch's `add_safe_globals` wants them.

    Args:
        names: full names; whoever calls has decided that they are harmless.
        may_import: False looks only at modules that are loaded already.
    """
    pairs: list[tuple[object, str]] = []
    for name in sorted(names):
        if name == "builtins.getattr":
            pairs.append((_torch_function, name))
        elif not _TENSOR_TYPE.fullmatch(name):
            found = _look_up(name, may_import)
            if found is not None:
                pairs.append((found, name))
    return pairs
