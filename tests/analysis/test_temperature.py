"""Kinetic temperatures of known ensembles."""

import math

import numpy as np
import pytest

from gpip_plugins.analysis.temperature import temperature_statistics


def in_errors(found, target):
    return (found.mean - target) / found.standard_error


def test_canonical_temperatures_have_the_canonical_spread():
    kinetic = 500.0 / 27 * np.random.default_rng(1).chisquare(27, 4000)
    found = temperature_statistics(kinetic, 500.0, 27)
    assert abs(in_errors(found, 500.0)) < 3
    # sigma^2 = 2 T^2 / f over 4000 independent values
    assert found.standard_error == pytest.approx(500.0 * np.sqrt(2 / 27 / 4000), rel=0.1)
    assert abs(found.spread_ratio - 1.0) < 3 * found.spread_ratio_error < 0.15


def test_miscounted_degrees_of_freedom_are_seen():
    # the centre of mass is fixed, but the kinetic energy was divided by all degrees of freedom
    kinetic = 500.0 / 27 * np.random.default_rng(1).chisquare(24, 2000)
    assert in_errors(temperature_statistics(kinetic, 500.0, 27), 500.0) < -3


def test_rescaled_velocities_reach_the_mean_but_not_the_spread():
    rng = np.random.default_rng(2)
    found = temperature_statistics(500.0 * (1 + 0.05 * rng.normal(size=2000)), 500.0, 27)
    assert abs(in_errors(found, 500.0)) < 3
    assert found.spread_ratio + 3 * found.spread_ratio_error < 0.2


def test_errors_of_few_frames_are_at_least_the_canonical_ones():
    kinetic = 300.0 + 1e-3 * np.random.default_rng(3).normal(size=25)
    found = temperature_statistics(kinetic, 300.0, 9)
    assert found.standard_error >= 300.0 * math.sqrt(2 / 9 / 25)
    assert found.spread_ratio_error >= math.sqrt((2 + 12 / 9) / 25)


def test_too_few_frames_have_no_error():
    found = temperature_statistics(np.full(5, 300.0), 300.0, 9)
    assert math.isnan(found.standard_error) and math.isnan(found.spread_ratio_error)
