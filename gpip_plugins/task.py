"""What SchNetPack's `AtomisticTask` cannot do: losses on some of the atoms, and a log of each."""

import torch
from schnetpack import properties as spk_properties
from schnetpack.task import AtomisticTask, ModelOutput, UnsupervisedModelOutput
from torch import nn

from gpip_plugins import properties

__all__ = ["PretextOutput", "PretrainingTask"]


class PretextOutput(ModelOutput):
    """An output whose loss counts only selected rows, and whose target may be another output.

    Args:
        name: key of the model's output.
        loss_fn: loss of (prediction, target), a mean over rows. Its attribute `min_rows` says how
            many rows it needs at least (default 1); with fewer the output contributes nothing.
        loss_weight: factor in the total loss; 0 switches the task off.
        target_property: key of the target: first looked up in the batch, as a transform wrote it,
            then among the model's outputs (the contrast's second latent).
        selection: key of a bool tensor in the batch, shape (n_rows,), that picks the rows that
            count, such as `is_masked`; None for all.
        metrics: torchmetrics by name, given the selected rows.

    Example:
        >>> output = PretextOutput("noise", nn.MSELoss(), selection="_is_corrupted")
        >>> pred = {"noise": torch.ones(2, 3)}
        >>> batch = {"noise": torch.zeros(2, 3), "_is_corrupted": torch.tensor([True, False])}
        >>> output.loss_and_rows(pred, batch)
        (tensor(1.), 1)
    """

    def __init__(
        self,
        name: str,
        loss_fn: nn.Module | None = None,
        loss_weight: float = 1.0,
        target_property: str | None = None,
        selection: str | None = None,
        metrics: dict | None = None,
    ):
        super().__init__(
            name=name,
            loss_fn=loss_fn,
            loss_weight=loss_weight,
            metrics=metrics or {},
            target_property=target_property,
        )
        self.selection = selection

    def select(
        self, pred: dict[str, torch.Tensor], batch: dict[str, torch.Tensor]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the rows of prediction and target that count."""
        prediction = pred[self.name]
        key = self.target_property
        target = batch[key] if key in batch else pred[key]
        if self.selection is not None and self.selection in batch:
            chosen = batch[self.selection]
            if len(chosen) != len(prediction):
                # An atom-wise selection of a quantity per configuration: all its atoms agree.
                n_atoms = batch[spk_properties.n_atoms]
                chosen = chosen[torch.cumsum(n_atoms, 0) - n_atoms]
            prediction, target = prediction[chosen], target[chosen]
        return prediction, target

    def loss_and_rows(
        self, pred: dict[str, torch.Tensor], batch: dict[str, torch.Tensor]
    ) -> tuple[torch.Tensor, int]:
        """Return the unweighted loss and how many rows it averages over.

        Too few rows give a zero that is still part of the graph, so that a left-over batch neither
        yields NaN nor leaves weights without a gradient, on which DDP would wait.
        """
        prediction, target = self.select(pred, batch)
        if len(prediction) < getattr(self.loss_fn, "min_rows", 1):
            nothing = 0.0 * pred[self.name].sum()
            if self.target_property in pred and self.target_property not in batch:
                nothing = nothing + 0.0 * pred[self.target_property].sum()
            return nothing, 0
        return self.loss_fn(prediction, target), len(prediction)

    def update_metrics(self, pred, target, subset):
        """Update the metrics with the selected rows, of which there must be one."""
        prediction, target = self.select(pred, target)
        for metric in self.metrics[subset].values():
            metric(prediction, target)


class PretrainingTask(AtomisticTask):
    r"""SchNetPack's task for pretexts: :math:`L = \sum_t w_t L_t`, GPIP eq. (3).

    Differences to `AtomisticTask`: the outputs see the whole batch (masks, selections, other
    outputs), the loss of each output is logged as `{train,val,test}_{name}_loss`, and the clean
    embedding rows can be a target (`embedding_clean`), with the gradient stopped: otherwise all
    rows collapse onto one another and the loss vanishes.

    Args: those of `AtomisticTask`; `outputs` are `PretextOutput`.
    """

    def targets(self, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Return the batch as the transforms left it, with the model's own targets added."""
        targets = dict(batch)
        wanted = {output.target_property for output in self.outputs}
        if properties.embedding_clean in wanted:
            rows = self.model.representation.embedding(batch[properties.Z_clean])
            targets[properties.embedding_clean] = rows.detach()
        return targets

    def training_step(self, batch, batch_idx):
        """Return the loss of one batch."""
        return self._step(batch, "train")

    def validation_step(self, batch, batch_idx):
        """Return the loss of one batch."""
        return {"val_loss": self._step(batch, "val")}

    def test_step(self, batch, batch_idx):
        """Return the loss of one batch."""
        return {"test_loss": self._step(batch, "test")}

    def log_metrics(self, pred, targets, subset):
        """Update and log the metrics of outputs that have a row in this batch.

        The others are left out: a metric without rows would be logged as an error of zero.
        """
        training = subset == "train"
        for output in self.outputs:
            if isinstance(output, PretextOutput) and not len(output.select(pred, targets)[0]):
                continue
            output.update_metrics(pred, targets, subset)
            for name, metric in output.metrics[subset].items():
                self.log(
                    f"{subset}_{output.name}_{name}",
                    metric,
                    on_step=training,
                    on_epoch=not training,
                )

    def _step(self, batch, subset):
        training = subset == "train"
        if not training:
            torch.set_grad_enabled(self.grad_enabled)
        n_systems = len(batch[spk_properties.idx])
        targets = self.targets(batch)
        pred = self.predict_without_postprocessing(batch)

        loss = torch.zeros((), device=self.device)
        for output in self.outputs:
            if isinstance(output, UnsupervisedModelOutput):
                loss = loss + output.calculate_loss(pred)
                continue
            if output.loss_fn is None or output.loss_weight == 0:
                continue
            part, n_rows = output.loss_and_rows(pred, targets)
            loss = loss + output.loss_weight * part
            if n_rows:
                self.log(
                    f"{subset}_{output.name}_loss",
                    part.detach(),
                    on_step=False,
                    on_epoch=True,
                    batch_size=n_rows,
                    sync_dist=True,
                )
        self.log(
            f"{subset}_loss",
            loss,
            on_step=training,
            on_epoch=not training,
            prog_bar=not training,
            batch_size=n_systems,
            sync_dist=not training,
        )
        self.log_metrics(pred, targets, subset)
        return loss
