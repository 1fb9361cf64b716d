"""Output of a task for a pretext: its prediction, its target, and the rows that count."""

from collections.abc import Collection, Mapping

import torch
from schnetpack import properties as spk_properties
from schnetpack.task import ModelOutput
from torch import nn

from gpip_plugins import properties
from gpip_plugins.errors import InputError

__all__ = ["PretextOutput"]

#: transform that writes a key, for the remedy in a message
WRITTEN_BY = {
    properties.noise: "GaussianNoise",
    properties.is_masked: "MaskAtoms",
    properties.Z_clean: "MaskAtoms",
    properties.embedding_clean: "MaskAtoms",
    properties.is_corrupted: "GaussianNoise or MaskAtoms",
    properties.is_labelled: "SelectCorrupted",
    properties.force_targets: "ForceTargets",
    properties.is_off_equilibrium: "ForceTargets",
    properties.is_equilibrium: "ForceTargets",
    properties.is_perturbed: "ForceTargets",
}


class PretextOutput(ModelOutput):
    """Output whose loss counts only selected rows, and whose target may be another output.

    Args:
        name: key of the model's output.
        loss_fn: loss of (prediction, target), a mean over rows. Its attribute `min_rows` is the
            least number of rows (default 1); with fewer rows the output contributes nothing.
        loss_weight: factor in the total loss; 0 switches the output off.
        target_property: key of the target. It is first looked up in the batch, where transforms
            write it, then among the model's other outputs (the second latent of the contrast
            pretext). Rows of a mixture that lack this label do not count. Default: `name`.
        selection: key of a bool tensor in the batch, shape (n_rows,), that selects the rows that
            count, such as `is_masked`; None for all.
        metrics: torchmetrics by name; they see the selected rows.
        title: name in the logs, so that several outputs can share one prediction, such as forces
            of different kinds; default: `name`.

    Raises:
        InputError: if the weight is negative; from `check`, if nothing writes one of the keys.

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
        title: str | None = None,
    ):
        super().__init__(
            name=name,
            loss_fn=loss_fn,
            loss_weight=loss_weight,
            metrics=metrics or {},
            target_property=target_property,
        )
        if loss_weight < 0.0:
            raise InputError(
                f"loss_weight={loss_weight} of the pretext output '{title or name}' would reward "
                "errors; give 0 to switch it off, or a positive one."
            )
        self.selection = selection
        self.title = title or name

    def check(self, batch: Mapping[str, torch.Tensor], predicted: Collection[str]) -> None:
        """Check that every key of this output is written.

        Args:
            batch: one configuration, after the transforms.
            predicted: keys that the model's output modules write.

        Raises:
            InputError: a key is missing; names the first one and the remedy.
        """
        if self.name not in predicted:
            raise InputError(
                f"The pretext output '{self.name}' is predicted by no output module (there are "
                f"{', '.join(sorted(predicted))}); correct its name, or add the module to "
                "output_modules."
            )
        wanted = {"selection": self.selection, "target_property": self.target_property}
        for setting, key in wanted.items():
            if key is None or key in batch:
                continue
            # The target may be another output, but not the prediction itself: a loss of zero.
            if setting == "target_property" and key in predicted and key != self.name:
                continue
            remedy = (
                f"add gpip_plugins.transform.{WRITTEN_BY[key]} to transforms"
                if key in WRITTEN_BY
                else f"correct {setting}, or load the label with load_properties"
                if setting == "target_property"
                else f"correct {setting} (one of {', '.join(_selections(batch))})"
            )
            raise InputError(
                f"The pretext output '{self.name}' has {setting}={key}, which no transform of the "
                f"data writes; {remedy}, or leave the pretext out."
            )

    def select(
        self, pred: dict[str, torch.Tensor], batch: dict[str, torch.Tensor]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the rows of prediction and target that count."""
        self.check(batch, pred)
        prediction = pred[self.name]
        key = self.target_property
        target = batch[key] if key in batch else pred[key]
        chosen = self._chosen(batch, len(prediction))
        if chosen is not None:
            prediction, target = prediction[chosen], target[chosen]
        return prediction, target

    def datasets(self, batch: dict[str, torch.Tensor], n_rows: int) -> torch.Tensor:
        """Return the data set of each selected row of a mixture, shape (n_selected,).

        Args:
            batch: with `dataset`.
            n_rows: rows of the prediction before the selection.
        """
        number, n_atoms = batch[properties.dataset], batch[spk_properties.n_atoms]
        if n_rows != len(number):
            number = torch.repeat_interleave(number, n_atoms)
        chosen = self._chosen(batch, n_rows)
        return number if chosen is None else number[chosen]

    def _chosen(self, batch: dict[str, torch.Tensor], n_rows: int) -> torch.Tensor | None:
        """Return which rows are selected and have the label, bool, shape (n_rows,); None: all."""
        labelled = batch.get(properties.has_label(self.target_property))
        if self.selection is None:
            return labelled
        chosen = batch[self.selection]
        if len(chosen) != n_rows:
            n_atoms = batch[spk_properties.n_atoms]
            if n_rows != len(n_atoms):
                raise InputError(
                    f"selection={self.selection} picks atoms, but '{self.name}' has {n_rows} rows "
                    f"for {len(chosen)} atoms in {len(n_atoms)} configurations; predict one row "
                    "for each atom or for each configuration."
                )
            # An atom-wise selection of a quantity per configuration: all its atoms agree.
            chosen = chosen[torch.cumsum(n_atoms, 0) - n_atoms]
        return chosen if labelled is None else chosen & labelled

    def loss_and_rows(
        self, pred: dict[str, torch.Tensor], batch: dict[str, torch.Tensor]
    ) -> tuple[torch.Tensor, int]:
        """Return the unweighted loss and the number of rows that it averages over.

        With too few rows it returns a zero that is still part of the graph, so that a small last
        batch neither yields NaN nor leaves weights without a gradient, for which DDP would wait.
        """
        prediction, target = self.select(pred, batch)
        if len(prediction) < getattr(self.loss_fn, "min_rows", 1):
            nothing = 0.0 * pred[self.name].sum()
            if self.target_property in pred and self.target_property not in batch:
                nothing = nothing + 0.0 * pred[self.target_property].sum()
            return nothing, 0
        return self.loss_fn(prediction, target), len(prediction)

    def update_metrics(self, pred, target, subset):
        """Update the metrics with the selected rows; there must be at least one."""
        prediction, target = self.select(pred, target)
        for metric in self.metrics[subset].values():
            metric(prediction, target)


def _selections(batch: Mapping[str, torch.Tensor]) -> list[str]:
    """Return the keys that can select atoms."""
    return sorted(
        key
        for key, value in batch.items()
        if value.dtype == torch.bool and key != spk_properties.pbc
    )
