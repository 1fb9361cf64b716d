r"""Which configurations to label.

`random_rows` is what the paper does ("randomly selected configurations", GPIP, section 4.1).
`farthest_rows` spreads the choice over the space of a descriptor :math:`x` instead: one after the
other the configuration is taken that lies farthest from all taken so far,

.. math:: k_{m+1} = \arg\max_k \min_{j \le m} \lVert x_k - x_{k_j} \rVert ,

which covers the space with a radius at most twice the smallest possible one (Gonzalez, Theor.
Comput. Sci. 38, 293 (1985)). Rare configurations are thereby taken more often than they occur.
"""

import numpy as np
from tqdm import tqdm

from gpip_plugins.errors import InputError

__all__ = ["farthest_rows", "random_rows"]


def random_rows(n_total: int, n: int, seed: int = 0) -> np.ndarray:
    """Return `n` different rows at random, in ascending order.

    Args:
        n_total: rows to choose from.
        n: how many.
        seed: seed of the choice.

    Returns:
        Rows counted from 0, shape (n,).

    Raises:
        InputError: when there are not as many.

    Example:
        >>> random_rows(100, 3, seed=1).tolist()
        [46, 50, 75]
    """
    _check_number(n, n_total)
    return np.sort(np.random.default_rng(seed).choice(n_total, n, replace=False))


def farthest_rows(
    descriptors: np.ndarray, n: int, seed: int = 0, progress: bool = False
) -> np.ndarray:
    """Return `n` rows by farthest-point sampling, in the order in which they were taken.

    Args:
        descriptors: shape (n_total, n_features).
        n: how many.
        seed: seed of the first row, which is taken at random.
        progress: show a progress bar.

    Returns:
        Rows counted from 0, shape (n,).

    Raises:
        InputError: when there are not as many different descriptors.

    Example:
        >>> line = np.array([[0.0], [1.0], [2.0], [10.0]])
        >>> sorted(farthest_rows(line, 2).tolist())
        [0, 3]
    """
    _check_number(n, len(descriptors))
    taken = [int(np.random.default_rng(seed).integers(len(descriptors)))]
    nearest = ((descriptors - descriptors[taken[0]]) ** 2).sum(1)
    for _ in tqdm(range(n - 1), desc="choosing", disable=not progress):
        row = int(nearest.argmax())
        if nearest[row] == 0.0:
            raise InputError(
                f"-n {n} is more than there are different configurations ({len(taken)}); lower it."
            )
        taken.append(row)
        np.minimum(nearest, ((descriptors - descriptors[row]) ** 2).sum(1), out=nearest)
    return np.array(taken)


def _check_number(n: int, n_total: int) -> None:
    if not 1 <= n <= n_total:
        raise InputError(f"-n {n} cannot be chosen from {n_total}; take from 1 to {n_total}.")
