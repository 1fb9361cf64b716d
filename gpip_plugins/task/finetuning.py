"""Task of fine-tuning: freezing, learning rates that fall with depth, auxiliary pretexts."""

from collections.abc import Sequence

import torch
from pytorch_lightning.utilities import rank_zero_only
from schnetpack.model import AtomisticModel
from schnetpack.task import ModelOutput
from torch import nn
from torch.optim.lr_scheduler import ReduceLROnPlateau

from gpip_plugins.errors import InputError, check_number, check_whole
from gpip_plugins.task.base import GpipTask, writes
from gpip_plugins.task.freezing import freeze, keep_frozen_norms
from gpip_plugins.task.layer_decay import model_parts, parameter_groups
from gpip_plugins.task.outputs import PretextOutput
from gpip_plugins.task.scalars import ScalarOutput, errors_in_milli
from gpip_plugins.task.stress import check_periodic, errors_in_gpa, stress_of
from gpip_plugins.task.summary import summary

__all__ = ["FineTuningTask"]

DEFAULT_WARMUP = 100  # steps


class FineTuningTask(GpipTask):
    r"""SchNetPack's task, which can freeze modules and keep a pretext as an auxiliary loss.

    .. math:: L = L_{labels} + \sum_t w_t L_t, \qquad \eta_d(s) = \min(1, s / s_w) \, \eta \, f^d

    With the defaults it computes exactly what `AtomisticTask` computes. Before the first step a
    summary is printed: every part of the model with its number of parameters and learning rate.

    - Frozen parameters are not in the optimizer, so that neither weight decay nor momentum changes
      them. The moving average does not change them either, and frozen batch normalisation keeps
      its running statistics.
    - In every step the warm-up scales the rate that the scheduler has set. The scheduler itself is
      not changed: any scheduler can be used, and a resumed run continues correctly.
      (`AtomisticTask` sets the same full rate for all groups at the end of its warm-up.)
    - The plateau scheduler is called at every validation, so `check_val_every_n_epoch` may be
      above 1.
    - Auxiliary losses (Noisy Nodes, Godwin et al., arXiv:2106.07971) count in training only.
      Their heads are not used in predictions and are left out of `best_model`.

    Args:
        model: the potential.
        outputs: outputs of the labels.
        auxiliaries: `PretextOutput`s whose losses are added in training.
        freeze: patterns of modules to freeze, such as `representation.embedding`; see `freeze`.
        layer_decay: factor f in (0, 1] by which the learning rate falls from block to block
            towards the embedding; with 1 all have the same rate.
        warmup_steps: optimizer steps in which the rate rises linearly from zero; fewer than the
            steps of the run. None takes 100, or a tenth of a run of less than 1000 steps. Without
            warm-up the first steps of Adam, which has no estimate of variances yet, change every
            weight by the whole rate and destroy what was learned in pre-training.
        **kwargs: those of `AtomisticTask`.

    Raises:
        InputError: no output has a weight, a setting is out of its range, a pattern matches
            nothing, everything would be frozen, the optimizer takes no groups, or a run is resumed
            with other settings.
    """

    def __init__(
        self,
        model: AtomisticModel,
        outputs: list[ModelOutput],
        auxiliaries: Sequence[PretextOutput] = (),
        freeze: Sequence[str] | str = (),
        layer_decay: float = 1.0,
        warmup_steps: int | None = None,
        **kwargs,
    ):
        if not any(output.loss_weight for output in outputs):
            raise InputError(
                "There is no loss to train on: no output has a loss_weight above zero; train for "
                "example on labels=[energy,forces]."
            )
        if warmup_steps is not None:
            check_whole("warmup_steps", warmup_steps, least=0)
        super().__init__(model, outputs, auxiliaries, warmup_steps=warmup_steps or 0, **kwargs)
        self._choose_warmup = warmup_steps is None
        self.freeze_patterns = [freeze] if isinstance(freeze, str) else list(freeze)
        self.layer_decay = check_number(
            "layer_decay", layer_decay, above=0.0, most=1.0, example=0.8
        )
        self._auxiliary_losses: list[tuple[PretextOutput, torch.Tensor]] = []

    def setup(self, stage: str | None = None) -> None:
        """Freeze modules and read the scales of the labels, before training starts."""
        super().setup(stage)
        if stage != "fit":
            return
        stress = stress_of(self.model.output_modules)
        tensors = getattr(getattr(self.trainer.datamodule, "dataset", None), "tensors", None)
        if stress is not None and tensors is not None:
            check_periodic(tensors, stress)
        freeze(self.model, self.freeze_patterns)
        for output in self.outputs:
            if isinstance(output, ScalarOutput):
                output.take_scale(self.model.postprocessors)

    def train(self, mode: bool = True):
        """Set training mode, except for frozen normalisation."""
        super().train(mode)
        if mode:
            keep_frozen_norms(self.model)
        return self

    def on_train_start(self) -> None:
        """Print the summary of the fine-tuning."""
        rank_zero_only(print)(summary(self), flush=True)

    def on_test_end(self) -> None:
        """Print the errors of scalar properties in thousandths of their unit, of stress in GPa."""
        metrics = self.trainer.callback_metrics
        stress = stress_of(self.model.output_modules)
        unit = (getattr(self.trainer.datamodule, "property_units", None) or {}).get(stress)
        lines = errors_in_milli(self.outputs, metrics)
        lines += errors_in_gpa(self.outputs, stress, unit, metrics)
        if lines:
            rank_zero_only(print)("\n".join(lines), flush=True)

    def configure_optimizers(self):
        """Return SchNetPack's optimizer and scheduler, for the parameters that are trained.

        `ReduceLROnPlateau` counts validations; other schedulers count epochs.
        """
        if self._choose_warmup:
            n_steps = self.trainer.estimated_stepping_batches
            self.warmup_steps = int(min(DEFAULT_WARMUP, n_steps / 10))
        if self.warmup_steps:
            self._check_warmup()
        configured = self._configured()
        every = self.trainer.check_val_every_n_epoch
        if every is not None and isinstance(configured, tuple):
            for schedule in configured[1]:
                plateau = isinstance(schedule["scheduler"], ReduceLROnPlateau)
                if plateau and schedule.get("interval", "epoch") == "epoch":
                    schedule["frequency"] = every
        return configured

    def _configured(self):
        """Return SchNetPack's optimizer and scheduler, with groups of parameters."""
        if not self.freeze_patterns and self.layer_decay == 1.0:
            return super().configure_optimizers()
        cls = self.optimizer_cls

        def with_groups(params, **settings):
            try:
                return cls(params=self._groups(), **settings)
            except ValueError as error:
                raise InputError(
                    f"optimizer_cls={cls.__name__} takes no groups of parameters ({error}); "
                    "use for example torch.optim.AdamW, or layer_decay=1."
                ) from error

        # SchNetPack builds the scheduler for this optimizer.
        self.optimizer_cls = with_groups
        try:
            return super().configure_optimizers()
        finally:
            self.optimizer_cls = cls

    def on_load_checkpoint(self, checkpoint: dict) -> None:
        """Refuse to resume a run that trained other parameters or used other rates."""
        states = checkpoint.get("optimizer_states")
        # Testing restores a checkpoint too, and a file of weights alone has no optimizer.
        if self._trainer is None or not self.trainer.training or not states:
            return
        stored = states[0]["param_groups"]
        here = self._groups()
        if not self.freeze_patterns and self.layer_decay == 1.0:
            here = [{"params": list(self.parameters()), "lr_factor": 1.0}]
        then, now = (
            [(len(g["params"]), round(g.get("lr_factor", 1.0), 9)) for g in groups]
            for groups in (stored, here)
        )
        if then != now:
            raise InputError(
                f"freeze={self.freeze_patterns} and layer_decay={self.layer_decay} are not those "
                "of the run that is resumed; take them from its config.yaml, or start another run."
            )

    def optimizer_step(self, epoch=None, batch_idx=None, optimizer=None, optimizer_closure=None):
        """Take a step at the rates of the warm-up."""
        factor = min(1.0, (self.trainer.global_step + 1) / max(self.warmup_steps, 1))
        scheduled = [group["lr"] for group in optimizer.param_groups]
        for group, rate in zip(optimizer.param_groups, scheduled, strict=True):
            group["lr"] = factor * rate
        optimizer.step(closure=optimizer_closure)
        # The scheduler continues from its unscaled rates, which the checkpoint also holds.
        for group, rate in zip(optimizer.param_groups, scheduled, strict=True):
            group["lr"] = rate

    def predict_without_postprocessing(self, batch):
        """Predict; in training also compute the auxiliary losses, while the batch has targets."""
        known = dict(batch)
        pred = super().predict_without_postprocessing(batch)
        self._auxiliary_losses = [
            (output, output.loss_and_rows(pred, known)[0])
            for output in (self.auxiliaries if self.training else ())
        ]
        return pred

    def loss_fn(self, pred, batch):
        """Return the loss of the labels plus the auxiliary losses."""
        loss = super().loss_fn(pred, batch)
        self.check_losses(loss, pred, batch)
        for output, part in self._auxiliary_losses:
            loss = loss + output.loss_weight * part
            self.log(f"train_{output.name}_loss", part.detach(), on_step=True, on_epoch=False)
        return self.with_all_gradients(loss) if self._auxiliary_losses else loss

    def save_model(self, path: str, do_postprocessing: bool | None = None):
        """Save the model without the heads of auxiliary tasks."""
        modules, outputs = self.model.output_modules, self.model.model_outputs
        names = {output.name for output in self.auxiliaries}
        if names:
            self.model.output_modules = nn.ModuleList(
                module for module in modules if not writes(module, names)
            )
            self.model.collect_outputs()
        try:
            super().save_model(path, do_postprocessing)
        finally:
            self.model.output_modules, self.model.model_outputs = modules, outputs

    def _groups(self) -> list[dict]:
        parts = model_parts(self.model)
        inside = {id(p) for part in parts for p in part.parameters}
        others = [p for p in self.parameters() if id(p) not in inside]
        return parameter_groups(parts, others, self.lr, self.layer_decay)

    def _check_warmup(self) -> None:
        n_steps = self.trainer.estimated_stepping_batches
        if self.warmup_steps >= n_steps:
            raise InputError(
                f"warmup_steps={self.warmup_steps} is not less than the {n_steps} steps of the "
                "whole run; use fewer, or a larger max_epochs."
            )
