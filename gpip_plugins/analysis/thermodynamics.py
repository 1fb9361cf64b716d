r"""Temperatures and energies of a trajectory, with error bars that know of its memory.

The standard error of the mean of correlated values is that of :math:`N/g` independent ones,

.. math:: \Delta = \sqrt{\frac{s^2\, g}{N}}, \qquad
          g = 1 + 2 \sum_{t=1}^{W} \rho(t),

with the autocorrelation :math:`\rho` summed up to the first window :math:`W \ge 5 g/2`
(Madras and Sokal, J. Stat. Phys. 50, 109 (1988)).
"""

import math

import numpy as np
from scipy import stats

__all__ = ["check_energy", "check_temperature", "standard_error", "statistical_inefficiency"]

WINDOW = 5.0  # windows per correlation time, as Sokal advises
MIN_INDEPENDENT = 10  # below this an error bar is a guess, and none is given
MAX_DEVIATION = 3.0  # standard errors


def statistical_inefficiency(series: np.ndarray) -> float:
    """Return how many frames count as one independent frame; at least 1.

    Args:
        series: values in the order of time, shape (n_frames,).

    Returns:
        `g` above; 1 for a constant series.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> 1.0 <= statistical_inefficiency(rng.normal(size=10000)) < 1.1
        True
    """
    n = len(series)
    deviation = series - series.mean()
    power = np.abs(np.fft.rfft(deviation, 2 * n)) ** 2  # padded: no wrap-around
    covariance = np.fft.irfft(power)[:n] / np.arange(n, 0, -1)
    # Of a constant series only rounding is left.
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


def check_temperature(kinetic: np.ndarray, target: float, degrees_of_freedom: int) -> dict:
    r"""Hold the kinetic temperatures of one trajectory against its thermostat.

    The mean has to be the thermostat's temperature T. In the canonical ensemble the spread is known
    too, :math:`\sigma^2 = 2 T^2 / f` with f degrees of freedom; a thermostat that only scales
    velocities falls below it, and miscounted degrees of freedom shift both.

    Args:
        kinetic: instantaneous temperatures in K, shape (n_frames,).
        target: the thermostat's temperature in K.
        degrees_of_freedom: those that the kinetic energy was divided by.

    The variance of a few dozens of frames scatters by a third of itself. So the standard errors of
    mean and spread are never taken smaller than those of canonical values of the same number,
    :math:`\\sqrt{2 T^2 / (f n)}` and :math:`\\sqrt{(2 + 12/f) / n}` (relative).

    Returns:
        `mean`, `standard_error` (K), `n_independent`, `deviation_in_errors`, `reached` (within 3
        standard errors; None when fewer than ten frames are independent), `spread_ratio` (variance
        over the canonical one) and its `spread_ratio_error`.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> check_temperature(300 / 9 * rng.chisquare(9, 2000), 300.0, 9)["reached"]
        True
    """
    error, n_independent = standard_error(kinetic)
    canonical = 2.0 * target**2 / degrees_of_freedom
    mean = float(kinetic.mean())
    squares = (kinetic - mean) ** 2
    spread_error, n_squares = standard_error(squares)
    if not math.isnan(error):
        error = max(error, math.sqrt(canonical / n_independent))
    if not math.isnan(spread_error):
        least = math.sqrt((2.0 + 12.0 / degrees_of_freedom) / n_squares)
        spread_error = max(spread_error / canonical, least)
    deviation = (mean - target) / error
    return {
        "set": target,
        "mean": mean,
        "standard_error": error,
        "n_independent": n_independent,
        "deviation_in_errors": deviation,
        "reached": None if math.isnan(deviation) else abs(deviation) <= MAX_DEVIATION,
        "degrees_of_freedom": degrees_of_freedom,
        "spread_ratio": float(squares.mean()) / canonical,
        "spread_ratio_error": spread_error,
    }


def check_energy(energy: np.ndarray) -> dict:
    """Return mean and spread of the potential energy, and whether its halves agree.

    Args:
        energy: eV, in the order of time, shape (n_frames,).

    Returns:
        `mean`, `standard_error`, `standard_deviation` (eV), `n_independent`, and
        `halves_in_errors`: the mean of the second half minus that of the first, over its standard
        error; beyond 3 the trajectory was not equilibrated. With few independent frames the error
        is enlarged, as in Student's test, so that 3 is as rare as with many.
    """
    error, n_independent = standard_error(energy)
    first, second = energy[: len(energy) // 2], energy[len(energy) // 2 :]
    errors = [standard_error(half)[0] for half in (first, second)]
    return {
        "mean": float(energy.mean()),
        "standard_error": error,
        "standard_deviation": float(energy.std()),
        "n_independent": n_independent,
        "halves_in_errors": float(second.mean() - first.mean())
        / (math.hypot(*errors) * _student(n_independent - 2.0))
        if min(errors) > 0
        else math.nan,
    }


def _student(degrees_of_freedom: float) -> float:
    """Return by how much 3 standard errors are widened when the error itself is uncertain."""
    rare = stats.norm.sf(MAX_DEVIATION)
    return float(stats.t.isf(rare, degrees_of_freedom)) / MAX_DEVIATION
