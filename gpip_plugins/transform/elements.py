"""Lets a potential remember which elements it was trained on."""

from collections.abc import Mapping

import torch
from schnetpack.transform import Transform

from gpip_plugins.errors import InputError

__all__ = ["KnownElements", "known_elements_of"]


def known_elements_of(tensors: Mapping[str, torch.Tensor]) -> list[int]:
    """Return the elements that a model was trained on; none where it does not tell.

    Args:
        tensors: buffers or state of the model; the one of `KnownElements` decides.

    Example:
        >>> known = torch.zeros(119, dtype=torch.bool)
        >>> known[[1, 8]] = True
        >>> known_elements_of({"postprocessors.0.known_elements": known})
        [1, 8]
        >>> known_elements_of({})
        []
    """
    found = (tensor for name, tensor in tensors.items() if name.split(".")[-1] == "known_elements")
    known = next(found, torch.zeros(0, dtype=torch.bool))
    return known.nonzero()[:, 0].tolist()


class KnownElements(Transform):
    """Keep the elements of the training data inside the potential; change nothing else.

    An embedding has rows for many elements that no training structure contained, and a potential
    gives numbers for them without complaint. As a post-processor of the model this transform takes
    the elements from the data module when training starts and stores them in the model's file, so
    that `spkmd` and `gpip predict` can refuse a structure with other ones.

    Those of the training configurations count: the embedding of an element that occurs in
    validation or test configurations only is as untrained as that of one that never occurs.

    The buffer `known_elements`, a bool for every atomic number, shape (z_max + 1,), has the same
    shape for all data, so that a checkpoint can be restored into a fresh model. It stays False
    throughout (unknown) with a data module that does not tell its `train_elements`.

    Args:
        z_max: largest atomic number.

    Raises:
        InputError: from `datamodule`, for an element above z_max.

    Example:
        >>> from types import SimpleNamespace
        >>> transform = KnownElements()
        >>> transform.datamodule(SimpleNamespace(train_elements=[1, 6]))
        >>> transform.known_elements.nonzero()[:, 0].tolist()
        [1, 6]
    """

    is_preprocessor: bool = False
    is_postprocessor: bool = True
    known_elements: torch.Tensor

    def __init__(self, z_max: int = 118):
        super().__init__()
        self.register_buffer("known_elements", torch.zeros(z_max + 1, dtype=torch.bool))

    def datamodule(self, value):
        """Take the elements of a data module that tells them as `train_elements`."""
        elements = getattr(value, "train_elements", None)
        if not elements:
            return
        z_max = len(self.known_elements) - 1
        if max(elements) > z_max:
            raise InputError(
                f"The training data hold an atomic number of {max(elements)}, above z_max={z_max} "
                "of KnownElements; raise z_max."
            )
        known = torch.zeros_like(self.known_elements)
        known[list(elements)] = True
        self.known_elements = known

    def forward(self, inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Return the inputs as they are."""
        return inputs
