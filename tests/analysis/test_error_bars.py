"""Error bars of series with known correlation."""

import math

import numpy as np
import pytest
from scipy.signal import lfilter

from gpip_plugins.analysis.error_bars import (
    halves_in_errors,
    standard_error,
    statistical_inefficiency,
)


def autoregressive(phi, shape, seed=0):
    """x_t = phi x_(t-1) + noise with variance 1, for which g = (1 + phi) / (1 - phi)."""
    noise = np.random.default_rng(seed).normal(size=shape) * np.sqrt(1 - phi**2)
    noise[..., 0] /= np.sqrt(1 - phi**2)
    return lfilter([1.0], [1.0, -phi], noise)


@pytest.mark.parametrize("phi", [0.0, 0.5, 0.9])
def test_inefficiency_of_an_autoregressive_series(phi):
    found = statistical_inefficiency(autoregressive(phi, 200_000))
    assert found == pytest.approx((1 + phi) / (1 - phi), rel=0.08)


@pytest.mark.parametrize("phi", [0.0, 0.8])
def test_standard_error_of_an_autoregressive_series(phi):
    n = 3000
    lags = np.arange(1, n)
    exact = np.sqrt((1 + 2 * ((1 - lags / n) * phi**lags).sum()) / n)
    series = autoregressive(phi, (400, n))
    assert series.mean(axis=1).std() == pytest.approx(exact, rel=0.1)
    errors = np.array([standard_error(one) for one in series])
    assert errors[:, 0].mean() == pytest.approx(exact, rel=0.04)
    assert errors[:, 1].mean() == pytest.approx(1 / exact**2, rel=0.15)


def test_no_error_bar_from_too_few_independent_frames():
    assert math.isnan(standard_error(np.random.default_rng(0).normal(size=9))[0])
    assert math.isnan(standard_error(np.linspace(0.0, 1.0, 100))[0])


def test_a_constant_series_has_no_error():
    constant = np.full(50, 0.1)
    assert statistical_inefficiency(constant) == 1.0
    assert standard_error(constant)[0] == pytest.approx(0.0, abs=1e-12)
    assert math.isnan(halves_in_errors(np.zeros(50)))


def test_halves_of_a_drifting_series_differ():
    noise = autoregressive(0.5, 2000, seed=5)
    assert abs(halves_in_errors(noise)) < 3
    assert halves_in_errors(noise + np.linspace(0.0, 1.0, 2000)) > 3
    assert halves_in_errors(noise - np.linspace(0.0, 1.0, 2000)) < -3


def test_halves_of_stationary_series_differ_by_about_one_error():
    rng = np.random.default_rng(4)
    halves = [halves_in_errors(series) for series in rng.normal(size=(500, 60))]
    assert np.nanstd(halves) == pytest.approx(0.9, abs=0.15)  # less than 1: errors are widened
    assert np.nanmean(np.abs(halves) > 3) < 0.01
