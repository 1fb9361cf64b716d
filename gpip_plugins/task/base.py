"""Base of the tasks of pre-training and fine-tuning: order of heads, pretext outputs."""

import io
import os
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import torch
from schnetpack import properties as spk_properties
from schnetpack.atomistic import Forces, Response
from schnetpack.model import AtomisticModel
from schnetpack.task import AtomisticTask, ModelOutput
from torch import nn
from torchmetrics import Metric

from gpip_plugins.errors import InputError
from gpip_plugins.io.paths import write_whole
from gpip_plugins.task.first_validation import FirstValidation
from gpip_plugins.task.outputs import PretextOutput
from gpip_plugins.task.row_mean import RowMean

__all__ = ["GpipTask", "heads_in_order"]


class GpipTask(AtomisticTask):
    """SchNetPack's task for a model whose heads may be pretexts.

    The output modules are sorted (`heads_in_order`), so that the order in which a recipe names them
    does not matter, and the keys of pretext outputs are checked before training starts. A loss that
    is not finite ends the run, and so does an absurd first validation (`FirstValidation`).

    Args:
        model: the model.
        outputs: outputs whose losses are added up.
        auxiliaries: outputs whose heads are used in training only.
        **kwargs: those of `AtomisticTask`.

    Raises:
        InputError: from `setup`, if an output names a key that nothing writes; from a step, if its
            loss is not finite; from the first validation, if its energies are absurd.
    """

    def __init__(
        self,
        model: AtomisticModel,
        outputs: list[ModelOutput],
        auxiliaries: Sequence[PretextOutput] = (),
        **kwargs,
    ):
        names = {output.name for output in auxiliaries}
        model.output_modules = nn.ModuleList(heads_in_order(model.output_modules, names))
        super().__init__(model, outputs, **kwargs)
        self.auxiliaries = nn.ModuleList(auxiliaries)
        self.first_validation: FirstValidation | None = None
        #: total losses, averaged over the configurations of all batches and ranks
        self.mean_totals = nn.ModuleDict({f"{name}_loss": RowMean() for name in ("val", "test")})

    def setup(self, stage: str | None = None) -> None:
        """Check the keys of pretext outputs with one configuration, before training starts."""
        super().setup(stage)
        if stage != "fit" or self.trainer.datamodule is None:
            return
        units = getattr(self.trainer.datamodule, "property_units", None)
        watch = FirstValidation(list(self.outputs), list(self.model.postprocessors), units)
        self.first_validation = watch.to(self.device)
        pretexts = [o for o in (*self.outputs, *self.auxiliaries) if isinstance(o, PretextOutput)]
        if pretexts:
            configuration = self.targets(self.trainer.datamodule.train_dataset[0])
            for output in pretexts:
                output.check(configuration, self.model.model_outputs)

    def targets(self, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Return the batch with all targets, also those that the model itself computes."""
        return dict(batch)

    def predict_without_postprocessing(self, batch):
        """Predict, and keep the numbers of atoms for the first validation."""
        self._n_atoms = batch[spk_properties.n_atoms]
        return super().predict_without_postprocessing(batch)

    def log_metrics(self, pred, targets, subset):
        """Log the metrics; collect the errors of the first validation."""
        self.watch(pred, targets, subset)
        super().log_metrics(pred, targets, subset)

    def watch(self, pred, targets, subset: str) -> None:
        """Collect the errors of the first validation."""
        if subset == "val" and self.first_validation is not None and self.first_validation.waiting:
            self.first_validation.update(pred, targets, self._n_atoms)

    def on_validation_epoch_end(self) -> None:
        """End the run if the first validation is absurd."""
        if self.first_validation is not None and self.first_validation.waiting:
            self.first_validation.check(self.lr)

    def check_finite(self, loss: torch.Tensor, name: str, subset: str) -> None:
        """End the run if a loss is not finite.

        Args:
            loss: the loss.
            name: name of the output that it belongs to.
            subset: `train`, `val` or `test`.
        """
        if not torch.isfinite(loss):
            raise InputError(
                f"In epoch {self.current_epoch} the {subset} loss of '{name}' is {loss.item()} in "
                f"step {self.global_step}; give a lower learning rate than lr={self.lr:g}, such as "
                f"lr={self.lr / 10:g}, or check the data for wrong labels and positions."
            )

    def check_losses(self, loss: torch.Tensor, pred: dict, targets: dict) -> None:
        """End the run if a sum of losses is not finite; name the output that is not."""
        if torch.isfinite(loss):
            return
        testing = self._trainer is not None and self.trainer.testing
        subset = "train" if self.training else "test" if testing else "val"
        for output in self.outputs:
            part = torch.as_tensor(output.calculate_loss(pred, targets))
            self.check_finite(part, output.name, subset)
        self.check_finite(loss, "all outputs", subset)

    def log(self, name: str, value: Any, *args, **kwargs) -> None:
        """Log a quantity, so that all ranks see the same value of whatever decides something.

        `val_loss` steers the scheduler, early stopping and the choice of the best model.
        `AtomisticTask` logs each rank's own, so that one rank alone could lower its rate and the
        weights of the ranks would part. Here it is the sum over all configurations divided by
        their number: ranks have different ones, and so have batches.
        """
        if name in self.mean_totals and not isinstance(value, Metric):
            mean = self.mean_totals[name]
            mean.update(torch.as_tensor(value).detach(), kwargs.pop("batch_size", 1))
            kwargs.pop("sync_dist", None)
            value = mean
        elif in_parallel() and not isinstance(value, Metric) and name in self._monitored():
            kwargs["sync_dist"] = True
        super().log(name, value, *args, **kwargs)

    def _monitored(self) -> set[str | None]:
        """Return the names of the quantities that scheduler and callbacks look at."""
        return {self.schedule_monitor, *(getattr(c, "monitor", 0) for c in self.trainer.callbacks)}

    def save_model(self, path: str | os.PathLike | io.BytesIO, do_postprocessing=None) -> None:
        """Save the model; the file appears whole or not at all.

        Raises:
            InputError: the disk is full or the folder cannot be written; an older file is kept.
        """
        if self.global_rank != 0 or isinstance(path, io.BytesIO):
            super().save_model(path, do_postprocessing)
            return
        buffer = io.BytesIO()
        super().save_model(buffer, do_postprocessing)
        write_whole(path, buffer.getvalue())

    def with_all_gradients(self, loss: torch.Tensor) -> torch.Tensor:
        """Return the loss; in a parallel run, give every weight a gradient, which may be zero.

        Otherwise weights have no gradient if a batch has no rows for an output, if an output has
        weight zero, or if only scalars are read from a representation (its last vector layers);
        the other ranks would wait for these gradients.
        """
        if not in_parallel():
            return loss
        return loss + 0.0 * sum(p.sum() for p in self.parameters() if p.requires_grad)


def heads_in_order(
    modules: Iterable[nn.Module], auxiliary_names: Collection[str] = ()
) -> list[nn.Module]:
    """Sort output modules: those of labels, auxiliary ones, then those that take derivatives.

    The energy stays the first module, whatever was added. In evaluation `Forces` and `Response`
    free the graph, which other heads that take a derivative also need (`GradientNoise`).

    Args:
        modules: output modules of the model.
        auxiliary_names: keys of the outputs that are used in training only.

    Example:
        >>> from schnetpack.atomistic import Atomwise
        >>> energy, forces, noise = Atomwise(8, output_key="energy"), Forces(), Atomwise(
        ...     8, output_key="noise")
        >>> heads_in_order([noise, forces, energy], {"noise"}) == [energy, noise, forces]
        True
    """

    def place(module: nn.Module) -> int:
        return 2 if isinstance(module, Forces | Response) else int(writes(module, auxiliary_names))

    return sorted(modules, key=place)


def writes(module: nn.Module, names: Collection[str]) -> bool:
    """Return whether an output module writes one of these keys."""
    return not set(names).isdisjoint(getattr(module, "model_outputs", None) or [])


def in_parallel() -> bool:
    """Return whether other ranks take part."""
    return torch.distributed.is_available() and torch.distributed.is_initialized()
