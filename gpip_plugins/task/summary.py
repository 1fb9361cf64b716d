"""What a fine-tuning does, in words and numbers, before its first step."""

from pytorch_lightning import Callback
from schnetpack.task import AtomisticTask
from schnetpack.train import ExponentialMovingAverage
from schnetpack.transform import AddOffsets
from torch import nn

from gpip_plugins.task.layer_decay import Unit, units_of
from gpip_plugins.train.pretrained import PretrainedRepresentation
from gpip_plugins.transform import AddAtomReferences, GaussianNoise, RestoreScale

__all__ = ["summary", "table"]


def table(units: list[Unit], lr: float, decay: float) -> list[str]:
    """Return one line for every part of a model: parameters, and the rate or `frozen`.

    Args:
        units: of the model.
        lr: learning rate of the heads.
        decay: factor per step of depth.

    Example:
        >>> linear, head = nn.Linear(2, 2).requires_grad_(False), nn.Linear(2, 1)
        >>> parts = [Unit("representation.interactions.0", 1, list(linear.parameters())),
        ...          Unit("output_modules.0", 0, list(head.parameters()))]
        >>> print("\\n".join(table(parts, 1e-3, 0.5)))
          part of the model              parameters  depth  learning rate
          representation.interactions.0           6      1  frozen
          output_modules.0                        3      0  0.001
    """
    width = max([len(unit.name) for unit in units] + [len("part of the model")])
    lines = [f"  {'part of the model':{width}}  parameters  depth  learning rate"]
    for unit in units:
        sizes = [(p.numel(), p.requires_grad) for p in unit.parameters]
        total = sum(size for size, _ in sizes)
        frozen = sum(size for size, trained in sizes if not trained)
        rate = f"{lr * decay**unit.depth:.4g}"
        if frozen == total:
            rate = "frozen"
        elif frozen:
            rate += f" ({frozen} parameters frozen)"
        lines.append(f"  {unit.name:{width}}  {total:10d}  {unit.depth:5d}  {rate}")
    return lines


def summary(task: AtomisticTask) -> str:
    """Return the account of a fine-tuning that is about to begin.

    Args:
        task: a `FineTuningTask` with its trainer.
    """
    trainer, model = task.trainer, task.model
    units = units_of(model)
    sizes = [(p.numel(), p.requires_grad) for p in model.parameters()]
    n_trained = sum(size for size, trained in sizes if trained)
    n_all = sum(size for size, _ in sizes)
    lines = ["Fine-tuning:", *table(units, task.lr, task.layer_decay)]
    facts = {
        "trained": f"{n_trained} of {n_all} parameters by {task.optimizer_cls.__name__}",
        "frozen": _frozen(task.freeze_patterns, trainer.callbacks),
        "rates": f"times {task.layer_decay:g} for every step of depth"
        if task.layer_decay < 1.0
        else "the same for all that is trained",
        "warm-up": f"{task.warmup_steps} steps" if task.warmup_steps else "none",
        "schedule": _schedule(task.lr_schedulers()),
        "head": _head(trainer.callbacks),
        "auxiliary": _auxiliary(task),
        "energies": _energies(model.postprocessors),
        "averaging": _averaging(trainer.callbacks),
    }
    return "\n".join([*lines, *(f"  {title + ':':<11}{text}" for title, text in facts.items())])


def _pretrained(callbacks: list[Callback]) -> PretrainedRepresentation | None:
    found = [c for c in callbacks if isinstance(c, PretrainedRepresentation)]
    return found[0] if found else None


def _frozen(patterns: list[str], callbacks: list[Callback]) -> str:
    start = _pretrained(callbacks)
    random = start is None or (start.path is None and start.ckpt_path is None)
    remark = " (at random values: no pretrained.path is given)" if patterns and random else ""
    return (", ".join(patterns) or "nothing") + remark


def _schedule(scheduler: object) -> str:
    return type(scheduler).__name__ if scheduler else "constant"


def _head(callbacks: list[Callback]) -> str:
    start = _pretrained(callbacks)
    if start is not None and start.resumes:
        return "that of the run that goes on"
    return (start and start.head_source) or "new"


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


def _energies(postprocessors: nn.ModuleList) -> str:
    found = []
    for transform in postprocessors:
        if isinstance(transform, AddAtomReferences):
            found.append(f"references of {transform.property} {transform.account}")
        elif isinstance(transform, RestoreScale):
            mean, scale = float(transform.mean), float(transform.scale)
            found.append(f"{transform.property} standardised (mean {mean:.5g}, std {scale:.4g})")
        elif isinstance(transform, AddOffsets) and transform.add_mean:
            per = " per atom" if transform.is_extensive else ""
            found.append(f"mean {transform._property}{per} removed: {float(transform.mean):.6g}")
    return "; ".join(found) or "as they are"


def _averaging(callbacks: list[Callback]) -> str:
    for callback in callbacks:
        if isinstance(callback, ExponentialMovingAverage):
            return f"weights are averaged (decay {callback.decay:g}); best_model has the averages"
    return "none"
