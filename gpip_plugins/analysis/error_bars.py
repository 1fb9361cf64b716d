r"""Error bars of the means of correlated series.

The standard error of the mean of correlated values is that of :math:`N/g` independent ones,

.. math:: \Delta = \sqrt{\frac{s^2\, g}{N}}, \qquad
          g = 1 + 2 \sum_{t=1}^{W} \rho(t),

with the autocorrelation :math:`\rho` summed up to the first window :math:`W \ge 5 g/2`
(Madras and Sokal, J. Stat. Phys. 50, 109 (1988)).
"""

import math

import numpy as np
from scipy import stats

__all__ = ["halves_in_errors", "standard_error", "statistical_inefficiency"]

WINDOW = 5.0  # windows per correlation time, as Sokal advises
MIN_INDEPENDENT = 10  # with fewer the error is too uncertain, and none is given
RARE = 3.0  # standard errors; this difference is made equally rare for all series


def statistical_inefficiency(series: np.ndarray) -> float:
    """Return the number of frames that count as one independent frame; at least 1.

    Args:
        series: values in the order of time, shape (n_frames,).

    Returns:
        `g` of this module; 1 for a constant series.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> 1.0 <= statistical_inefficiency(rng.normal(size=10000)) < 1.1
        True
    """
    n = len(series)
    deviation = series - series.mean()
    power = np.abs(np.fft.rfft(deviation, 2 * n)) ** 2  # padded: no wrap-around
    covariance = np.fft.irfft(power)[:n] / np.arange(n, 0, -1)
    # In a constant series only rounding errors remain.
    if covariance[0] <= (1e-12 * np.abs(series).max()) ** 2:
        return 1.0
    inefficiency = 2.0 * np.cumsum(covariance / covariance[0]) - 1.0
    wide_enough = np.arange(n) >= WINDOW * 0.5 * inefficiency
    window = int(wide_enough.argmax()) if wide_enough.any() else n - 1
    return max(1.0, float(inefficiency[window]))


def standard_error(series: np.ndarray) -> tuple[float, float]:
    """Return the standard error of the mean and the number of independent frames.

    Args:
        series: values in the order of time, shape (n_frames,).

    Returns:
        Error, NaN when fewer than ten frames are independent; number of independent frames.

    Example:
        >>> standard_error(np.arange(5.0))[0]
        nan
    """
    n = len(series)
    if n < MIN_INDEPENDENT:
        return math.nan, float(n)
    n_independent = n / statistical_inefficiency(series)
    if n_independent < MIN_INDEPENDENT:
        return math.nan, n_independent
    return float(np.sqrt(series.var() / (n_independent - 1))), n_independent


def halves_in_errors(series: np.ndarray) -> float:
    """Return the mean of the second half minus that of the first, over its standard error.

    Above 3 the series was not stationary. With few independent frames the error is uncertain and is
    enlarged, as in Student's test, so that 3 is as rare as with many frames.

    Args:
        series: values in the order of time, shape (n_frames,).

    Returns:
        The difference in standard errors; NaN if a half has no error.

    Example:
        >>> noise = np.random.default_rng(0).normal(size=1000)
        >>> abs(halves_in_errors(noise)) < 3 < halves_in_errors(noise + np.arange(1000) / 1000)
        True
    """
    first, second = series[: len(series) // 2], series[len(series) // 2 :]
    errors = [standard_error(half)[0] for half in (first, second)]
    if not min(errors) > 0:
        return math.nan
    _, n_independent = standard_error(series)
    widened = float(stats.t.isf(stats.norm.sf(RARE), n_independent - 2.0)) / RARE
    return float(second.mean() - first.mean()) / (math.hypot(*errors) * widened)
