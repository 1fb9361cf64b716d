"""Descriptions of files for `gpip info`: models, checkpoints, weights and databases."""

import os
from collections import Counter
from collections.abc import Sequence
from typing import Any

from gpip_plugins.io.ase_database import Database
from gpip_plugins.io.paths import existing
from gpip_plugins.io.unfinished import note_beside

__all__ = ["describe"]

#: Number of characters shown of one entry of a database's metadata.
SHOWN = 200


def describe(path: str | os.PathLike, trust: Sequence[str] = (), progress: bool = False) -> str:
    """Return the description of a file as text.

    For a model or checkpoint: its card, or without one the settings of the network. For a
    database: number of rows, compositions, elements, labels with units, metadata in short.

    Args:
        path: a best_model, the folder of a run, a Lightning checkpoint, a state dict, or an ASE
            database (.db).
        trust: your packages whose classes may occur in a model.
        progress: show a progress bar while a database is read.

    Raises:
        InputError: the file is missing, damaged, or of another kind.
    """
    full = existing("path", path, "name a model, a checkpoint or a database")
    if full.endswith(".db"):
        return _database(Database(full, "path", "name a model or a database"), progress)
    return _model(full, trust)


def _model(path: str, trust: Sequence[str]) -> str:
    """Return the card of a model; without one, the settings of the network."""
    # Imported here: a database needs no PyTorch.
    from gpip_plugins.checkpoint import load
    from gpip_plugins.potential.card import Card

    checkpoint = load(path, trust)
    head = [f"{checkpoint.path} ({checkpoint.kind})", f"SHA-256 {checkpoint.sha256}"]
    note = note_beside(checkpoint.path)
    head += ["", note, ""] if note else [""]
    card = Card.from_model(checkpoint.module, checkpoint.path)
    if card is not None:
        return "\n".join([*head, card.markdown().rstrip()])
    n_numbers = sum(tensor.numel() for tensor in checkpoint.state_dict.values())
    rows: dict[str, Any] = {"numbers": n_numbers, **checkpoint.settings}
    if checkpoint.module is not None:
        outputs = getattr(checkpoint.module, "model_outputs", None) or ["none"]
        rows["outputs"] = ", ".join(sorted(outputs))
    return "\n".join([*head, "no card: units and elements are not known", *_table(rows)])


def _database(database: Database, progress: bool) -> str:
    """Return rows, compositions, elements, labels and metadata of a database."""
    compositions, elements = Counter(), Counter()
    n_periodic = 0
    for row in database.rows("reading", progress):
        compositions[row.formula] += 1
        elements.update(row.symbols)
        n_periodic += bool(row.pbc.any())
    shown = compositions.most_common(10)
    more = f" and {len(compositions) - 10} more" if len(compositions) > 10 else ""
    rows: dict[str, Any] = {
        "rows": len(database),
        "periodic": n_periodic,
        "compositions": ", ".join(f"{formula} ({n})" for formula, n in shown) + more,
        "elements": ", ".join(f"{symbol} ({n} atoms)" for symbol, n in sorted(elements.items())),
        "lengths": database.metadata.get("_distance_unit") or "no unit stated",
    }
    units = database.property_units or {}
    labels = (f"{name} in {unit or 'no unit'}" for name, unit in units.items())
    rows["labels"] = ", ".join(labels) or "none"
    for name, value in database.metadata.items():
        if not name.startswith("_"):
            text = " ".join(str(value).split())
            rows[name] = text if len(text) <= SHOWN else f"{text[:SHOWN]} ..."
    return "\n".join([f"{database.path} (database)", *_table(rows)])


def _table(rows: dict[str, Any]) -> list[str]:
    """Return one line for each entry, with aligned values."""
    width = max(map(len, rows)) + 1
    return [f"  {name + ':':{width}} {value}" for name, value in rows.items()]
