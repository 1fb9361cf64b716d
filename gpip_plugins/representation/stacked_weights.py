"""The weights of all layers as one tensor, so that a GPU has few operations to start."""

import torch
from torch import nn

__all__ = ["StackedWeights"]


class StackedWeights(nn.Module):
    """Gathers the weights of linear maps that layers own, in the order of their use.

    A small batch on a GPU takes as long as there are operations to start, whatever their size, and
    each is followed by several in the gradient and in the gradient of the forces.

    Args:
        blocks: by layer the wanted rows of its maps, in blocks of one size.
        n_rows: by layer the number of rows of its maps.

    Example:
        >>> wanted = [[torch.tensor([1])], [torch.tensor([0]), torch.tensor([1])]]
        >>> stacked = StackedWeights(wanted, n_rows=[2, 2])
        >>> one, two = torch.tensor([[1.0], [2.0]]), torch.tensor([[3.0], [4.0]])
        >>> weight, bias = stacked([one, two], [one[:, 0], two[:, 0]])
        >>> weight.flatten(), stacked.n_blocks
        (tensor([2., 3., 4.]), [1, 2])
    """

    def __init__(self, blocks: list[list[torch.Tensor]], n_rows: list[int]):
        super().__init__()
        starts = torch.tensor([0, *n_rows[:-1]]).cumsum(0).tolist()
        moved = [start + rows for start, own in zip(starts, blocks, strict=True) for rows in own]
        #: number of blocks of every layer, and of rows in a block
        self.n_blocks = [len(own) for own in blocks]
        self.size = len(moved[0]) if moved else 0
        order = torch.cat(moved) if moved else torch.zeros(0, dtype=torch.long)
        self.register_buffer("order", order, persistent=False)

    def forward(
        self, weights: list[torch.Tensor], biases: list[torch.Tensor]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return weights, shape (n_blocks, size, n_in), and biases, shape (n_blocks, size).

        Args:
            weights: of the maps of all layers, each of shape (.., n_in).
            biases: of the same.
        """
        weight = torch.cat(weights).index_select(0, self.order)
        bias = torch.cat(biases).index_select(0, self.order)
        return weight.unflatten(0, [-1, self.size]), bias.unflatten(0, [-1, self.size])
