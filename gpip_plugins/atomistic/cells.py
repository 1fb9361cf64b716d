"""Cells in the form that SchNetPack's stress needs."""

import torch
from schnetpack import properties
from torch import nn

__all__ = ["RightHandedCell"]


class RightHandedCell(nn.Module):
    r"""Input module: the same lattice with a positive volume.

    SchNetPack divides by :math:`a \cdot (b \times c)`, which is negative for left-handed cell
    vectors, so that the stress would have the wrong sign. The vectors -a, -b, -c span the same
    lattice and are right-handed. Pairs and their offsets are known before and do not change.

    Example:
        >>> left = torch.diag(torch.tensor([2.0, 3.0, -4.0]))[None]
        >>> RightHandedCell()({"_cell": left})["_cell"].det()
        tensor([24.])
    """

    def forward(self, inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Replace the cell, shape (n_systems, 3, 3), where it is left-handed."""
        cell = inputs[properties.cell]
        left = torch.linalg.det(cell) < 0.0
        inputs[properties.cell] = torch.where(left[:, None, None], -cell, cell)
        return inputs
