"""Atomic numbers that an embedding can look up, and rows that training can change."""

from collections.abc import Iterable

import torch
from ase.data import chemical_symbols
from torch import nn

__all__ = ["element_symbol", "elements_without_row", "has_row", "row_trains"]


def has_row(embedding: nn.Module, row: int) -> bool:
    """Return whether an embedding has a row.

    Args:
        embedding: maps atomic numbers, shape (n_atoms,), to features, shape (n_atoms, n).
        row: atomic number, or the token that stands for [MASK].

    Example:
        >>> has_row(nn.Embedding(100, 8), 99), has_row(nn.Embedding(100, 8), 100)
        (True, False)
    """
    return row >= 0 and _look_up(embedding, row) is not None


def elements_without_row(embedding: nn.Module, numbers: Iterable[int]) -> list[int]:
    """Return the atomic numbers for which an embedding has no row, or that are no elements.

    Args:
        embedding: as for `has_row`.
        numbers: atomic numbers; row 0 belongs to no element.

    Example:
        >>> elements_without_row(nn.Embedding(100, 8), [0, 1, 8, 101])
        [0, 101]
    """
    return [z for z in numbers if z < 1 or not has_row(embedding, z)]


def row_trains(embedding: nn.Module, row: int) -> bool:
    """Return whether training can change a row: whether its features have a gradient.

    Args:
        embedding: as for `has_row`.
        row: an existing row.

    Example:
        >>> row_trains(nn.Embedding(100, 8), 0), row_trains(nn.Embedding(100, 8, padding_idx=0), 0)
        (True, False)
    """
    features = _look_up(embedding, row)
    parameters = [p for p in embedding.parameters() if p.requires_grad]
    if features is None or not features.requires_grad or not parameters:
        return False
    # Unequal weights: a plain sum is constant for normalised features.
    weights = torch.linspace(0.5, 1.5, features.numel()).to(features).view_as(features)
    gradients = torch.autograd.grad((weights * features).sum(), parameters, allow_unused=True)
    return any(gradient is not None and bool(gradient.any()) for gradient in gradients)


def element_symbol(z: int) -> str:
    """Return the symbol of an element, for a message.

    Example:
        >>> element_symbol(17), element_symbol(119)
        ('Cl', '?')
    """
    return chemical_symbols[z] if 0 < z < len(chemical_symbols) else "?"


def _look_up(embedding: nn.Module, row: int) -> torch.Tensor | None:
    """Return the features of a row, or None if there is no such row."""
    # On the CPU: on a GPU a missing row makes all further work of the process fail.
    state = dict(embedding.named_parameters()) | dict(embedding.named_buffers())
    try:
        with torch.enable_grad():
            state = {name: tensor.cpu() for name, tensor in state.items()}
            # SchNetPack's NuclearEmbedding keeps its last result as a buffer; called in this way
            # it gets its own tensors back and can be copied and saved afterwards.
            return torch.func.functional_call(embedding, state, (torch.tensor([row]),))
    except IndexError:
        return None
