"""Starts training from the representation of a pre-trained model."""

import os
from collections.abc import Mapping, Sequence

from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.utilities import rank_zero_only
from schnetpack.units import convert_units
from torch import nn

from gpip_plugins.checkpoint import Checkpoint, load
from gpip_plugins.errors import InputError
from gpip_plugins.nn.embedding import element_symbol
from gpip_plugins.potential.card import Card
from gpip_plugins.potential.network import check_distance_unit
from gpip_plugins.train.transfer_report import Transfer, report
from gpip_plugins.train.weight_transfer import transfer

__all__ = ["PretrainedRepresentation"]


class PretrainedRepresentation(Callback):
    """Loads embedding and message passing of a pre-trained model into the model of the run.

    The weights are loaded in `setup`, when the model exists and has not been copied yet: at the
    start of the fit it would be too late, because there
    `schnetpack.train.ExponentialMovingAverage` replaces the weights by its copy. A resumed run
    keeps the weights of its checkpoint, which Lightning restores after `setup`.

    The tensors that are loaded, left out and newly initialised are printed before the first
    training batch, with the hash of the file and the settings in which the two representations
    differ.

    Args:
        path: a best_model, a Lightning checkpoint, a state dict (of the task, the model or the
            representation alone), or the folder of a run. A relative path is relative to the folder
            in which the command was typed. None trains from scratch and needs `required=False`.
        modules: sub-module of the run's model to sub-module of the file. By default the
            representation; `{"representation": "representation", "output_modules.0":
            "output_modules.0"}` also loads the first output module.
        head: True also loads the head of the first output module (the energy), from the output
            module of the file that has the same tensors: the head of the gradient noise task, or
            of energies and forces. A name chooses one: that of its output (`pseudo_energy`, the
            scalar of the gradient noise task; `energy` after classical or force-centric
            pre-training), or that of the module (`output_modules.1`).
        allow_missing: shell patterns of tensors, named as in the run's model, which the file may
            lack and which then keep their initial values (`representation.embedding.*`).
        allow_differences: names of settings in which the two representations may differ:
            `cutoff`, `cutoff_fn`, `radial_basis`, `activation`, `class` ... Those of the run count.
        trust: your packages whose modules may occur in the file.
        required: whether a missing path is an error (default) or means training from scratch.
        ckpt_path: checkpoint from which the run resumes (`${run.ckpt_path}` in recipes). If it is
            given, the pre-trained file is not opened.

    Raises:
        InputError: the file cannot be loaded; a tensor of the requested modules is missing or has
            another shape; or a setting differs and is not in `allow_differences`.
    """

    def __init__(
        self,
        path: str | os.PathLike | None,
        modules: Mapping[str, str] | None = None,
        head: bool | str = False,
        allow_missing: Sequence[str] = (),
        allow_differences: Sequence[str] = (),
        trust: Sequence[str] = (),
        required: bool = True,
        ckpt_path: str | os.PathLike | None = None,
    ):
        if path is None and required:
            raise InputError(
                "pretrained.path is not set; give pretrained.path=RUN/best_model, or leave the"
                " pretrained group out to train from scratch."
            )
        self.path = path
        self.modules = dict(modules or {"representation": "representation"})
        self.head = head
        self.allow_missing = tuple(allow_missing)
        self.allow_differences = tuple(allow_differences)
        self.trust = (trust,) if isinstance(trust, str) else tuple(trust)
        self.ckpt_path = ckpt_path
        self.transfer: Transfer | None = None
        self.resumes = ckpt_path is not None
        #: module from which the energy head was loaded, in words; None for a new head
        self.head_source: str | None = None
        self._message: str | None = None

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Load the weights, on every rank, unless the run resumes."""
        if stage != "fit":
            return
        if self.ckpt_path is not None:
            self._message = f"Resuming from {self.ckpt_path}: no pre-trained weights are loaded."
        elif self.path is None:
            self._message = "Training from scratch: no pretrained.path is given."
        else:
            checkpoint = load(self.path, self.trust)
            _check_units(checkpoint, getattr(trainer, "datamodule", None), bool(self.head))
            head = self._head(checkpoint, pl_module.model)
            self.head_source = next((f"{h} of {checkpoint.path}" for h in head.values()), None)
            self.transfer = transfer(
                checkpoint,
                pl_module.model,
                self.modules | head,
                self.allow_missing,
                self.allow_differences,
            )
            self.transfer.head = next(iter(head.values()), None)
            card = Card.from_model(checkpoint.module, checkpoint.path)
            known = {} if card is None else card.elements
            present = getattr(trainer.datamodule, "train_elements", ()) if known else ()
            symbols = [element_symbol(z) for z in present]
            self.transfer.unseen = [symbol for symbol in symbols if symbol not in known]
            self._message = report(self.transfer)

    def weights_from(self) -> str | None:
        """Return the source of the run's weights; None for random ones."""
        return self.ckpt_path or self.path

    def head_from(self) -> str | None:
        """Return the source of the energy head; None for a new one."""
        return "that of the resumed run" if self.resumes else self.head_source

    def _head(self, checkpoint: Checkpoint, model: nn.Module) -> dict[str, str]:
        """Return the output module to load and its source in the file; empty for a new head."""
        if not self.head:
            return {}
        if isinstance(self.head, str):
            return {"output_modules.0": self._named_head(checkpoint, self.head)}
        shapes = {name: t.shape for name, t in model.output_modules[0].state_dict().items()}
        names = sorted({key.split(".")[0] for key in checkpoint.tensors("output_modules")})
        fitting = [
            f"output_modules.{name}"
            for name in names
            if {k: t.shape for k, t in checkpoint.tensors(f"output_modules.{name}").items()}
            == shapes
        ]
        if not fitting:
            raise InputError(
                f"pretrained.head=true finds no head in {checkpoint.path} that fits the energy of "
                "this model; leave pretrained.head out, or pre-train with "
                "pretext=[mask,noise_gradient,contrast] or pretext=[labels]."
            )
        if len(fitting) != 1:
            raise InputError(
                f"pretrained.head=true finds {len(fitting)} output modules in {checkpoint.path} "
                f"that fit the first one of this model ({', '.join(fitting)}); name one, such as "
                f"pretrained.head={fitting[0]}, or leave pretrained.head out."
            )
        return {"output_modules.0": fitting[0]}

    def _named_head(self, checkpoint: Checkpoint, name: str) -> str:
        """Return the module of the file that has this name, or whose output has it."""
        if name.startswith("output_modules."):
            return name
        heads: dict[str, str] = {}
        for index, module in enumerate(getattr(checkpoint.module, "output_modules", ())):
            outputs = [getattr(module, "output_key", None), *getattr(module, "model_outputs", [])]
            # Modules such as Forces have no weights.
            if any(True for _ in module.parameters()):
                heads |= {key: f"output_modules.{index}" for key in outputs if key is not None}
        if name not in heads:
            there = ", ".join(heads) or "none, since the file holds weights without a model"
            raise InputError(
                f"pretrained.head={name} is no output with a head in {checkpoint.path} (there are: "
                f"{there}); name one of them, or a module such as output_modules.0."
            )
        return heads[name]

    def on_load_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict
    ) -> None:
        """Report that the weights of the restored checkpoint replace the loaded ones."""
        # Testing restores a checkpoint too.
        if trainer.training and self.transfer is not None:
            self.transfer = None
            self.resumes = True
            self._message = (
                f"Resuming: the weights of the run's checkpoint replace those of {self.path}."
            )

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Print the report, when it is certain whether the run resumes."""
        if self._message is not None:
            _print(self._message)
            self._message = None


def _check_units(checkpoint: Checkpoint, datamodule, head: bool) -> None:
    """Refuse weights that were trained in other units than those of this run."""
    if datamodule is None:
        return
    data = getattr(datamodule, "dataset", None)
    check_distance_unit(
        checkpoint, datamodule.distance_unit or getattr(data, "distance_unit", None)
    )
    card = Card.from_model(checkpoint.module, checkpoint.path)
    units = dict(datamodule.property_units or {})
    for name in units.keys() & (card.units if card and head else {}).keys():
        if units[name] != card.units[name] and convert_units(card.units[name], units[name]) != 1.0:
            raise InputError(
                f"property_units.{name}={units[name]} is not the unit of the head in "
                f"{checkpoint.path}, which is in {card.units[name]}; train in "
                f"{card.units[name]}, or leave pretrained.head out."
            )


@rank_zero_only
def _print(message: str) -> None:
    print(message, flush=True)
