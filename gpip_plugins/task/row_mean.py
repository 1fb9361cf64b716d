"""Mean of a loss over rows, for batches with different numbers of rows."""

import torch
from torchmetrics import Metric

__all__ = ["RowMean"]


class RowMean(Metric):
    """Mean of a loss over the rows of all batches and ranks; NaN without any row.

    Example:
        >>> mean = RowMean()
        >>> for loss, n_rows in ((2.0, 3), (0.0, 0), (6.0, 1)):
        ...     mean.update(torch.tensor(loss), n_rows)
        >>> mean.compute()
        tensor(3.)
    """

    def __init__(self):
        super().__init__()
        self.add_state("total", torch.tensor(0.0), dist_reduce_fx="sum")
        self.add_state("n_rows", torch.tensor(0.0), dist_reduce_fx="sum")

    def update(self, loss: torch.Tensor, n_rows: int) -> None:
        """Add a batch: the mean over its rows (a scalar) and their number."""
        self.total = self.total + loss * n_rows
        self.n_rows = self.n_rows + n_rows

    def compute(self) -> torch.Tensor:
        """Return the mean."""
        return self.total / self.n_rows
