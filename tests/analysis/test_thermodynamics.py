"""Error bars against series whose memory is known."""

import math

import numpy as np
import pytest
from scipy.signal import lfilter

from gpip_plugins.analysis.thermodynamics import (
    check_energy,
    check_temperature,
    standard_error,
    statistical_inefficiency,
)
from gpip_plugins.report.findings import _temperature_findings, rare_errors


def remembering(phi, shape, seed=0):
    """x_t = phi x_(t-1) + noise with variance 1, for which g = (1 + phi) / (1 - phi)."""
    noise = np.random.default_rng(seed).normal(size=shape) * np.sqrt(1 - phi**2)
    noise[..., 0] /= np.sqrt(1 - phi**2)
    return lfilter([1.0], [1.0, -phi], noise)


@pytest.mark.parametrize("phi", [0.0, 0.5, 0.9])
def test_inefficiency_of_an_autoregressive_series(phi):
    found = statistical_inefficiency(remembering(phi, 200_000))
    assert found == pytest.approx((1 + phi) / (1 - phi), rel=0.08)


@pytest.mark.parametrize("phi", [0.0, 0.8])
def test_standard_error_is_the_scatter_of_repeated_means(phi):
    series = remembering(phi, (400, 3000))
    estimated = np.mean([standard_error(one)[0] for one in series])
    assert estimated == pytest.approx(series.mean(axis=1).std(), rel=0.1)


def test_three_standard_errors_hold_nearly_always():
    kinetic = 300.0 + 20.0 * remembering(0.7, (300, 1000), seed=3)
    reached = [check_temperature(one, 300.0, 450)["reached"] for one in kinetic]
    assert np.mean(reached) > 0.98


def test_no_error_bar_from_too_few_independent_frames():
    assert math.isnan(standard_error(np.random.default_rng(0).normal(size=9))[0])
    assert math.isnan(standard_error(np.linspace(0.0, 1.0, 100))[0])
    assert check_temperature(np.full(5, 300.0), 300.0, 9)["reached"] is None


def test_a_constant_series_has_no_error():
    assert statistical_inefficiency(np.full(50, 0.1)) == 1.0
    assert standard_error(np.full(50, 0.1))[0] == pytest.approx(0.0, abs=1e-12)


def test_canonical_temperatures_pass():
    kinetic = 500.0 / 27 * np.random.default_rng(1).chisquare(27, 4000)
    check = check_temperature(kinetic, 500.0, 27)
    assert check["reached"]
    assert abs(check["spread_ratio"] - 1.0) < 3 * check["spread_ratio_error"] < 0.15


def test_miscounted_degrees_of_freedom_are_seen():
    # the centre of mass is fixed, but the kinetic energy was divided by all degrees of freedom
    kinetic = 500.0 / 27 * np.random.default_rng(1).chisquare(24, 2000)
    check = check_temperature(kinetic, 500.0, 27)
    assert not check["reached"]
    assert check["deviation_in_errors"] < -3


def test_rescaled_velocities_reach_the_mean_but_not_the_spread():
    rng = np.random.default_rng(2)
    check = check_temperature(500.0 * (1 + 0.05 * rng.normal(size=2000)), 500.0, 27)
    assert check["reached"]
    assert check["spread_ratio"] + 3 * check["spread_ratio_error"] < 0.2


def test_halves_of_a_drifting_energy_differ():
    noise = remembering(0.5, 2000, seed=5)
    assert abs(check_energy(noise)["halves_in_errors"]) < 3
    assert check_energy(noise + np.linspace(0.0, 1.0, 2000))["halves_in_errors"] > 3
    assert check_energy(noise - np.linspace(0.0, 1.0, 2000))["halves_in_errors"] < -3


def test_short_sound_trajectories_are_not_blamed():
    """25 frames each: of 4000 sound ones chance alone lets some pass the limit, but hardly any."""
    rng = np.random.default_rng(4)
    checks = [check_temperature(300.0 / 57 * rng.chisquare(57, 25), 300.0, 57) for _ in range(4000)]
    limit = rare_errors(4000)
    blamed = [
        finding
        for check in checks
        if check["reached"] is not None
        for finding in _temperature_findings("it", check, limit)
    ]
    assert len(blamed) <= 4
    halves = [check_energy(rng.normal(size=25))["halves_in_errors"] for _ in range(4000)]
    assert np.nanmean(np.abs(halves) > 3) < 0.02
    assert np.nanmean(np.abs(halves) > limit) < 0.004
