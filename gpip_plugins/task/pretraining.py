"""What SchNetPack's `AtomisticTask` cannot do: losses on some of the atoms, and a log of each."""

import torch
from schnetpack import properties as spk_properties
from schnetpack.atomistic import Forces, Response
from schnetpack.model import AtomisticModel
from schnetpack.task import AtomisticTask, ModelOutput, UnsupervisedModelOutput
from torch import nn

from gpip_plugins import properties
from gpip_plugins.errors import InputError
from gpip_plugins.task.dataset_report import DatasetReport
from gpip_plugins.task.outputs import PretextOutput, RowMean

__all__ = ["PretextOutput", "PretrainingTask"]


class PretrainingTask(AtomisticTask):
    r"""SchNetPack's task for pretexts: :math:`L = \sum_t w_t L_t`, GPIP eq. (3).

    Differences to `AtomisticTask`: the outputs see the whole batch (masks, selections, other
    outputs), the loss of each output is logged as `{train,val,test}_{title}_loss`, and the clean
    embedding rows can be a target (`embedding_clean`), with the gradient stopped: otherwise all
    rows collapse onto one another and the loss vanishes. With a mixture of data sets, losses and
    metrics of validation and test are logged for each of them as well (`DatasetReport`).

    Modules that take derivatives (`Forces`, `Response`) are moved behind the others: in evaluation
    they free the graph, which the gradient head needs too, so the order in which pretexts are named
    does not matter.

    In a parallel run every weight gets a gradient, if only zero: a batch without rows for one of
    the outputs, an output of weight zero, or the last vector layers of a representation that only
    scalars are read from would else leave weights out, on which the ranks wait.

    Args: those of `AtomisticTask`; `outputs` are `PretextOutput`.

    Raises:
        InputError: if no output has a weight; from `setup`, if an output names a key that nothing
            writes; from a step whose loss is not finite.
    """

    def __init__(self, model: AtomisticModel, outputs: list[ModelOutput], **kwargs):
        if not any(output.loss_weight for output in outputs):
            raise InputError(
                "There is no loss to train on: pretext=[] names no task, or the weights of all "
                "are zero (globals.alpha, globals.w_F, ...); name one, such as pretext=[noise]."
            )
        model.output_modules = nn.ModuleList(
            sorted(model.output_modules, key=lambda module: isinstance(module, (Forces, Response)))
        )
        super().__init__(model, outputs, **kwargs)
        # Lightning's own weighted means over ranks round the weights down.
        self.mean_losses = nn.ModuleDict(
            {
                f"{subset}_{_title(output)}_loss": RowMean()
                for subset in ("train", "val", "test")
                for output in outputs
            }
        )
        self.dataset_report: DatasetReport | None = None

    def setup(self, stage: str | None = None) -> None:
        """Check the keys of all outputs with one configuration, before training starts."""
        super().setup(stage)
        names = getattr(self.trainer.datamodule, "dataset_names", None)
        if names and self.dataset_report is None:
            outputs = [o for o in self.outputs if isinstance(o, PretextOutput)]
            self.dataset_report = DatasetReport(outputs, names).to(self.device)
        if stage == "fit" and self.trainer.datamodule is not None:
            configuration = self.trainer.datamodule.train_dataset[0]
            # What `targets` adds comes from the representation.
            configuration[properties.embedding_clean] = configuration[spk_properties.R]
            for output in self.outputs:
                if isinstance(output, PretextOutput):
                    output.check(configuration, self.model.model_outputs)

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

        Those of the others are not updated, or they would count as an error of zero; but all ranks
        have to log them, since all take part when they are summed up after an epoch.
        """
        training = subset == "train"
        for output in self.outputs:
            empty = isinstance(output, PretextOutput) and not len(output.select(pred, targets)[0])
            if not empty:
                output.update_metrics(pred, targets, subset)
            elif training or not _in_parallel():
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

        loss = torch.zeros((), device=self.device)
        for output in self.outputs:
            if isinstance(output, UnsupervisedModelOutput):
                loss = loss + output.calculate_loss(pred)
                continue
            if output.loss_fn is None or output.loss_weight == 0:
                continue
            part, n_rows = output.loss_and_rows(pred, targets)
            if not torch.isfinite(part):
                raise InputError(
                    f"The {subset} loss of '{_title(output)}' is {part.item()} in step "
                    f"{self.global_step}; lower globals.lr, or look for labels and positions that "
                    "make no sense."
                )
            loss = loss + output.loss_weight * part
            if n_rows or _in_parallel():
                # Ranks without rows log too, with no weight: all sum up the same losses.
                name = f"{subset}_{_title(output)}_loss"
                self.mean_losses[name].update(part.detach(), n_rows)
                self.log(name, self.mean_losses[name], on_step=False, on_epoch=True)
        if training and _in_parallel():
            loss = loss + 0.0 * sum(p.sum() for p in self.parameters() if p.requires_grad)
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
        if self.dataset_report is not None and not training:
            self.dataset_report.update(pred, targets, subset)
        return loss

    def on_validation_epoch_end(self):
        """Log the errors of each data set."""
        self._log_datasets("val")

    def on_test_epoch_end(self):
        """Log the errors of each data set."""
        self._log_datasets("test")

    def _log_datasets(self, subset):
        if self.dataset_report is not None:
            self.log_dict(self.dataset_report.compute(subset))


def _title(output: ModelOutput) -> str:
    """Return what the logs call an output."""
    return getattr(output, "title", output.name)


def _in_parallel() -> bool:
    """Tell whether other ranks take part."""
    return torch.distributed.is_available() and torch.distributed.is_initialized()
