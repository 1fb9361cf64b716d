"""Converts Lightning checkpoints of TorchMD-Net's Equivariant Transformer to SchNetPack models.

Two kinds of file have the same layout: those of TorchMD-Net itself and those of "Pre-training via
Denoising" (S. Zaidi et al., arXiv:2206.00133), which builds on an older TorchMD-Net. Weights are
named `model.representation_model...` and `model.output_model...`, and `hyper_parameters` holds the
settings. TorchMD-Net itself is not imported.
"""

import re
from collections.abc import Mapping

import torch
from schnetpack.atomistic import Forces, PairwiseDistances
from schnetpack.model import NeuralNetworkPotential
from torch import nn

from gpip_plugins import representation as ours
from gpip_plugins.atomistic.torchmdnet_energy import TorchMDNetEnergy
from gpip_plugins.errors import InputError

__all__ = ["from_torchmdnet", "is_torchmdnet"]

_REPRESENTATION = "model.representation_model."
_HEAD = "model.output_model."

#: TorchMD-Net's name of a setting -> ours.
_SETTINGS = {
    "embedding_dimension": "n_atom_basis",
    "num_layers": "n_interactions",
    "num_heads": "n_heads",
    "activation": "activation",
    "attn_activation": "attention_activation",
    "neighbor_embedding": "neighbor_embedding",
    "distance_influence": "distance_influence",
    "max_z": "max_z",
}
_BASIS = ("rbf_type", "num_rbf", "cutoff_lower", "cutoff_upper", "trainable_rbf")


def is_torchmdnet(content: object) -> bool:
    """Return whether the content of a file is a Lightning checkpoint of TorchMD-Net.

    Args:
        content: result of `torch.load`.

    Example:
        >>> is_torchmdnet({"state_dict": {"model.representation_model.embedding.weight": 0}})
        True
    """
    tensors = content.get("state_dict") if isinstance(content, dict) else None
    return isinstance(tensors, Mapping) and any(key.startswith(_REPRESENTATION) for key in tensors)


def from_torchmdnet(path: str, content: Mapping) -> NeuralNetworkPotential:
    """Return the model in a checkpoint of TorchMD-Net, in the precision of its weights.

    Only output modules with a counterpart here are built: the energy (and its forces, if the
    checkpoint was trained on them) for the output model `Scalar` with summed energies and at most
    the prior `Atomref`; otherwise none.

    Args:
        path: the file, for messages.
        content: result of `torch.load`.

    Raises:
        InputError: another architecture, settings that are missing or that TorchMD-Net does not
            have, or weights that do not fit the settings.
    """
    settings = content.get("hyper_parameters")
    if not isinstance(settings, Mapping):
        raise InputError(
            f"{path} has weights of TorchMD-Net without hyper_parameters; give the checkpoint that"
            " its training wrote."
        )
    tensors = dict(content["state_dict"])
    representation = _representation(path, settings)
    _fill(
        path,
        representation,
        {
            _our_name(key): value
            for key, value in tensors.items()
            if key.startswith(_REPRESENTATION) and not key.startswith(f"{_REPRESENTATION}distance.")
        },
    )
    outputs: list[nn.Module] = []
    if _has_energy(settings):
        outputs.append(_energy(path, settings, tensors))
        if settings.get("derivative"):
            outputs.append(Forces())
    model = NeuralNetworkPotential(representation, [PairwiseDistances()], outputs)
    return model.to(representation.embedding.weight.dtype)


