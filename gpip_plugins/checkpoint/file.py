"""Loads trained models without running code from a foreign file.

Three kinds of file occur around SchNetPack: `best_model`, a whole pickled model; a Lightning
checkpoint, with the pickled model among the hyper-parameters and the weights in `state_dict`; and a
plain state dict. A fourth is TorchMD-Net's Lightning checkpoint of an Equivariant Transformer, from
which a SchNetPack model is built. All are loaded weights-only, with the rules of
`gpip_plugins.checkpoint.safe_pickle`.
"""

import contextlib
import hashlib
import io
import os
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from schnetpack.model import AtomisticModel
from torch import nn

from gpip_plugins.checkpoint import safe_pickle
from gpip_plugins.checkpoint.settings import settings_of, settings_of_tensors
from gpip_plugins.checkpoint.torchmdnet import from_torchmdnet, is_torchmdnet
from gpip_plugins.errors import InputError
from gpip_plugins.io.paths import existing

__all__ = ["Checkpoint", "load", "load_model"]

#: Occurs in the file in which SchNetPack stores the task with its hyper-parameters.
_TASK = "lightning_fabric.utilities.data.AttributeDict"


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
        InputError: the file is missing, damaged, empty, of another format, or it names a class or
            function that a model does not need.
    """
    path = _existing_file(path, name)
    try:
        with open(path, "rb") as handle:
            data = handle.read()
    except OSError as error:
        raise InputError(
            f"{name}={path} cannot be read ({error.strerror}); change its permissions."
        ) from error
    trust = (trust,) if isinstance(trust, str) else tuple(trust)
    content = _unpickle(path, data, trust)
    kind, module, tensors = _sort_out(path, content)
    if not tensors:
        raise InputError(f"{path} contains no weights; give the best_model of a finished run.")

    representation = getattr(module, "representation", None)
    if isinstance(representation, nn.Module):
        settings = settings_of(representation)
    else:
        settings = settings_of_tensors(tensors)
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


def _existing_file(path: str | os.PathLike, name: str) -> str:
    """Return the absolute path of the file."""
    path = existing(name, path, "name the best_model of a finished run")
    if not os.path.isdir(path):
        return path
    inside = os.path.join(path, "best_model")
    if not os.path.isfile(inside):
        raise InputError(
            f"The folder {name}={path} has no best_model; give a file, or a finished run's folder."
        )
    return inside


def _unpickle(path: str, data: bytes, trust: tuple[str, ...]) -> object:
    """Check what the file names, then load it with PyTorch's weights-only unpickler."""
    damaged = InputError(
        f"{path} is damaged or not a file of torch.save; copy it again, or give another checkpoint."
    )
    try:
        # PyTorch does not check the checksums that it stores.
        if zipfile.ZipFile(io.BytesIO(data)).testzip() is not None:
            raise damaged
        reasons = safe_pickle.refused(io.BytesIO(data), trust)
        names, _ = safe_pickle.names_in(io.BytesIO(data))
    except KeyError as error:
        if error.args == ("TorchScript",):
            raise InputError(
                f"{path} is a TorchScript file, whose weights cannot be loaded; give the"
                " best_model from which it was made."
            ) from None
        raise damaged from error
    except Exception as error:
        raise damaged from (None if error is damaged else error)
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
            f" SchNetPack model does not need; if you wrote the file and {package} is your package,"
            f" give trust={package}, otherwise save the weights alone with"
            " torch.save(model.state_dict(), FILE)."
        )
    present = torch.serialization.get_safe_globals()
    # On leaving the context its names are removed, so it must not contain those added elsewhere.
    extra = [pair for pair in safe_pickle.as_safe_globals(names) if pair not in present]
    try:
        with torch.serialization.safe_globals(extra) if extra else contextlib.nullcontext():
            return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Exception as error:
        raise damaged from error


def _sort_out(path: str, content: object) -> tuple[str, nn.Module | None, dict[str, torch.Tensor]]:
    """Return the kind of the file, its model, if any, and the model's tensors."""
    if isinstance(content, nn.Module):
        return "model", content, dict(content.state_dict())
    if is_torchmdnet(content):
        module = from_torchmdnet(path, content)
        return "torchmdnet", module, dict(module.state_dict())
    if isinstance(content, dict) and isinstance(content.get("state_dict"), dict):
        tensors = _without_prefix(content["state_dict"])
        module = dict(content.get("hyper_parameters") or {}).get("model")
        if isinstance(module, nn.Module):
            try:
                module.load_state_dict(tensors)
            except RuntimeError as error:
                raise InputError(
                    f"The weights in {path} do not fit the model in the same file; give the"
                    " best_model of the run."
                ) from error
        return "lightning", module if isinstance(module, nn.Module) else None, tensors
    if isinstance(content, dict) and all(
        isinstance(key, str) and isinstance(value, torch.Tensor) for key, value in content.items()
    ):
        return "state_dict", None, _without_prefix(content)
    raise InputError(
        f"{path} holds a {type(content).__name__} instead of a model; give a best_model, a"
        " Lightning checkpoint or a state dict."
    )


def _without_prefix(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return the model's tensors of a task's state dict, named as in the model."""
    if any(key.startswith("model.") for key in tensors):
        tensors = {
            key.removeprefix("model."): value
            for key, value in tensors.items()
            if key.startswith("model.")
        }
    return dict(tensors)
