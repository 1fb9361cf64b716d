"""Classes and functions that a file of weights may name, and those that it may call."""

import importlib
import re
import sys

__all__ = [
    "ACTIVATIONS",
    "CALLED",
    "FUNCTIONS",
    "PACKAGES",
    "TENSOR_TYPE",
    "TYPES",
    "allowed",
    "look_up",
    "may_occur",
]

#: Packages whose modules, optimizers and schedulers may be named; imported only if needed.
PACKAGES = (
    "gpip_plugins.atomistic",
    "gpip_plugins.task",
    "gpip_plugins.nn",
    "gpip_plugins.task.outputs",
    "gpip_plugins.representation",
    "gpip_plugins.task.pretraining",
    "gpip_plugins.train.cosine",
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
    "torchmetrics.aggregation",
    "torchmetrics.regression",
)
BASES = (
    "torch.nn.modules.module.Module",
    "torch.optim.optimizer.Optimizer",
    "torch.optim.lr_scheduler.LRScheduler",
)
#: Classes of these packages that write or read files of their own choice, or could be made to; also
#: those derived from them. No model needs one: the first is for training data, the second is the
#: task around the model.
TOUCH_FILES = frozenset(
    [
        "schnetpack.transform.neighborlist.CachedNeighborList",
        "pytorch_lightning.core.module.LightningModule",
    ]
)

ACTIVATIONS = [
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
    [f"torch.nn.functional.{name}" for name in ACTIVATIONS]
    + [f"torch._C._nn.{name}" for name in ACTIVATIONS]
    + [f"torch.nn.init.{name}" for name in _INITIALISERS]
    + [f"torchmetrics.utilities.data.dim_zero_{name}" for name in _REDUCTIONS]
    + [
        "schnetpack.nn.activations.shifted_softplus",
        "schnetpack.nn.activations.softplus_inverse",
        "torchmetrics.metric.jit_distributed_available",
    ]
)

#: Plain types that occur as values or as containers; creating them has no side effects.
TYPES = frozenset(
    [f"builtins.{name}" for name in _PLAIN]
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
    # Lightning up to 1.5 stores the state of callbacks under their classes.
    + [
        "pytorch_lightning.callbacks.early_stopping.EarlyStopping",
        "pytorch_lightning.callbacks.model_checkpoint.ModelCheckpoint",
    ]
)

#: Names that a file may call.
CALLED = frozenset(
    [
        "builtins.frozenset",
        "builtins.getattr",  # replaced by a function that accepts only activations
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

#: Names that PyTorch writes in place of tensors' data: types of storages and of numbers.
TENSOR_TYPE = re.compile(r"torch\.(\w+Storage|bfloat16|float\w+|u?int\d+|complex\d+|bool)")


def look_up(name: str, may_import: bool) -> object | None:
    """Return the object of a full name; import its module if allowed.

    Args:
        name: full name, such as `schnetpack.representation.painn.PaiNN`.
        may_import: False searches only modules that are loaded already.

    Example:
        >>> import torch
        >>> look_up("torch.nn.modules.linear.Linear", may_import=False)
        <class 'torch.nn.modules.linear.Linear'>
    """
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
    """Return whether a file may refer to this class or function.

    Args:
        name: full name, such as `schnetpack.representation.painn.PaiNN`.
        trust: further packages whose modules, optimizers and schedulers are accepted.

    Example:
        >>> allowed("schnetpack.representation.painn.PaiNN"), allowed("os.system")
        (True, False)
    """
    if _listed(name):
        return True
    if not may_occur(name, trust):
        return False
    found = look_up(name, may_import=True)
    # The first condition excludes objects that a module only imported from elsewhere.
    if not isinstance(found, type) or _full_name(found) != name:
        return False
    bases = {_full_name(base) for base in found.__mro__}
    return bool(bases & set(BASES)) and not bases & TOUCH_FILES


def may_occur(name: str, trust: tuple[str, ...] = ()) -> bool:
    """Return whether a name can be that of a model, without importing what it names.

    `allowed` decides whether a file is loaded; this is enough where it is only described.

    Args:
        name: as in `allowed`.
        trust: as in `allowed`.

    Example:
        >>> may_occur("schnetpack.representation.painn.PaiNN"), may_occur("os.system")
        (True, False)
    """
    return _listed(name) or (_within(name, PACKAGES + trust) and name not in TOUCH_FILES)


def _listed(name: str) -> bool:
    return name in FUNCTIONS | TYPES | CALLED or TENSOR_TYPE.fullmatch(name) is not None


def _full_name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"
