"""Checks that the embedding has a row for every element of the data, and one for [MASK]."""

from collections.abc import Iterable

import torch
from ase.data import chemical_symbols
from pytorch_lightning import Callback, LightningModule, Trainer
from torch import nn

from gpip_plugins.errors import InputError
from gpip_plugins.transform import MaskAtoms

__all__ = ["CheckEmbedding", "has_row", "row_trains"]


def has_row(embedding: nn.Module, row: int) -> bool:
    """Tell whether an embedding can look up a row.

    Args:
        embedding: maps atomic numbers, shape (n_atoms,), to features, shape (n_atoms, n).
        row: atomic number, or the token that stands for [MASK].

    Example:
        >>> has_row(nn.Embedding(100, 8), 99), has_row(nn.Embedding(100, 8), 100)
        (True, False)
    """
    return row >= 0 and _look_up(embedding, row) is not None


def row_trains(embedding: nn.Module, row: int) -> bool:
    """Tell whether training can change a row: whether a gradient reaches any parameter from it.

    Args:
        embedding: as for `has_row`.
        row: a row that exists.

    Example:
        >>> row_trains(nn.Embedding(100, 8), 0), row_trains(nn.Embedding(100, 8, padding_idx=0), 0)
        (True, False)
    """
    features = _look_up(embedding, row)
    parameters = [p for p in embedding.parameters() if p.requires_grad]
    if features is None or not features.requires_grad or not parameters:
        return False
    # Unequal weights: a plain sum is constant for features that are normalised.
    weights = torch.linspace(0.5, 1.5, features.numel()).to(features).view_as(features)
    gradients = torch.autograd.grad((weights * features).sum(), parameters, allow_unused=True)
    return any(gradient is not None and bool(gradient.any()) for gradient in gradients)


def _look_up(embedding: nn.Module, row: int) -> torch.Tensor | None:
    """Return the features of a row, or None if there is no such row."""
    state = dict(embedding.named_parameters()) | dict(embedding.named_buffers())
    device = next((tensor.device for tensor in state.values()), torch.device("cpu"))
    try:
        with torch.enable_grad():
            # SchNetPack's NuclearEmbedding keeps what it computed last as a buffer; called in this
            # way it gets its own tensors back and can be copied and saved afterwards.
            return torch.func.functional_call(
                embedding, state, (torch.tensor([row], device=device),)
            )
    except IndexError:
        return None


class CheckEmbedding(Callback):
    """Refuses a run whose representation cannot embed an element of the data, or [MASK].

    The check is made in `setup`: the data module has read its data by then, and no work is lost.
    It looks at `model.representation.embedding`, whatever module that is (`nn.Embedding`,
    SchNetPack's `NuclearEmbedding`, one of your own); a representation that keeps no module under
    this name is not checked. Elements are known from data modules that tell them as `elements`, as
    `gpip_plugins.data.GpipDataModule` does. If atoms are masked (`gpip_plugins.transform.MaskAtoms`
    among the training transforms), the row of `mask_token` must exist, train, and belong to no
    element of the data. FieldSchNet's row 0 never trains (`padding_idx`).

    Raises:
        InputError: in `setup`, if one of these does not hold.

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
        for transform in getattr(trainer.datamodule, "train_transforms", None) or []:
            if isinstance(transform, MaskAtoms) and transform.mask_rate > 0.0:
                _check_token(embedding, transform.mask_token, elements)


def _check_elements(embedding: nn.Module, elements: Iterable[int]) -> None:
    lacking = [z for z in elements if not has_row(embedding, z)]
    if lacking:
        names = ", ".join(f"{_symbol(z)} (Z = {z})" for z in lacking)
        raise InputError(
            f"The data hold {names}, for which the embedding of the representation has no row; "
            "use an embedding with more rows (model.representation.nuclear_embedding) or leave "
            "these configurations out."
        )


def _check_token(embedding: nn.Module, token: int, elements: list[int]) -> None:
    if not has_row(embedding, token):
        problem = "is no row of the representation's embedding"
    elif token in elements:
        problem = f"is {_symbol(token)}, an element of the data"
    elif not row_trains(embedding, token):
        problem = "is a row of the representation's embedding that never trains"
    else:
        return
    candidates = [0, *range(150, 0, -1)]
    free = next((z for z in candidates if z not in elements and row_trains(embedding, z)), None)
    remedy = (
        f"set globals.mask_token={free}"
        if free is not None
        else "unfreeze the embedding or use one with more rows"
    )
    raise InputError(f"mask_token={token} {problem}, so it cannot stand for [MASK]; {remedy}.")


def _symbol(z: int) -> str:
    return chemical_symbols[z] if 0 < z < len(chemical_symbols) else "?"
