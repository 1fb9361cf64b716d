"""Pairs of atoms for a layer of attention."""

from typing import NamedTuple

import torch

__all__ = ["Pairs", "neighbors_of"]


class Pairs(NamedTuple):
    """Pairs of a centre i and a neighbour j; the last n_atoms pairs are each atom with itself.

    Args:
        idx_i: centres, shape (n_pairs,).
        idx_j: neighbours, shape (n_pairs,).
        radial: radial functions of the distance, shape (n_pairs, n_rbf).
        phi: cutoff function of the distance, shape (n_pairs, 1).
        envelope: factor of the vectors of the messages, shape (n_pairs, 1).
        direction: unit vectors from centre to neighbour, zero for an atom with itself, multiplied
            by the envelope; shape (n_pairs, 3).
    """

    idx_i: torch.Tensor
    idx_j: torch.Tensor
    radial: torch.Tensor
    phi: torch.Tensor
    envelope: torch.Tensor
    direction: torch.Tensor


def neighbors_of(pairs: Pairs, n_atoms: int) -> Pairs:
    """Return the pairs without those of an atom with itself.

    Args:
        pairs: all pairs.
        n_atoms: number of atoms.
    """
    n = pairs.idx_i.shape[0] - n_atoms
    return Pairs(
        pairs.idx_i[:n],
        pairs.idx_j[:n],
        pairs.radial[:n],
        pairs.phi[:n],
        pairs.envelope[:n],
        pairs.direction[:n],
    )
