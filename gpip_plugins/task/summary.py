"""Summary of a fine-tuning, printed before its first step."""

from typing import Protocol, runtime_checkable

from pytorch_lightning import Callback
from schnetpack.atomistic import Forces
from schnetpack.task import AtomisticTask
from schnetpack.train import ExponentialMovingAverage
from schnetpack.transform import AddOffsets
from torch import nn

from gpip_plugins.task.label_use import unused_labels
from gpip_plugins.task.layer_decay import ModelPart, model_parts
from gpip_plugins.transform import AddAtomReferences, GaussianNoise, RestoreScale

__all__ = ["SetsWeights", "energies_of", "summary", "table"]


@runtime_checkable
class SetsWeights(Protocol):
    """A callback that sets the first weights of a model and knows their source."""

    def weights_from(self) -> str | None:
        """Return the source of the weights; None for random ones."""

    def head_from(self) -> str | None:
        """Return the source of the energy head; None for a new one."""


def table(parts: list[ModelPart], lr: float, decay: float) -> list[str]:
    """Return one line for every part of a model: parameters, and the rate or `frozen`.

    Args:
        parts: parts of the model.
        lr: learning rate of the heads.
        decay: factor per step of depth.

    Example:
        >>> linear, head = nn.Linear(2, 2).requires_grad_(False), nn.Linear(2, 1)
        >>> parts = [ModelPart("representation.interactions.0", 1, list(linear.parameters())),
        ...          ModelPart("output_modules.0", 0, list(head.parameters()))]
        >>> print("\\n".join(table(parts, 1e-3, 0.5)))
          part of the model              parameters  depth  learning rate
          representation.interactions.0           6      1  frozen
          output_modules.0                        3      0  0.001
    """
    width = max(len(name) for name in ("part of the model", *(part.name for part in parts)))
    lines = [f"  {'part of the model':{width}}  parameters  depth  learning rate"]
    for part in parts:
        sizes = [(p.numel(), p.requires_grad) for p in part.parameters]
        total = sum(size for size, _ in sizes)
        frozen = sum(size for size, trained in sizes if not trained)
        rate = f"{lr * decay**part.depth:.4g}"
        if frozen == total:
            rate = "frozen"
        elif frozen:
            rate += f" ({frozen} parameters frozen)"
        lines.append(f"  {part.name:{width}}  {total:10d}  {part.depth:5d}  {rate}")
    return lines


def summary(task: AtomisticTask) -> str:
    """Return the summary of a fine-tuning, on several lines.

    Args:
        task: a `FineTuningTask` with its trainer.
    """
    trainer, model = task.trainer, task.model
    parts = model_parts(model)
    start = next((c for c in trainer.callbacks if isinstance(c, SetsWeights)), None)
    sizes = [(p.numel(), p.requires_grad) for p in model.parameters()]
    n_trained = sum(size for size, trained in sizes if trained)
    n_all = sum(size for size, _ in sizes)
    lines = ["Fine-tuning:", *table(parts, task.lr, task.layer_decay)]
    facts = {
        "trained": f"{n_trained} of {n_all} parameters by {task.optimizer_cls.__name__}",
        "frozen": _frozen(task.freeze_patterns, start),
        "rates": f"times {task.layer_decay:g} for every step of depth"
        if task.layer_decay < 1.0
        else "the same for all trained parameters",
        "warm-up": f"{task.warmup_steps} steps" if task.warmup_steps else "none",
        "schedule": _schedule(task.lr_schedulers()),
        "head": (start and start.head_from()) or "new",
        "auxiliary": _auxiliary(task),
        "labels": ", ".join(f"{o.name} with weight {o.loss_weight:g}" for o in task.outputs),
        "not used": unused_labels(trainer.datamodule, task.outputs) or "nothing",
        "energies": _energies(task),
        "averaging": _averaging(trainer.callbacks),
    }
    return "\n".join([*lines, *(f"  {title + ':':<11}{text}" for title, text in facts.items())])


def _frozen(patterns: list[str], start: SetsWeights | None) -> str:
    random = start is None or start.weights_from() is None
    remark = " (at random values: no pre-trained weights are loaded)" if patterns and random else ""
    return (", ".join(patterns) or "nothing") + remark


def _schedule(scheduler: object) -> str:
    return type(scheduler).__name__ if scheduler else "constant"


def _auxiliary(task: AtomisticTask) -> str:
    if not task.auxiliaries:
        return "none"
    losses = ", ".join(f"{o.name} with weight {o.loss_weight:g}" for o in task.auxiliaries)
    noises = [
        t.describe()
        for t in task.trainer.datamodule.train_transforms
        if isinstance(t, GaussianNoise)
    ]
    corrupted = f"; {', '.join(noises)}" if noises else ""
    return f"{losses}{corrupted}; not in validation, head not in best_model"


def _energies(task: AtomisticTask) -> str:
    """Return the treatment of the energies; without energy labels, what is then not known."""
    trained = [output.name for output in task.outputs]
    for module in task.model.output_modules:
        if isinstance(module, Forces) and module.energy_key not in trained:
            return (
                f"no label: {module.energy_key} follows from its derivatives up to a constant, "
                "which is another one for every composition; only differences are meaningful"
            )
    return "; ".join(energies_of(task.model.postprocessors)) or "unchanged"


def energies_of(postprocessors: nn.ModuleList) -> list[str]:
    """Return what the stored model adds to each property, or how it scales it.

    Args:
        postprocessors: post-processing of a model, after it was fitted to the data.
    """
    texts = []
    for transform in postprocessors:
        if isinstance(transform, AddAtomReferences):
            texts.append(f"references of {transform.property}: {transform.account}")
        elif isinstance(transform, RestoreScale):
            mean, scale = float(transform.mean), float(transform.scale)
            texts.append(f"{transform.property} standardised (mean {mean:.5g}, std {scale:.4g})")
        elif isinstance(transform, AddOffsets) and transform.add_mean:
            per = " per atom" if transform.is_extensive else ""
            texts.append(f"mean {transform._property}{per} removed: {float(transform.mean):.6g}")
    return texts


def _averaging(callbacks: list[Callback]) -> str:
    for callback in callbacks:
        if isinstance(callback, ExponentialMovingAverage):
            return f"weights are averaged (decay {callback.decay:g}); best_model has the averages"
    return "none"
