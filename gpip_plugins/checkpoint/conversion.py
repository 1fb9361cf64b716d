"""Writes a checkpoint of TorchMD-Net as a model of SchNetPack."""

import os

import torch
from torch import nn

from gpip_plugins.checkpoint.file import load
from gpip_plugins.errors import InputError
from gpip_plugins.io.paths import check_target, existing, resolve, whole_file

__all__ = ["convert_checkpoint"]

#: Class of a radial basis -> its recipe.
_BASES = {"ExpNormalRBF": "expnorm", "TorchMDGaussianRBF": "torchmd_gaussian"}


def convert_checkpoint(
    source: str | os.PathLike, target: str | os.PathLike, overwrite: bool = False
) -> str:
    """Convert a checkpoint of TorchMD-Net's Equivariant Transformer into a `best_model`.

    Args:
        source: Lightning checkpoint of TorchMD-Net or of "Pre-training via Denoising".
        target: file to be written.
        overwrite: whether an existing file may be replaced.

    Returns:
        Description of the model, and the settings with which `spktrain` builds the same network.

    Raises:
        InputError: the source cannot be loaded or is not a file of TorchMD-Net, or the target
            exists or cannot be written.
    """
    path = existing("source", source, "name a checkpoint of TorchMD-Net")
    check_target(resolve(target), ("",), overwrite, path)
    checkpoint = load(path)
    if checkpoint.kind != "torchmdnet":
        raise InputError(
            f"source={source} is a file of SchNetPack already; use it as pretrained.path or as a"
            " model."
        )
    with whole_file(resolve(target)) as partial:
        torch.save(checkpoint.module, partial)
    outputs = [name for module in checkpoint.module.output_modules for name in module.model_outputs]
    found = f"representation, {', '.join(outputs) or 'no energy'}"
    settings = " ".join(_settings(checkpoint.module.representation))
    return f"{found}; the same network: spktrain ... {settings}"


def _settings(representation: nn.Module) -> list[str]:
    """Return the arguments with which `spktrain` builds the same representation."""
    basis, cutoff_fn = representation.radial_basis, representation.cutoff_fn
    root = "model.representation"
    names = ("n_atom_basis", "n_interactions", "n_heads", "activation", "attention_activation")
    names += ("distance_influence", "vector_cutoff", "vector_norm", "max_z")
    values = {name: getattr(representation, name) for name in names}
    values |= {
        "neighbor_embedding": representation.neighbor_embedding is not None,
        "cutoff_fn.cutoff_lower": cutoff_fn.cutoff_lower,
        "radial_basis.n_rbf": basis.n_rbf,
        "radial_basis.cutoff_lower": basis.cutoff_lower,
        "radial_basis.trainable": basis.trainable,
    }
    return [
        "model/representation=equivariant_transformer",
        f"model/representation/radial_basis={_BASES[type(basis).__name__]}",
        f"globals.cutoff={cutoff_fn.cutoff_upper}",
        *(f"{root}.{key}={_yaml(value)}" for key, value in values.items()),
    ]


def _yaml(value: object) -> str:
    return "null" if value is None else str(value).lower()
