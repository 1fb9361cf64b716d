"""Report of the weights that were loaded from a pre-trained model."""

from dataclasses import dataclass, field
from math import prod

from gpip_plugins.checkpoint import Checkpoint
from gpip_plugins.io.unfinished import note_beside

__all__ = ["Transfer", "report"]

Shapes = dict[str, tuple[int, ...]]


@dataclass
class Transfer:
    """Result of a transfer of weights; tensors are given by full name, with their shapes.

    Args:
        checkpoint: the source.
        loaded: tensors of the model that now hold the file's values.
        fresh: trainable tensors of the model that keep their initial values.
        kept: constants of the model's architecture, compared but not copied.
        unchecked: constants that the file lacks, so that they could not be compared.
        skipped: tensors of the file that were not requested or have no place in the model.
        differences: setting to its value in the file and in the model.
        misfits: sentences about tensors of unequal shapes.
        head: module of the file from which the energy head was loaded; None if the head is new.
        unseen: elements of the training data that were not in the file's training data.
    """

    checkpoint: Checkpoint
    loaded: Shapes = field(default_factory=dict)
    fresh: Shapes = field(default_factory=dict)
    kept: Shapes = field(default_factory=dict)
    unchecked: Shapes = field(default_factory=dict)
    skipped: Shapes = field(default_factory=dict)
    differences: dict[str, tuple[object, object]] = field(default_factory=dict)
    misfits: list[str] = field(default_factory=list)
    head: str | None = None
    unseen: list[str] = field(default_factory=list)


def report(transfer: Transfer) -> str:
    """Return the result as text of several lines.

    Args:
        transfer: the result.

    Example:
        >>> source = Checkpoint("/runs/a/best_model", "0123", "model", {})
        >>> print(report(Transfer(source, loaded={"representation.embedding.weight": (100, 64)})))
        Pre-trained weights from /runs/a/best_model (model, sha256 0123)
          loaded: 1 tensors, 6400 numbers
            representation.embedding.weight (100, 64)
          energy head: new
          settings: the same
    """
    source = transfer.checkpoint
    lines = [f"Pre-trained weights from {source.path} ({source.kind}, sha256 {source.sha256})"]
    if note := note_beside(source.path):
        lines.append(f"  {note}")
    parts = {
        "loaded": transfer.loaded,
        "newly initialised": transfer.fresh,
        "kept, constants of the architecture": transfer.kept,
        "kept, constants that the file lacks, not compared": transfer.unchecked,
        "skipped, not needed here": transfer.skipped,
    }
    for title, shapes in parts.items():
        if shapes:
            numbers = sum(prod(shape) for shape in shapes.values())
            lines.append(f"  {title}: {len(shapes)} tensors, {numbers} numbers")
            lines += [f"    {name} {shape}" for name, shape in shapes.items()]
    lines.append(f"  energy head: {_head(transfer)}")
    if transfer.unseen:
        lines.append(
            f"  elements that were not in the pre-training: {', '.join(transfer.unseen)}; their "
            "embedding is untrained; better pre-train on a system that contains them"
        )
    if transfer.differences:
        lines.append("  settings that differ (pre-trained -> here):")
        lines += [f"    {key}: {a} -> {b}" for key, (a, b) in transfer.differences.items()]
    else:
        lines.append("  settings: the same")
    return "\n".join(lines)


def _head(transfer: Transfer) -> str:
    """Return the source of the energy head, with the class of the module where it is known."""
    if transfer.head is None:
        # Heads can also be named in pretrained.modules.
        taken = any(name.startswith("output_modules.0.") for name in transfer.loaded)
        return "from the file, as set by pretrained.modules" if taken else "new"
    if transfer.checkpoint.module is None:
        return f"from {transfer.head}"
    kind = type(transfer.checkpoint.module.get_submodule(transfer.head)).__name__
    return f"from {transfer.head} ({kind})"
