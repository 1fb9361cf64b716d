r"""Labels of mean zero and standard deviation one, and the inverse transform.

.. math:: y' = (y - \mu) / s

Mean and standard deviation are those of the training configurations. Properties of a whole molecule
(HOMO, LUMO, gap) do not grow with the number of atoms, so no value is per atom; each property has
its own mean and standard deviation, so that several have equal weight in one loss.
"""

import torch
from schnetpack.transform import Transform

from gpip_plugins.errors import InputError
from gpip_plugins.transform.base import BatchTransform
from gpip_plugins.transform.training_split import training_labels

__all__ = ["RestoreScale", "Standardize"]


class _TrainingScale:
    """Mean and standard deviation of a label, computed when the data module is known."""

    mean: torch.Tensor
    scale: torch.Tensor

    def __init__(self, property: str):
        super().__init__()
        self.property = property
        self.register_buffer("mean", torch.zeros((), dtype=torch.float64))
        self.register_buffer("scale", torch.ones((), dtype=torch.float64))

    def datamodule(self, value) -> None:
        """Compute both from the training configurations."""
        values = training_labels(value, self.property).values
        mean, scale = values.mean(), values.std(correction=0)
        if not scale > 0.0:
            raise InputError(
                f"The label '{self.property}' is {float(mean):g} in every training configuration; "
                "leave it out of the properties, or train on more configurations."
            )
        self.mean, self.scale = mean, scale


class Standardize(_TrainingScale, BatchTransform):
    """Transform a label to mean zero and standard deviation one.

    Args:
        property: name of a label with one number per configuration.

    Raises:
        InputError: from `datamodule`, if it is missing or has the same value everywhere.
    """

    def forward(self, inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Replace the label, shape (n_systems,)."""
        label = inputs[self.property]
        inputs[self.property] = (label - self.mean.to(label)) / self.scale.to(label)
        return inputs


class RestoreScale(_TrainingScale, Transform):
    """Transform the prediction of the stored model back to the unit of the labels.

    Args:
        property: name of the output.

    Raises:
        InputError: as `Standardize`.
    """

    is_preprocessor: bool = False
    is_postprocessor: bool = True

    def forward(self, inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Replace the prediction, shape (n_systems,), by its value in the unit of the labels."""
        value = inputs[self.property]
        inputs[self.property] = value * self.scale.to(value) + self.mean.to(value)
        return inputs
