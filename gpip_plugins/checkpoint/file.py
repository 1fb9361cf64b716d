"""Loads trained models without running code from a foreign file.

Three kinds of file occur around SchNetPack: `best_model`, a whole pickled model; a Lightning
checkpoint, with the pickled model among the hyper-parameters and the weights in `state_dict`; and a
plain state dict. A fourth is TorchMD-Net's Lightning checkpoint of an Equivariant Transformer, from
which a SchNetPack model is built. All are loaded weights-only, with the rules of
`gpip_plugins.checkpoint.safe_pickle`.
"""

import hashlib
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from schnetpack.model import AtomisticModel
from torch import nn

from gpip_plugins.checkpoint import safe_pickle
from gpip_plugins.checkpoint.archive import Archive, damaged_file, model_path, open_archive
from gpip_plugins.checkpoint.outline import is_module, read_outline
from gpip_plugins.checkpoint.settings import settings_of, settings_of_tensors
from gpip_plugins.checkpoint.torchmdnet import from_torchmdnet, is_torchmdnet
from gpip_plugins.errors import InputError

__all__ = ["Checkpoint", "load", "load_model"]

#: Occurs in the file in which SchNetPack stores the task with its hyper-parameters.
_TASK = "lightning_fabric.utilities.data.AttributeDict"
#: Lists of modules that a model has besides its representation.
_PARTS = ("input_modules", "output_modules", "postprocessors")
#: Largest cut-off, in the model's unit of length: every pair of a large box would be a neighbour.
MAX_CUTOFF = 100.0


@dataclass(frozen=True)
class Checkpoint:
    """The content of a file of weights.

    Args:
        path: absolute path of the file.
        sha256: hash of the file, hexadecimal.
        kind: `model` (SchNetPack's best_model), `lightning`, `state_dict` or `torchmdnet`.
        state_dict: tensors of the whole model, named as in the model (no leading `model.`).
        module: the model, if the file contains it.
        settings: known settings of the representation, see `settings_of`.
    """

    path: str
    sha256: str
    kind: str
    state_dict: dict[str, torch.Tensor]
    module: nn.Module | None = None
    settings: dict[str, object] = field(default_factory=dict)

    def tensors(self, name: str) -> dict[str, torch.Tensor]:
        """Return the tensors of one sub-module, with names relative to it; `""` for all.

        Args:
            name: path of the sub-module, such as `representation` or `output_modules.0`.

        Example:
            >>> Checkpoint("f", "0", "state_dict", {"a.weight": 1, "b.weight": 2}).tensors("a")
            {'weight': 1}
        """
        prefix = f"{name}." if name else ""
        return {
            key.removeprefix(prefix): value
            for key, value in self.state_dict.items()
            if key.startswith(prefix)
        }


def load(
    path: str | os.PathLike, trust: str | Sequence[str] = (), name: str = "path"
) -> Checkpoint:
    """Load a file of weights to the CPU.

    Args:
        path: the file, or the folder of a run with its `best_model`. A relative path is relative
            to the folder in which the command was typed.
        trust: your packages whose modules may occur in the file.
        name: name of the parameter that holds the path.

    Raises:
        InputError: the file is missing, damaged, empty, of another format, it names a class or
            function that a model does not need, or its model is incomplete or has no sensible
            cut-off.
    """
    path = model_path(path, name)
    data, archive = open_archive(path, name)
    trust = (trust,) if isinstance(trust, str) else tuple(trust)
    kind, module, tensors = _sort_out(path, _unpickle(path, data, archive, trust))
    if not tensors:
        raise InputError(f"{path} contains no weights; give the best_model of a finished run.")
    try:
        settings = _settings(module, tensors)
    except Exception as error:  # of a foreign file: missing attributes, or of other types
        raise _incomplete(path, error) from error
    _check_cutoff(path, settings)
    return Checkpoint(path, hashlib.sha256(data).hexdigest(), kind, tensors, module, settings)


def load_model(
    path: str | os.PathLike,
    device: str | torch.device = "cpu",
    trust: str | Sequence[str] = (),
    name: str = "path",
) -> AtomisticModel:
    """Load a model that is ready to predict: evaluation mode, post-processing on.

    Args:
        path: a best_model, the folder of a run, or a Lightning checkpoint.
        device: device of the model.
        trust: as in `load`.
        name: as in `load`.

    Raises:
        InputError: as in `load`; and if the file has weights but no model, a model without
            outputs, or a model of a SchNetPack older than 2.1.
    """
    checkpoint = load(path, trust, name)
    model = checkpoint.module
    if not isinstance(model, AtomisticModel):
        raise InputError(
            f"{checkpoint.path} contains weights without a model; give the best_model of a run."
        )
    parts = [getattr(model, name, None) for name in ("representation", *_PARTS)]
    if not all(is_module(part) for part in parts) or not hasattr(model, "model_outputs"):
        raise _incomplete(checkpoint.path, "it lacks modules that every model has")
    if not len(model.output_modules):
        raise InputError(
            f"{checkpoint.path} has no energy that could be used, only a representation;"
            " fine-tune it first (pretrained.path)."
        )
    version = getattr(model, "spk_version", "2.0.4")
    if version == "2.0.4":
        raise InputError(
            f"{checkpoint.path} was written by SchNetPack 2.0; load it with"
            " schnetpack.utils.load_model and save it again with torch.save."
        )
    model.do_postprocessing = True
    return model.to(device).eval()


