"""Task of pre-training: losses on selected atoms, each logged."""

import torch
from pytorch_lightning.utilities import rank_zero_only
from schnetpack import properties as spk_properties
from schnetpack.model import AtomisticModel
from schnetpack.task import ModelOutput, UnsupervisedModelOutput
from torch import nn

from gpip_plugins import properties
from gpip_plugins.errors import InputError
from gpip_plugins.task.base import GpipTask, in_parallel
from gpip_plugins.task.dataset_report import DatasetReport
from gpip_plugins.task.label_use import unused_labels
from gpip_plugins.task.outputs import PretextOutput
from gpip_plugins.task.row_mean import RowMean
from gpip_plugins.task.summary import energies_of

__all__ = ["PretrainingTask"]


class PretrainingTask(GpipTask):
    r"""SchNetPack's task for pretexts: :math:`L = \sum_t w_t L_t`, GPIP eq. (3).

    Differences from `AtomisticTask`: the outputs see the whole batch (masks, selections, other
    outputs), the loss of each output is logged as `{train,val,test}_{title}_loss`, and the clean
    embedding rows can be a target (`embedding_clean`). No gradient flows into this target:
    otherwise all rows become equal and the loss vanishes. With a mixture of data sets, losses and
    metrics of validation and test are also logged for each data set (`DatasetReport`).

    Args: those of `AtomisticTask`; `outputs` are `PretextOutput`.

    Raises:
        InputError: if no output has a weight; from `setup`, if an output names a key that nothing
            writes; from a step, if its loss is not finite.
    """

    def __init__(self, model: AtomisticModel, outputs: list[ModelOutput], **kwargs):
        if not any(output.loss_weight for output in outputs):
            raise InputError(
                "There is no loss to train on: no output has a loss_weight above zero; choose a "
                "pretext, such as pretext=[noise], or give one of them a weight."
            )
        super().__init__(model, outputs, **kwargs)
        # Lightning's weighted means over ranks round the weights down.
        self.mean_losses = nn.ModuleDict(
            {
                f"{subset}_{_title(output)}_loss": RowMean()
                for subset in ("train", "val", "test")
                for output in outputs
            }
        )
        self.dataset_report: DatasetReport | None = None

    def setup(self, stage: str | None = None) -> None:
        """Check the keys of all outputs, and collect the data sets."""
        super().setup(stage)
        names = getattr(self.trainer.datamodule, "dataset_names", None)
        if names and self.dataset_report is None:
            outputs = [o for o in self.outputs if isinstance(o, PretextOutput)]
            self.dataset_report = DatasetReport(outputs, names).to(self.device)

    def on_train_start(self) -> None:
        """Print the references of the energies, and the labels that are not used."""
        unused = unused_labels(self.trainer.datamodule, self.outputs)
        lines = [f"Energies: {text}" for text in energies_of(self.model.postprocessors)]
        lines += [f"Labels that are not used: {unused}"] if unused else []
        if lines:
            rank_zero_only(print)("\n".join(lines), flush=True)

    def targets(self, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Return the batch with the embedding rows of the clean elements, if they are a target."""
        targets = dict(batch)
        wanted = {output.target_property for output in self.outputs}
        if properties.embedding_clean in wanted and properties.Z_clean in batch:
            # Before training starts, the data are not on the model's device yet.
            Z = batch[properties.Z_clean].to(self.device)
            rows = self.model.representation.embedding(Z)
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

        Other outputs are not updated, because they would count as an error of zero; but all ranks
        have to log them, because all take part in the sum after an epoch.
        """
        self.watch(pred, targets, subset)
        training = subset == "train"
        for output in self.outputs:
            empty = isinstance(output, PretextOutput) and not len(output.select(pred, targets)[0])
            if not empty:
                output.update_metrics(pred, targets, subset)
            elif training or not in_parallel():
                continue
            for name, metric in output.metrics[subset].items():
                self.log(
                    f"{subset}_{_title(output)}_{name}",
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
        loss = self._summed_losses(pred, targets, subset)
        if training:
            loss = self.with_all_gradients(loss)
        self.log(
            f"{subset}_loss",
            loss,
            on_step=training,
            on_epoch=not training,
            prog_bar=not training,
            batch_size=n_systems,
        )
        self.log_metrics(pred, targets, subset)
        if self.dataset_report is not None and not training:
            self.dataset_report.update(pred, targets, subset)
        return loss

    def _summed_losses(self, pred, targets, subset) -> torch.Tensor:
        """Return the weighted sum of the losses of all outputs, and log each."""
        loss = torch.zeros((), device=self.device)
        for output in self.outputs:
            if isinstance(output, UnsupervisedModelOutput):
                loss = loss + output.calculate_loss(pred)
                continue
            if output.loss_fn is None or output.loss_weight == 0:
                continue
            part, n_rows = output.loss_and_rows(pred, targets)
            self.check_finite(part, _title(output), subset)
            loss = loss + output.loss_weight * part
            if n_rows or in_parallel():
                # Ranks without rows log too, with weight zero: all must sum the same losses.
                name = f"{subset}_{_title(output)}_loss"
                self.mean_losses[name].update(part.detach(), n_rows)
                self.log(name, self.mean_losses[name], on_step=False, on_epoch=True)
        return loss

    def on_validation_epoch_end(self):
        """Log the errors of each data set."""
        super().on_validation_epoch_end()
        self._log_datasets("val")

    def on_test_epoch_end(self):
        """Log the errors of each data set."""
        self._log_datasets("test")

    def _log_datasets(self, subset):
        if self.dataset_report is not None:
            self.log_dict(self.dataset_report.compute(subset))


def _title(output: ModelOutput) -> str:
    """Return the name of an output in the logs."""
    return getattr(output, "title", output.name)
