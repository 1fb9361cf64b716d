r"""The kinetic temperature of a canonical trajectory, with error bars.

In the canonical ensemble mean and variance of the kinetic temperature are known: T, and
:math:`\sigma^2 = 2 T^2 / f` with f degrees of freedom. A thermostat that only scales velocities
gives a smaller variance; a wrong number of degrees of freedom shifts both.
"""

import math
from dataclasses import dataclass

import numpy as np

from gpip_plugins.analysis.error_bars import standard_error

__all__ = ["TemperatureStatistics", "temperature_statistics"]


@dataclass(frozen=True)
class TemperatureStatistics:
    """Mean and spread of a kinetic temperature.

    Args:
        mean: K.
        standard_error: of the mean in K; NaN when fewer than ten frames are independent.
        n_independent: number of independent frames.
        spread_ratio: variance over the canonical variance.
        spread_ratio_error: its standard error; NaN when fewer than ten frames are independent.
    """

    mean: float
    standard_error: float
    n_independent: float
    spread_ratio: float
    spread_ratio_error: float


def temperature_statistics(
    kinetic: np.ndarray, target: float, degrees_of_freedom: int
) -> TemperatureStatistics:
    r"""Return mean and spread of the kinetic temperatures of one trajectory.

    The variance of a few dozen frames has a relative uncertainty of about one third. So the
    standard errors of mean and spread are never smaller than those of the same number of
    independent canonical values, :math:`\sqrt{2 T^2 / (f n)}` and :math:`\sqrt{(2 + 12/f) / n}`
    (relative).

    Args:
        kinetic: instantaneous temperatures in K, in the order of time, shape (n_frames,).
        target: the thermostat's temperature T in K.
        degrees_of_freedom: f, the number by which the kinetic energy was divided.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> found = temperature_statistics(300 / 9 * rng.chisquare(9, 2000), 300.0, 9)
        >>> abs(found.mean - 300.0) < 3 * found.standard_error
        True
    """
    canonical = 2.0 * target**2 / degrees_of_freedom
    mean = float(kinetic.mean())
    error, n_independent = standard_error(kinetic)
    if not math.isnan(error):
        error = max(error, math.sqrt(canonical / n_independent))
    squares = (kinetic - mean) ** 2
    spread_error, n_squares = standard_error(squares)
    if not math.isnan(spread_error):
        least = math.sqrt((2.0 + 12.0 / degrees_of_freedom) / n_squares)
        spread_error = max(spread_error / canonical, least)
    ratio = float(squares.mean()) / canonical
    return TemperatureStatistics(mean, error, n_independent, ratio, spread_error)
