"""Training on the stress: the check of the data, and its errors in GPa."""

from collections.abc import Iterable, Mapping

import torch
from schnetpack import properties
from schnetpack.atomistic import Forces
from schnetpack.task import ModelOutput
from schnetpack.units import convert_units
from torch import nn

from gpip_plugins.errors import InputError

__all__ = ["StressOutput", "check_periodic", "errors_in_gpa", "stress_of"]


class StressOutput(ModelOutput):
    """Output of the stress, with one copy in memory for the metrics.

    SchNetPack's stress is a transposed view of the gradient, which torchmetrics cannot flatten.

    Args: those of `ModelOutput`.

    Example:
        >>> from torchmetrics.regression import MeanAbsoluteError
        >>> output = StressOutput("stress", metrics={"mae": MeanAbsoluteError()})
        >>> stress = torch.ones(1, 3, 3).transpose(1, 2)
        >>> output.update_metrics({"stress": stress}, {"stress": torch.zeros(1, 3, 3)}, "val")
        >>> output.metrics["val"]["mae"].compute()
        tensor(1.)
    """

    def update_metrics(self, pred, target, subset):
        """Update the metrics."""
        pred = pred | {self.name: pred[self.name].contiguous()}
        super().update_metrics(pred, target, subset)


def stress_of(modules: Iterable[nn.Module]) -> str | None:
    """Return the name of the stress among the outputs of a model; None if it has none."""
    keys = [m.stress_key for m in modules if isinstance(m, Forces) and m.calc_stress]
    return keys[0] if keys else None


def check_periodic(tensors: Mapping[str, torch.Tensor], name: str) -> None:
    """Check that every configuration has a volume, by which the stress is divided.

    Args:
        tensors: all rows of the data set, with `pbc`.
        name: name of the stress.

    Raises:
        InputError: names the first configuration that is not periodic in three directions.

    Example:
        >>> check_periodic({"_pbc": torch.tensor([True] * 3)}, "stress")
    """
    missing = ~tensors[properties.pbc].view(-1, 3).all(1)
    if bool(missing.any()):
        raise InputError(
            f"{int(missing.sum())} of the {len(missing)} configurations, the first being number "
            f"{int(missing.nonzero()[0])} (counted from 0), are not periodic in three directions, "
            f"so that they have no '{name}'; remove them, or train with labels=[energy,forces]."
        )


def errors_in_gpa(
    outputs: Iterable[ModelOutput],
    name: str | None,
    unit: str | None,
    metrics: Mapping[str, torch.Tensor],
) -> list[str]:
    """Return the test error of the stress in GPa, as at most one line.

    Args:
        outputs: outputs of the task.
        name: name of the stress.
        unit: unit of the stress in training, known to SchNetPack.
        metrics: logged metrics, by name.

    Example:
        >>> outputs = [ModelOutput("stress", metrics={})]
        >>> found = {"test_stress_mae": torch.tensor(0.01)}
        >>> errors_in_gpa(outputs, "stress", "eV/Ang/Ang/Ang", found)
        ['Test error of stress: MAE 1.6 GPa']
    """
    key = f"test_{name}_mae"
    if unit is None or key not in metrics or name not in [output.name for output in outputs]:
        return []
    error = float(metrics[key]) * convert_units(unit, "GPa")
    return [f"Test error of {name}: MAE {error:.2g} GPa"]
