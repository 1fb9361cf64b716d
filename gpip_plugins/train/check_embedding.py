"""Checks that the embedding has a row for every element of the data, and one for [MASK]."""

from collections.abc import Iterable

from pytorch_lightning import Callback, LightningDataModule, LightningModule, Trainer
from pytorch_lightning.utilities import rank_zero_only
from torch import nn

from gpip_plugins.errors import InputError
from gpip_plugins.nn.embedding import element_symbol, elements_without_row, has_row, row_trains
from gpip_plugins.transform import MaskAtoms

__all__ = ["CheckEmbedding"]


class CheckEmbedding(Callback):
    """Refuses a run whose representation cannot embed an element of the data, or [MASK].

    The check is made in `setup`, when the data module has read its data and before any long work.
    It uses `model.representation.embedding`, of any class (`nn.Embedding`, SchNetPack's
    `NuclearEmbedding`, your own); a representation without a module of this name is not checked.
    The elements are the attribute `elements` of the data module, as in
    `gpip_plugins.data.GpipDataModule`. If atoms are masked (`gpip_plugins.transform.MaskAtoms`
    among the training transforms), the row of `mask_token` must exist, be trained, and belong to
    no element of the data. FieldSchNet's row 0 is never trained (`padding_idx`). Elements of
    which there is no training configuration are printed.

    Raises:
        InputError: in `setup`, if one of these conditions does not hold.

    Example:
        >>> from pytorch_lightning import Trainer
        >>> trainer = Trainer(callbacks=[CheckEmbedding()], logger=False, accelerator="cpu")
    """

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Check the embedding before a fit."""
        representation = getattr(pl_module.model, "representation", None)
        embedding = getattr(representation, "embedding", None)
        if stage != "fit" or not isinstance(embedding, nn.Module):
            return
        elements = sorted(getattr(trainer.datamodule, "elements", None) or [])
        _check_elements(embedding, elements)
        _tell_untrained(trainer.datamodule)
        for transform in getattr(trainer.datamodule, "train_transforms", None) or []:
            if isinstance(transform, MaskAtoms) and transform.mask_rate > 0.0:
                _check_token(embedding, transform.mask_token, elements)


def _check_elements(embedding: nn.Module, elements: Iterable[int]) -> None:
    lacking = elements_without_row(embedding, elements)
    if lacking:
        names = ", ".join(f"{element_symbol(z)} (Z = {z})" for z in lacking)
        raise InputError(
            f"The data contain {names}, for which the embedding of the representation has no row; "
            "use an embedding with more rows (nuclear_embedding of the representation) or leave "
            "these configurations out."
        )


@rank_zero_only
def _tell_untrained(datamodule: LightningDataModule | None) -> None:
    """Name the elements of validation and test configurations that no training one has."""
    sets = [getattr(datamodule, name, None) for name in ("val_dataset", "test_dataset")]
    tested = {z for dataset in sets for z in getattr(dataset, "elements", ())}
    untrained = sorted(tested - set(getattr(datamodule, "train_elements", None) or tested))
    if untrained:
        names = ", ".join(map(element_symbol, untrained))
        print(
            f"The validation and test configurations contain {names}, which no training "
            "configuration has: its embedding stays random, so their errors say nothing about the "
            "model; split the data otherwise (split_file).",
            flush=True,
        )


def _check_token(embedding: nn.Module, token: int, elements: list[int]) -> None:
    if not has_row(embedding, token):
        problem = "is no row of the representation's embedding"
    elif token in elements:
        problem = f"is {element_symbol(token)}, an element of the data"
    elif not row_trains(embedding, token):
        problem = "is a row of the representation's embedding that is never trained"
    else:
        return
    candidates = [0, *range(150, 0, -1)]
    free = next((z for z in candidates if z not in elements and row_trains(embedding, z)), None)
    remedy = (
        f"set mask_token={free}"
        if free is not None
        else "unfreeze the embedding or use one with more rows"
    )
    raise InputError(f"mask_token={token} {problem}, so it cannot stand for [MASK]; {remedy}.")
