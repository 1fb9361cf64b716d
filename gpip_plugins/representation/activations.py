"""Activations by name."""

from collections.abc import Callable

import torch
from schnetpack.nn import shifted_softplus
from torch.nn import functional

__all__ = ["ACTIVATIONS"]

#: Name of an activation, as in TorchMD-Net -> function of a tensor of any shape.
ACTIVATIONS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "silu": functional.silu,
    "ssp": shifted_softplus,
    "tanh": functional.tanh,
    "sigmoid": functional.sigmoid,
    "swish": functional.silu,  # with the coefficient 1, the only one in TorchMD-Net
    "mish": functional.mish,
}
