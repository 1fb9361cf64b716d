"""Losses and metrics of each data set in a mixture."""

from collections.abc import Sequence

import torch
from torch import nn

from gpip_plugins.task.outputs import PretextOutput
from gpip_plugins.task.row_mean import RowMean

__all__ = ["DatasetReport"]


class DatasetReport(nn.Module):
    """Collects losses and metrics of each output on each data set in validation or test.

    The means are called `{subset}_{output}_{data set}_{loss or metric}`. A data set without a row
    for an output, on any rank, has no mean, rather than NaN or an error of zero.

    Args:
        outputs: outputs with losses and metrics; those of weight zero are left out.
        names: names of the data sets; the position of a name is its number in `dataset`.

    Example:
        >>> output = PretextOutput("forces", nn.MSELoss(), target_property="wanted")
        >>> report = DatasetReport([output], ["qm9", "ani1x"])
        >>> batch = {"_n_atoms": torch.tensor([1, 2]), "_dataset": torch.tensor([1, 1]),
        ...          "wanted": torch.ones(3, 3)}
        >>> report.update({"forces": torch.zeros(3, 3)}, batch, "val")
        >>> report.compute("val")
        {'val_forces_ani1x_loss': tensor(1.)}
    """

    def __init__(self, outputs: Sequence[PretextOutput], names: Sequence[str]):
        super().__init__()
        self.names = list(names)
        # Not registered: they belong to the task.
        self._outputs = tuple(o for o in outputs if o.loss_fn is not None and o.loss_weight != 0)
        self.means = nn.ModuleDict()
        self.metrics = nn.ModuleDict()
        for output in self._outputs:
            for subset in ("val", "test"):
                for name in self.names:
                    key = f"{subset}_{output.title}_{name}"
                    self.means[key] = RowMean()
                    self.metrics[key] = nn.ModuleDict(
                        {k: metric.clone() for k, metric in output.metrics[subset].items()}
                    )

    @torch.no_grad()
    def update(self, pred: dict, batch: dict, subset: str) -> None:
        """Add a batch.

        Args:
            pred: predictions of the model.
            batch: batch with targets and `dataset`.
            subset: `val` or `test`.
        """
        for output in self._outputs:
            prediction, target = output.select(pred, batch)
            dataset = output.datasets(batch, len(pred[output.name]))
            for number, name in enumerate(self.names):
                key = f"{subset}_{output.title}_{name}"
                rows = dataset == number
                n_rows = int(rows.sum())
                enough = n_rows >= getattr(output.loss_fn, "min_rows", 1)
                loss = output.loss_fn(prediction[rows], target[rows]) if enough else 0.0
                # Also without rows: every rank must take part in the sum.
                self.means[key].update(loss, n_rows if enough else 0)
                for metric in self.metrics[key].values():
                    metric.update(prediction[rows], target[rows])

    def compute(self, subset: str) -> dict[str, torch.Tensor]:
        """Return the means over all batches and ranks since the last call, and reset them.

        Args:
            subset: `val` or `test`.
        """
        means = {}
        for key, mean in self.means.items():
            if not key.startswith(f"{subset}_"):
                continue
            loss, metrics = mean.compute(), self.metrics[key]
            # All ranks see the same sum, so all decide the same.
            if not torch.isnan(loss):
                means[f"{key}_loss"] = loss
                means |= {f"{key}_{name}": metric.compute() for name, metric in metrics.items()}
            for metric in (mean, *metrics.values()):
                metric.reset()
        return means