def _representation(path: str, settings: Mapping) -> nn.Module:
    """Build the representation for TorchMD-Net's settings."""
    architecture = settings.get("model")
    if architecture != "equivariant-transformer":
        raise InputError(
            f"{path} has TorchMD-Net's model={architecture}; only equivariant-transformer can be"
            " converted."
        )
    for name in (*_SETTINGS, *_BASIS):
        if name not in settings:
            raise InputError(
                f"{path} lacks TorchMD-Net's setting {name}; give the checkpoint that its training"
                " wrote."
            )
    bases = {"expnorm": ours.ExpNormalRBF, "gauss": ours.TorchMDGaussianRBF}
    if settings["rbf_type"] not in bases:
        raise InputError(
            f"{path} has rbf_type={settings['rbf_type']}, which TorchMD-Net does not know; it has"
            " expnorm and gauss."
        )
    if settings.get("atom_filter", -1) > -1:
        raise InputError(
            f"{path} was trained with atom_filter={settings['atom_filter']}, which leaves atoms"
            " out; give a checkpoint with atom_filter=-1."
        )
    limits = float(settings["cutoff_upper"]), float(settings["cutoff_lower"])
    try:
        return ours.EquivariantTransformer(
            radial_basis=bases[settings["rbf_type"]](
                settings["num_rbf"], *limits, trainable=settings["trainable_rbf"]
            ),
            cutoff_fn=ours.CosineCutoff(*limits),
            vector_cutoff=settings.get("vector_cutoff", False),
            vector_norm=settings.get("layernorm_on_vec"),
            **{our: settings[name] for name, our in _SETTINGS.items()},
        )
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def _our_name(key: str) -> str:
    key = key.removeprefix(_REPRESENTATION)
    return key.replace("distance_expansion.", "radial_basis.", 1)


def _has_energy(settings: Mapping) -> bool:
    """Return whether the head is a trained energy that has a counterpart here."""
    return (
        settings.get("output_model") == "Scalar"
        and settings.get("reduce_op") in ("add", "sum")
        and not settings.get("denoising_only")
        and _prior_names(settings) <= {"Atomref"}
    )


def _prior_names(settings: Mapping) -> set[str]:
    priors = settings.get("prior_model") or []
    names: set[str] = set()
    for prior in [priors] if isinstance(priors, str | dict) else priors:
        names |= {prior} if isinstance(prior, str) else set(prior)
    return names


def _energy(path: str, settings: Mapping, tensors: Mapping[str, torch.Tensor]) -> nn.Module:
    """Build the energy head with its weights and constants."""
    # TorchMD-Net 0.x had `prior_model.atomref`, later versions `prior_model.0.atomref`.
    references = [
        value
        for key, value in tensors.items()
        if re.fullmatch(r"model\.prior_model.*atomref\.weight", key)
    ]
    head = TorchMDNetEnergy(
        settings["embedding_dimension"],
        settings["activation"],
        mean=float(tensors.get("model.mean", 0.0)),
        std=float(tensors.get("model.std", 1.0)),
        atomref=references[0].flatten() if references else torch.zeros(settings["max_z"]),
    )
    weights = {
        # TorchMD-Net before 2.0 has no `layers` in the name.
        re.sub(r"update_net\.(\d)", r"update_net.layers.\1", key.removeprefix(_HEAD)): value
        for key, value in tensors.items()
        if key.startswith(f"{_HEAD}output_network.")
    }
    _fill(path, head, weights)
    return head


def _fill(path: str, module: nn.Module, weights: Mapping[str, torch.Tensor]) -> None:
    """Load the weights into a module, which keeps its own constants.

    Raises:
        InputError: a tensor is missing, unexpected, or of another shape.
    """
    constants = {"cutoff_fn.cutoff", "mean", "std", "atomref"}
    expected = {k: v for k, v in module.state_dict().items() if k not in constants}
    for name in [*expected, *weights]:
        here, there = expected.get(name), weights.get(name)
        if here is None or there is None or here.shape != there.shape:
            shapes = [None if tensor is None else tuple(tensor.shape) for tensor in (there, here)]
            raise InputError(
                f"The weights in {path} do not fit its own settings: {name} is {shapes[0]} in the"
                f" file and should be {shapes[1]}; give the checkpoint that the training wrote."
            )
    if any(tensor.dtype == torch.float64 for tensor in weights.values()):
        module.double()
    module.load_state_dict(dict(weights), strict=False)