def _settings(module: nn.Module | None, tensors: dict[str, torch.Tensor]) -> dict[str, object]:
    representation = getattr(module, "representation", None)
    known = isinstance(representation, nn.Module)
    return settings_of(representation) if known else settings_of_tensors(tensors)


def _incomplete(path: str, why: object) -> InputError:
    """Return the error for a model that was stored in parts, or changed."""
    return InputError(
        f"{path} holds a model that cannot be used ({' '.join(str(why).split())}); give the "
        "best_model that a training wrote."
    )


def _check_cutoff(path: str, settings: dict[str, object]) -> None:
    """Refuse a cut-off with which no neighbours can be found, or all atoms of the world."""
    cutoff = settings.get("cutoff", 1.0)
    if not (math.isfinite(cutoff) and 0.0 < cutoff <= MAX_CUTOFF):
        raise InputError(
            f"{path} holds a model with a cut-off of {cutoff:g}, instead of a number above 0 and "
            f"up to {MAX_CUTOFF:g}; give the best_model that a training wrote."
        )


def _unpickle(path: str, data: bytes, archive: Archive, trust: tuple[str, ...]) -> object:
    """Check what the file names, then load it with PyTorch's weights-only unpickler."""
    outline = read_outline(path, archive)
    reasons = safe_pickle.refused(outline, trust)
    if _TASK in reasons:
        raise InputError(f"{path} contains a whole training task; give the best_model beside it.")
    if older := next((name for name in reasons if name.startswith("gpip_plugins.")), None):
        raise InputError(
            f"{path} was written by another version of gpip_plugins: it names {older}, which this"
            " version does not have; use the version that wrote it, or train again."
        )
    if reasons:
        package = reasons[0].split(".")[0]
        raise InputError(
            f"{path} was not loaded because it uses {', '.join(reasons[:3])}, which a model of"
            f" SchNetPack does not need; if you wrote the file and {package} is your package,"
            f" give trust={package}, otherwise save the weights alone with"
            " torch.save(model.state_dict(), FILE)."
        )
    names = safe_pickle.as_safe_globals(outline.names)
    try:
        return safe_pickle.unpickled(data, names)
    except Exception as error:
        raise damaged_file(path) from error


def _sort_out(path: str, content: object) -> tuple[str, nn.Module | None, dict[str, torch.Tensor]]:
    """Return the kind of the file, its model, if any, and the model's tensors."""
    if isinstance(content, nn.Module):
        return "model", content, _state_of(path, content)
    if is_torchmdnet(content):
        module = from_torchmdnet(path, content)
        return "torchmdnet", module, dict(module.state_dict())
    if isinstance(content, dict) and isinstance(content.get("state_dict"), dict):
        tensors = _without_prefix(content["state_dict"])
        parameters = content.get("hyper_parameters")
        module = parameters.get("model") if isinstance(parameters, Mapping) else None
        if not isinstance(module, nn.Module):
            return "lightning", None, tensors
        _state_of(path, module)
        try:
            module.load_state_dict(tensors)
        except RuntimeError as error:
            raise InputError(
                f"The weights in {path} do not fit the model in the same file; give the best_model"
                " of the run."
            ) from error
        return "lightning", module, tensors
    if isinstance(content, dict) and all(
        isinstance(key, str) and isinstance(value, torch.Tensor) for key, value in content.items()
    ):
        return "state_dict", None, _without_prefix(content)
    raise InputError(
        f"{path} holds a {type(content).__name__} instead of a model; give a best_model, a"
        " Lightning checkpoint or a state dict."
    )


def _state_of(path: str, module: nn.Module) -> dict[str, torch.Tensor]:
    """Return the tensors of a model, whose parts a foreign file may have left out."""
    try:
        incomplete = [type(part).__name__ for part in module.modules() if not is_module(part)]
        tensors = dict(module.state_dict())
    except Exception as error:
        raise _incomplete(path, error) from error
    if incomplete:
        raise _incomplete(path, f"its {incomplete[0]} lacks parts")
    if not all(isinstance(tensor, torch.Tensor) for tensor in tensors.values()):
        raise _incomplete(path, "it holds weights that are no numbers")
    return tensors


def _without_prefix(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return the model's tensors of a task's state dict, named as in the model."""
    if any(key.startswith("model.") for key in tensors):
        tensors = {
            key.removeprefix("model."): value
            for key, value in tensors.items()
            if key.startswith("model.")
        }
    return dict(tensors)
