"""Settings that the meaning of the weights depends on: width, depth, cutoff, radial basis, ...

The functions read attributes only, so that they work on a loaded model and on the outline of a file
(`gpip_plugins.checkpoint.outline`) alike, and import neither SchNetPack nor PyTorch.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from gpip_plugins.checkpoint.outline import is_module

__all__ = ["settings_of", "settings_of_tensors"]

#: Settings of the Equivariant Transformer.
_ATTENTION = (
    "n_heads", "attention_activation", "distance_influence", "vector_cutoff", "vector_norm"
)  # fmt: skip


def settings_of(representation: Any) -> dict[str, object]:
    """Return the settings that the meaning of the weights depends on, as far as they are known.

    Keys: `class`, `n_atom_basis`, `n_interactions`, `n_filters`, `lmax`, `cutoff` (Å), `cutoff_fn`,
    `radial_basis`, `n_rbf` and `activation`; of the Equivariant Transformer also `n_heads`,
    `attention_activation`, `distance_influence`, `vector_cutoff`, `vector_norm` and `cutoff_lower`.

    Args:
        representation: SchNetPack's SchNet, PaiNN, SO3net, FieldSchNet, or one of the same form;
            loaded, or from the outline of a file.

    Example:
        >>> import schnetpack.nn as snn
        >>> from schnetpack.representation import SchNet
        >>> settings_of(SchNet(8, 2, snn.GaussianRBF(5, 4.0), snn.CosineCutoff(4.0)))["cutoff"]
        4.0
    """
    found: dict[str, object] = {"class": type(representation).__name__}
    for key in ("n_atom_basis", "n_interactions", "n_filters", "lmax"):
        if isinstance(getattr(representation, key, None), int):
            found[key] = getattr(representation, key)
    for key in _ATTENTION:
        if hasattr(representation, key):
            found[key] = getattr(representation, key)
    interactions = getattr(representation, "interactions", None)
    if "n_interactions" not in found and is_module(interactions):
        found["n_interactions"] = len(interactions._modules)
    for key in ("cutoff_fn", "radial_basis"):
        if is_module(getattr(representation, key, None)):
            found[key] = type(getattr(representation, key)).__name__
    n_rbf = getattr(getattr(representation, "radial_basis", None), "n_rbf", None)
    if n_rbf is not None:
        found["n_rbf"] = int(n_rbf)
    cutoff_fn = getattr(representation, "cutoff_fn", None)
    cutoff = getattr(cutoff_fn, "cutoff", getattr(representation, "cutoff", None))
    if cutoff is not None:
        found["cutoff"] = round(float(cutoff), 6)
    lower = getattr(cutoff_fn, "cutoff_lower", None)
    if lower is not None:
        found["cutoff_lower"] = round(float(lower), 6)
    activations = {
        getattr(dense.activation, "__name__", type(dense.activation).__name__)
        for dense in _modules(representation, set())
        if type(dense).__name__ == "Dense"
    }
    activations -= {"Identity"}
    if isinstance(getattr(representation, "activation", None), str):
        found["activation"] = representation.activation
    elif activations:
        found["activation"] = "+".join(sorted(activations))
    return found


def _modules(module: Any, seen: set[int]) -> Iterator[Any]:
    """Yield a module and all below it, each once."""
    if is_module(module) and id(module) not in seen:
        seen.add(id(module))
        yield module
        for child in module._modules.values():
            yield from _modules(child, seen)


def settings_of_tensors(tensors: Mapping[str, Any]) -> dict[str, object]:
    """Return the settings of `settings_of` that can be read from weights alone.

    Args:
        tensors: state dict of a model, or of its representation.
    """
    if any(key.startswith("representation.") for key in tensors):
        tensors = {key.removeprefix("representation."): value for key, value in tensors.items()}
    found: dict[str, object] = {}
    if "embedding.weight" in tensors and tensors["embedding.weight"].ndim == 2:
        found["n_atom_basis"] = tensors["embedding.weight"].shape[1]
    if "cutoff_fn.cutoff" in tensors:
        found["cutoff"] = round(float(tensors["cutoff_fn.cutoff"]), 6)
    if "radial_basis.offsets" in tensors:
        found["n_rbf"] = tensors["radial_basis.offsets"].numel()
    return found
