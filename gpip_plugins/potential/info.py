"""Descriptions of files for `gpip info`: models, checkpoints, weights and databases."""

import hashlib
import os
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from gpip_plugins.errors import InputError
from gpip_plugins.io.paths import existing
from gpip_plugins.io.unfinished import note_beside

if TYPE_CHECKING:
    from gpip_plugins.io.ase_database import Database

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
    # What is not needed for this file is not imported: ASE takes a second, PyTorch five.
    if full.endswith(".db"):
        from gpip_plugins.io.ase_database import Database

        return _database(Database(full, "path", "name a model or a database"), progress)
    return _model(full, tuple(trust))


def _model(path: str, trust: tuple[str, ...]) -> str:
    """Return the card of a model; without one, the settings of the network."""
    from gpip_plugins.checkpoint.allowed_names import may_occur
    from gpip_plugins.checkpoint.archive import model_path, open_archive
    from gpip_plugins.checkpoint.outline import is_module, read_outline
    from gpip_plugins.potential.card import Card

    path = model_path(path)
    data, archive = open_archive(path)
    outline = read_outline(path, archive)
    foreign = sorted(name for name in outline.names if not may_occur(name, trust))
    if foreign:
        raise InputError(
            f"{path} uses {', '.join(foreign[:3])}, which a model of SchNetPack does not need; if "
            f"you wrote the file, give trust={foreign[0].split('.')[0]}."
        )
    kind, model, tensors = _parts(path, outline.content)
    head = [f"{path} ({kind})", f"SHA-256 {hashlib.sha256(data).hexdigest()}"]
    note = note_beside(path)
    head += ["", note, ""] if note else [""]
    card = Card.from_model(model, path)
    if card is not None:
        return "\n".join([*head, card.markdown().rstrip()])
    n_numbers = sum(tensor.numel() for tensor in tensors.values())
    rows: dict[str, Any] = {"numbers": n_numbers, **_settings(path, kind, model, tensors)}
    if is_module(model):
        outputs = getattr(model, "model_outputs", None) or ["none"]
        rows["outputs"] = ", ".join(sorted(map(str, outputs)))
    return "\n".join([*head, "no card: units and elements are not known", *_table(rows)])


def _parts(path: str, content: Any) -> tuple[str, Any, dict[str, Any]]:
    """Return the kind of a file, its model, if any, and its tensors, from its outline."""
    from gpip_plugins.checkpoint.outline import StoredTensor, is_module, tensors_of

    if is_module(content):
        return "model", content, tensors_of(content)
    tensors = content.get("state_dict", content) if isinstance(content, dict) else {}
    if not isinstance(tensors, dict) or not any(
        isinstance(tensor, StoredTensor) for tensor in tensors.values()
    ):
        raise InputError(f"{path} holds no weights of a model; give a best_model or a checkpoint.")
    tensors = {
        str(name).removeprefix("model."): tensor
        for name, tensor in tensors.items()
        if isinstance(tensor, StoredTensor)
    }
    if any(name.startswith("representation_model.") for name in tensors):
        return "torchmdnet", None, tensors
    if "state_dict" not in content:
        return "state_dict", None, tensors
    parameters = content.get("hyper_parameters")
    model = parameters.get("model") if isinstance(parameters, dict) else None
    return "lightning", model if is_module(model) else None, tensors


def _settings(path: str, kind: str, model: Any, tensors: dict[str, Any]) -> dict[str, Any]:
    """Return the settings of the network, as far as they are known."""
    from gpip_plugins.checkpoint.settings import settings_of, settings_of_tensors

    if kind == "torchmdnet":  # named as in SchNetPack, after the conversion
        from gpip_plugins.checkpoint.file import load

        return load(path).settings
    representation = getattr(model, "representation", None)
    try:
        if representation is not None:
            return settings_of(representation)
        return settings_of_tensors(tensors)
    except Exception as error:  # of a foreign file: attributes of any kind
        raise InputError(
            f"{path} holds a model that cannot be described ({error}); give the best_model that a "
            "training wrote."
        ) from error


def _database(database: "Database", progress: bool) -> str:
    """Return rows, compositions, elements, labels and metadata of a database."""
    # Imported here: SciPy is not needed to look at a model.
    from gpip_plugins.analysis.structure_faults import check_structure

    compositions, elements = Counter(), Counter()
    n_periodic = 0
    for number, row in enumerate(database.rows("reading", progress)):
        check_structure(
            database.structure(row), f"row {number} (counted from 0) of {database.path}"
        )
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
