"""Scalar properties of molecules (HOMO, LUMO, gap) as outputs of a task."""

from collections.abc import Iterable, Mapping

import torch
from schnetpack.task import ModelOutput
from torch import nn

from gpip_plugins.errors import InputError
from gpip_plugins.transform import RestoreScale

__all__ = ["ScalarOutput", "errors_in_milli"]


class ScalarOutput(ModelOutput):
    """Output with a loss of standardised numbers and metrics in the unit of the label.

    With `Standardize` before the model and `RestoreScale` after it, network and labels are of
    order one in training, where post-processing is off. The metrics are multiplied by the standard
    deviation that `RestoreScale` found, so that `val_homo_mae` is in eV.

    Args:
        name: key of the model's output and of the label.
        loss_fn: loss of the standardised numbers.
        loss_weight: factor of the loss.
        metrics: torchmetrics by name.
        unit: unit of the label, for printing.

    Raises:
        InputError: from `take_scale`, if the model has no `RestoreScale` for this property.

    Example:
        >>> from torchmetrics.regression import MeanAbsoluteError
        >>> output = ScalarOutput("gap", nn.L1Loss(), metrics={"mae": MeanAbsoluteError()})
        >>> restore = RestoreScale("gap")
        >>> restore.scale = torch.tensor(1.5)
        >>> output.take_scale([restore])
        >>> output.update_metrics({"gap": torch.ones(2)}, {"gap": torch.zeros(2)}, "val")
        >>> output.metrics["val"]["mae"].compute()
        tensor(1.5000)
    """

    scale: torch.Tensor

    def __init__(
        self,
        name: str,
        loss_fn: nn.Module | None = None,
        loss_weight: float = 1.0,
        metrics: dict | None = None,
        unit: str = "eV",
    ):
        super().__init__(name, loss_fn, loss_weight, metrics or {})
        self.unit = unit
        self.register_buffer("scale", torch.ones(()))

    def take_scale(self, postprocessors: Iterable[nn.Module]) -> None:
        """Take the standard deviation from the model's post-processing."""
        for transform in postprocessors:
            if isinstance(transform, RestoreScale) and transform.property == self.name:
                self.scale = transform.scale.to(self.scale)
                return
        raise InputError(
            f"The output '{self.name}' has no gpip_plugins.transform.RestoreScale among the "
            "post-processors of the model; add one with this property."
        )

    def update_metrics(self, pred, target, subset):
        """Update the metrics in the unit of the label; the mean is not added."""
        for metric in self.metrics[subset].values():
            metric(pred[self.name] * self.scale, target[self.target_property] * self.scale)


def errors_in_milli(outputs: Iterable[nn.Module], metrics: Mapping[str, torch.Tensor]) -> list[str]:
    """Return the test errors of scalar properties, one line each, in thousandths of their unit.

    Args:
        outputs: outputs of the task; only `ScalarOutput`s count.
        metrics: logged metrics, by name.

    Example:
        >>> errors_in_milli([ScalarOutput("gap")], {"test_gap_mae": torch.tensor(0.0817)})
        ['Test error of gap: MAE 81.7 meV']
    """
    return [
        f"Test error of {output.name}: MAE {1000.0 * float(metrics[key]):.1f} m{output.unit}"
        for output in outputs
        if isinstance(output, ScalarOutput) and (key := f"test_{output.name}_mae") in metrics
    ]
