r"""Choose configurations to label.

`random_rows` is the method of the paper ("randomly selected configurations", GPIP, section 4.1).
`farthest_rows` spreads the choice over the space of a descriptor :math:`x` instead: each step takes
the configuration that is farthest from all configurations taken before,

.. math:: k_{m+1} = \arg\max_k \min_{j \le m} \lVert x_k - x_{k_j} \rVert ,

which covers the space with a radius at most twice the smallest possible one (Gonzalez, Theor.
Comput. Sci. 38, 293 (1985)). Rare configurations are therefore overrepresented.
"""

import sys
from typing import TYPE_CHECKING, Final

import numpy as np
from tqdm import tqdm

from gpip_plugins.errors import InputError, check_choice, check_whole

if TYPE_CHECKING:
    from gpip_plugins.labels.selection.pool import Pool

__all__ = ["METHODS", "choose", "farthest_rows", "random_rows"]


def choose(
    pool: "Pool", n: int, method: str, seed: int, n_considered: int, progress: bool = True
) -> list[int]:
    """Return the rows that are chosen from a pool.

    Args:
        pool: configurations to choose from.
        n: number of rows.
        method: one of `METHODS`.
        seed: seed of the choice.
        n_considered: largest number of configurations, drawn at random, for farthest-point
            sampling.
        progress: show progress bars (only on a terminal).

    Raises:
        InputError: when the pool has fewer configurations, for an unknown method, or when the
            packages for SOAP are missing.
    """
    check_choice("method", method, METHODS)
    check_whole("seed", seed, least=0)
    return METHODS[method](pool, n, seed, n_considered, progress).tolist()


def _random(pool: "Pool", n: int, seed: int, n_considered: int, progress: bool) -> np.ndarray:
    return random_rows(len(pool), n, seed)


def _farthest(pool: "Pool", n: int, seed: int, n_considered: int, progress: bool) -> np.ndarray:
    """Choose in the space of SOAP, averaged over the atoms of a configuration."""
    from gpip_plugins.analysis.soap import Descriptor, require_analysis

    require_analysis("method=farthest")
    if n > n_considered:
        raise InputError(f"n={n} is more than n_considered={n_considered}; raise n_considered.")
    shown = progress and sys.stderr.isatty()
    considered = random_rows(len(pool), min(n_considered, len(pool)), seed)
    frames = [pool[row] for row in tqdm(considered.tolist(), "reading", disable=not shown)]
    species = np.unique(np.concatenate([frame.numbers for frame in frames])).tolist()
    described = Descriptor(species)(frames, n_environments=1, progress=shown)
    return considered[farthest_rows(described.structures, n, seed, shown)]


SAME: Final = 1e-16  # squared distance of unit vectors; rounding of turned copies is smaller

#: A new way to choose is one function of these arguments and one line here.
METHODS: Final = {"random": _random, "farthest": _farthest}


def random_rows(n_total: int, n: int, seed: int = 0) -> np.ndarray:
    """Return `n` different rows at random, in ascending order.

    Args:
        n_total: number of rows to choose from.
        n: number of rows to choose.
        seed: seed of the choice.

    Returns:
        Rows counted from 0, shape (n,).

    Raises:
        InputError: when there are fewer rows.

    Example:
        >>> random_rows(100, 3, seed=1).tolist()
        [46, 50, 75]
    """
    check_whole("n", n, least=1, most=n_total)
    return np.sort(np.random.default_rng(seed).choice(n_total, n, replace=False))


def farthest_rows(
    descriptors: np.ndarray, n: int, seed: int = 0, progress: bool = False
) -> np.ndarray:
    """Return `n` rows by farthest-point sampling, in the order in which they were taken.

    Args:
        descriptors: shape (n_total, n_features).
        n: number of rows.
        seed: seed of the first row, which is taken at random.
        progress: show a progress bar.

    Returns:
        Rows counted from 0, shape (n,).

    Raises:
        InputError: when there are fewer different descriptors.

    Example:
        >>> line = np.array([[0.0], [1.0], [2.0], [10.0]])
        >>> sorted(farthest_rows(line, 2).tolist())
        [0, 3]
    """
    check_whole("n", n, least=1, most=len(descriptors))
    taken = [int(np.random.default_rng(seed).integers(len(descriptors)))]
    nearest = ((descriptors - descriptors[taken[0]]) ** 2).sum(1)
    for _ in tqdm(range(n - 1), desc="choosing", disable=not progress):
        row = int(nearest.argmax())
        if nearest[row] < SAME:
            raise InputError(
                f"n={n} is more than there are different configurations ({len(taken)}); lower it."
            )
        taken.append(row)
        np.minimum(nearest, ((descriptors - descriptors[row]) ** 2).sum(1), out=nearest)
    return np.array(taken)
