"""Shares and order of the data sets of a mixture in an epoch."""

from collections.abc import Iterator, Sequence
from typing import Literal, get_args

import torch
from torch.utils.data import Sampler

from gpip_plugins.errors import InputError, check_choice, check_number

__all__ = ["MixtureSampler", "shares"]

Scheme = Literal["size", "even", "temperature"]


def shares(
    sizes: Sequence[int],
    weights: Sequence[float],
    sampling: Scheme = "size",
    temperature: float = 2.0,
) -> torch.Tensor:
    r"""Return the probability of each data set.

    .. math:: p_i = \frac{w_i n_i^{1/T}}{\sum_j w_j n_j^{1/T}}

    Args:
        sizes: configurations in each data set, :math:`n_i`.
        weights: :math:`w_i`, not negative.
        sampling: size (T = 1: every configuration is equally probable), even (T infinite: every
            data set is equally probable), or temperature.
        temperature: T for `temperature`, at least 1; the larger T, the more even the shares.

    Raises:
        InputError: an unknown scheme, T below 1, or weights that sum to zero.

    Example:
        >>> shares([900, 100], [1.0, 1.0])
        tensor([0.9000, 0.1000], dtype=torch.float64)
        >>> shares([900, 100], [1.0, 1.0], "temperature", 2.0)
        tensor([0.7500, 0.2500], dtype=torch.float64)
    """
    check_choice("sampling", sampling, get_args(Scheme))
    if sampling == "temperature":
        temperature = check_number("temperature", temperature, least=1.0, example=2.0)
    exponents = {"size": 1.0, "even": 0.0, "temperature": 1.0 / max(temperature, 1e-9)}
    n, w = (torch.tensor(list(x), dtype=torch.float64) for x in (sizes, weights))
    parts = w * n.pow(exponents[sampling])
    if not parts.sum() > 0.0:
        raise InputError(
            "members have weights that sum to zero, so that nothing would be drawn; give at "
            "least one of them a positive weight."
        )
    return parts / parts.sum()


class MixtureSampler(Sampler[int]):
    """Draws configurations of several data sets in fixed shares, in random order.

    Each data set contributes the same number in every epoch, its share rounded. Within an epoch
    all configurations of a data set are drawn once before any is drawn again, so that a share
    equal to its size is one pass through it; every epoch has a new order.

    Args:
        members: data set of each configuration, shape (n,), numbered from 0.
        probabilities: probability of each data set, shape (n_datasets,).
        epoch_size: configurations in an epoch.
        generator: source of the order; the loader seeds it at the start of an epoch, equally on
            all ranks of a parallel run, which then divide the order among them.

    Example:
        >>> sampler = MixtureSampler(torch.tensor([0, 0, 0, 1]), torch.tensor([0.5, 0.5]), 4,
        ...                          torch.Generator().manual_seed(0))
        >>> drawn = list(sampler)
        >>> drawn.count(3), len(set(drawn))
        (2, 3)
    """

    def __init__(
        self,
        members: torch.Tensor,
        probabilities: torch.Tensor,
        epoch_size: int,
        generator: torch.Generator,
    ):
        self.generator = generator
        self._positions = [torch.nonzero(members == k)[:, 0] for k in range(len(probabilities))]
        exact = probabilities.double() * epoch_size
        self.counts = exact.floor().long()
        # The largest remainders are rounded up, so that the sum is `epoch_size`.
        missing = epoch_size - int(self.counts.sum())
        order = torch.argsort(exact - self.counts, descending=True, stable=True)
        self.counts[order[:missing]] += 1

    def __len__(self) -> int:
        """Return the number of configurations in an epoch."""
        return int(self.counts.sum())

    def __iter__(self) -> Iterator[int]:
        """Yield the indices of the configurations of one epoch."""
        drawn = []
        for positions, count in zip(self._positions, self.counts.tolist(), strict=True):
            for start in range(0, count, max(len(positions), 1)):
                order = torch.randperm(len(positions), generator=self.generator)
                drawn.append(positions[order[: count - start]])
        together = torch.cat(drawn)
        yield from together[torch.randperm(len(together), generator=self.generator)].tolist()
