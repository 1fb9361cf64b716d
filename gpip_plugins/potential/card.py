"""Card of a model: the facts needed to use it, stored inside the file of the model.

SchNetPack's `best_model` is the network, pickled as a whole. It contains neither the units of its
labels nor the elements of its training data. The card is a text (JSON) in an attribute of the
model, so it is kept by everything that keeps the model: `torch.save`, a weights-only load, a
Lightning checkpoint, the moving average, a change of precision, TorchScript. SchNetPack ignores it.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any

from gpip_plugins.errors import InputError

if TYPE_CHECKING:  # a card is read from a file without PyTorch
    from torch import nn

__all__ = ["FORMAT", "Card"]

#: Version of the format; increased whenever a field changes its meaning.
FORMAT = 1
_ATTRIBUTE = "gpip_card"


@dataclass(frozen=True)
class Card:
    """Facts about a model and its training.

    Args:
        units: unit of each label in the training data, as `{"energy": "eV"}`.
        distance_unit: unit of positions, cells and of the cut-off.
        cutoff: cut-off radius of the representation in `distance_unit`.
        elements: symbol to number of atoms in the training data; empty if unknown.
        n_train: number of configurations for training.
        n_val: number of configurations for validation.
        level_of_theory: such as `PBE+MBD`; None if unknown.
        data: name of each file of data to its SHA-256, hexadecimal.
        pretrained: `file` and `sha256` of the model with which the training started; empty if it
            started from random weights.
        errors: validation metrics of these weights, in the units of the labels.
        epoch: the epoch after which they were measured, counted from 0.
        settings: settings of the representation from `gpip_plugins.checkpoint.settings_of`.
        representation: node of the recipe that builds the representation (`_target_` and its
            arguments); empty if unknown.
        versions: package to version.
        date: date of the training, ISO 8601.
        format: version of this format.

    Example:
        >>> card = Card(units={"energy": "eV"}, distance_unit="Ang", elements={"O": 2})
        >>> Card.from_json(card.to_json()) == card
        True
    """

    units: dict[str, str] = field(default_factory=dict)
    distance_unit: str | None = None
    cutoff: float | None = None
    elements: dict[str, int] = field(default_factory=dict)
    n_train: int | None = None
    n_val: int | None = None
    level_of_theory: str | None = None
    data: dict[str, str] = field(default_factory=dict)
    pretrained: dict[str, str] = field(default_factory=dict)
    errors: dict[str, float] = field(default_factory=dict)
    epoch: int | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    representation: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    date: str | None = None
    format: int = FORMAT

    @classmethod
    def from_json(cls, text: str, where: str = "the card") -> "Card":
        """Read a card.

        Args:
            text: text of `to_json`.
            where: source of the text, for the message.

        Raises:
            InputError: the text is not a card, or has a format that this version cannot read.
        """
        try:
            content = json.loads(text)
            version = int(content["format"])
        except (TypeError, ValueError, KeyError) as error:
            raise InputError(f"{where} holds a damaged card; copy the file again.") from error
        if version != FORMAT:
            raise InputError(
                f"{where} holds a card of format {version}, and this gpip_plugins reads format "
                f"{FORMAT}; install the version that wrote it "
                f"({content.get('versions', {}).get('gpip_plugins', 'unknown')}) or train again."
            )
        if set(content) != {entry.name for entry in fields(cls)}:
            raise InputError(f"{where} holds a damaged card; copy the file again.")
        return cls(**content)

    @classmethod
    def from_model(cls, model: "nn.Module | None", where: str = "the model") -> "Card | None":
        """Return the card of a model, or None if it has none.

        Args:
            model: any model.
            where: file of the model, for the message.

        Raises:
            InputError: as `from_json`.
        """
        text = getattr(model, _ATTRIBUTE, None)
        return None if text is None else cls.from_json(text, where)

    def to_json(self) -> str:
        """Return the card as text."""
        return json.dumps(asdict(self))

    def attach(self, model: "nn.Module") -> None:
        """Write the card into a model; replace an older one.

        Example:
            >>> from torch import nn
            >>> model = nn.Linear(1, 1)
            >>> Card(cutoff=5.0).attach(model)
            >>> Card.from_model(model).cutoff
            5.0
        """
        setattr(model, _ATTRIBUTE, self.to_json())

    def markdown(self) -> str:
        """Return the card as a table in Markdown."""
        rows = {
            "Energies and other labels": _listed(self.units, "{} in {}"),
            "Lengths": self.distance_unit,
            "Cut-off": self.cutoff and f"{self.cutoff:g} {self.distance_unit or ''}".strip(),
            "Elements (atoms in the training data)": _listed(self.elements, "{} ({})"),
            "Level of theory": self.level_of_theory,
            "Configurations": self._configurations(),
            "Data": _listed(self.data, "{}, SHA-256 {}"),
            "Started from": _listed(self.pretrained, "{} {}"),
            "Validation": _listed({k: f"{v:.5g}" for k, v in self.errors.items()}, "{} {}"),
            "Epoch": None if self.epoch is None else f"{self.epoch} (counted from 0)",
            "Representation": _listed(self.settings, "{} {}"),
            "Versions": _listed(self.versions, "{} {}"),
            "Date": self.date,
            "Format of this card": str(self.format),
        }
        lines = ["| | |", "|---|---|"]
        lines += [f"| {title} | {value or 'not known'} |" for title, value in rows.items()]
        return "\n".join(["# Model card", "", *lines, ""])

    def _configurations(self) -> str | None:
        """Return the sizes of training and validation set in words."""
        if self.n_train is None:
            return None
        return f"{self.n_train} for training, {self.n_val} for validation"


def _listed(entries: Mapping[str, object], template: str) -> str:
    """Return all entries in one line."""
    return ", ".join(template.format(key, value) for key, value in entries.items())
