"""Copies the weights of sub-modules from a checkpoint into a model, or reports the obstacle."""

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

import torch
from torch import nn
from torch.nn.modules.batchnorm import _NormBase

from gpip_plugins.checkpoint import Checkpoint, settings_of
from gpip_plugins.errors import InputError
from gpip_plugins.train.transfer_report import Transfer

__all__ = ["transfer"]


def transfer(
    checkpoint: Checkpoint,
    model: nn.Module,
    modules: Mapping[str, str],
    allow_missing: Sequence[str] = (),
    allow_differences: Sequence[str] = (),
) -> Transfer:
    """Copy the weights of some sub-modules from a checkpoint into a model.

    Parameters are copied, and so are the buffers of normalisation layers. All other buffers
    (cutoff, centres of the radial basis, Clebsch-Gordan coefficients) are constants of the
    architecture: they are compared, and the model keeps its values.

    Args:
        checkpoint: the loaded file.
        model: receives the weights; unchanged if an error is raised.
        modules: sub-module of `model` to sub-module of the file.
        allow_missing: patterns of tensors that the file may lack.
        allow_differences: settings that may differ.

    Raises:
        InputError: see `PretrainedRepresentation`.
    """
    copies: dict[torch.Tensor, torch.Tensor] = {}
    used: set[int] = set()
    result = Transfer(checkpoint)
    for target, source in modules.items():
        module, stored = _both_sides(checkpoint, model, target, source)
        if target == "representation":
            _compare_settings(result, settings_of(module))
        learned = _learned_tensors(module)
        for name, tensor in module.state_dict(keep_vars=True).items():
            full = f"{target}.{name}"
            found = stored.get(name)
            used.add(id(found))
            if found is None:
                (result.fresh if name in learned else result.unchecked)[full] = tuple(tensor.shape)
            elif found.shape != tensor.shape:
                result.misfits.append(
                    f"{full} is {tuple(tensor.shape)} here and {tuple(found.shape)} there"
                )
            elif name in learned and not torch.isfinite(found).all():
                raise InputError(
                    f"{source}.{name} in {checkpoint.path} holds NaN or infinite numbers; give the"
                    " model of a run that did not diverge."
                )
            elif name in learned:
                result.loaded[full] = tuple(tensor.shape)
                copies[tensor] = found
            else:
                _compare_constant(result, target, name, tensor, found)
    _refuse_misfits(result, allow_missing, allow_differences)
    result.fresh |= {
        name: tuple(parameter.shape)
        for name, parameter in model.named_parameters()
        if parameter not in copies
    }
    result.skipped = {
        name: tuple(tensor.shape)
        for name, tensor in checkpoint.state_dict.items()
        if id(tensor) not in used
    }
    with torch.no_grad():
        for tensor, found in copies.items():
            tensor.copy_(found)
    return result


def _both_sides(
    checkpoint: Checkpoint, model: nn.Module, target: str, source: str
) -> tuple[nn.Module, dict[str, torch.Tensor]]:
    """Return the sub-module of the model and the tensors of the file's sub-module."""
    try:
        module = model.get_submodule(target)
    except AttributeError:
        children = ", ".join(name for name, _ in model.named_children())
        raise InputError(
            f"pretrained.modules: the model has no sub-module {target}; it has {children}."
        ) from None
    stored = checkpoint.tensors(source)
    if not stored and source == "representation" and checkpoint.kind == "state_dict":
        # The state dict of a representation alone, without the name of the module.
        stored = {
            key: checkpoint.state_dict[key]
            for key in module.state_dict()
            if key in checkpoint.state_dict
        }
    if not stored:
        present = sorted({key.split(".")[0] for key in checkpoint.state_dict})
        raise InputError(
            f"pretrained.modules: {checkpoint.path} has no sub-module {source}; it has"
            f" {', '.join(present)}."
        )
    return module, stored


def _learned_tensors(module: nn.Module) -> set[str]:
    """Return the names of the tensors that are changed by training."""
    names = {name for name, _ in module.named_parameters(remove_duplicate=False)}
    for prefix, child in module.named_modules(remove_duplicate=False):
        if isinstance(child, _NormBase):
            names |= {f"{prefix}.{name}".lstrip(".") for name, _ in child.named_buffers()}
    return names


def _compare_settings(result: Transfer, settings: dict[str, object]) -> None:
    """Record every setting that is known for both representations and differs."""
    stored = result.checkpoint.settings
    for key in settings:
        if key in stored and settings[key] != stored[key]:
            result.differences[key] = (stored[key], settings[key])


def _compare_constant(
    result: Transfer, target: str, name: str, present: torch.Tensor, stored: torch.Tensor
) -> None:
    """Record a constant that differs: the cutoff, the radial basis, or the name of the buffer."""
    result.kept[f"{target}.{name}"] = tuple(present.shape)
    if torch.allclose(present.detach().cpu().double(), stored.double(), rtol=1e-4, atol=1e-6):
        return
    setting = "cutoff" if name.split(".")[-1] == "cutoff" else name.split(".")[0]
    shown = tuple(
        f"{value.min():g}" if value.numel() == 1 else f"{name} {value.min():g} to {value.max():g}"
        for value in (stored.detach().double(), present.detach().double())
    )
    result.differences.setdefault(setting, shown)


def _refuse_misfits(
    result: Transfer, allow_missing: Sequence[str], allow_differences: Sequence[str]
) -> None:
    """Raise an InputError for the first kind of misfit that is not allowed."""
    path = result.checkpoint.path
    differing = [
        f"{key} is {here} here and {there} there"
        for key, (there, here) in result.differences.items()
        if key not in allow_differences
    ]
    if result.misfits:
        # Another width or depth explains shapes that differ.
        reasons = [*differing, *result.misfits]
        raise InputError(
            f"The representation does not fit {path}: {'; '.join(reasons[:3])};"
            " set up the model as the pre-trained one."
        )
    missing = [
        name
        for name in result.fresh
        if not any(fnmatchcase(name, pattern) for pattern in allow_missing)
    ]
    if missing:
        reasons = [*differing, f"{len(missing)} tensors are missing there, such as {missing[0]}"]
        raise InputError(
            f"The representation does not fit {path}: {'; '.join(reasons[:3])}; set up the model as"
            " the pre-trained one, or list what may stay new in pretrained.allow_missing."
        )
    if differing:
        names = [key for key in result.differences if key not in allow_differences]
        raise InputError(
            f"The representation differs from that of {path}: {'; '.join(differing)}; set it up as"
            f" the pre-trained one, or add pretrained.allow_differences=[{','.join(names)}]."
        )
    if not result.loaded:
        raise InputError(f"Nothing could be taken from {path}; check pretrained.modules.")
