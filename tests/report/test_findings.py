"""Findings on faulty data, and no findings on correct data."""

import numpy as np
import pytest

from gpip_plugins.analysis.coverage import compare
from gpip_plugins.report.findings import coverage_findings, rare_errors, temperature_findings
from gpip_plugins.report.system import energy_figures, temperature_figures


def judged(kinetic, target, degrees_of_freedom):
    check = temperature_figures(kinetic, target, degrees_of_freedom)
    return check["reached"], temperature_findings("it", check, max_errors=3.0)


def test_canonical_temperatures_pass():
    kinetic = 500.0 / 27 * np.random.default_rng(1).chisquare(27, 4000)
    assert judged(kinetic, 500.0, 27) == (True, [])


def test_a_wrong_mean_and_a_wrong_spread_are_reported():
    rng = np.random.default_rng(1)
    reached, findings = judged(500.0 / 27 * rng.chisquare(24, 2000), 500.0, 27)
    assert reached is False
    assert findings[0].startswith("it: the mean temperature is 44")
    reached, findings = judged(500.0 * (1 + 0.05 * rng.normal(size=2000)), 500.0, 27)
    assert reached is True
    assert len(findings) == 1 and "the variance of the temperature is 0.03" in findings[0]


def test_too_few_frames_are_not_judged():
    reached, (finding,) = judged(np.full(5, 300.0), 300.0, 9)
    assert reached is None
    assert "only 5 frames are independent, too few to check" in finding


def test_three_standard_errors_hold_nearly_always():
    rng = np.random.default_rng(3)
    kinetic = 300.0 / 57 * rng.chisquare(57, (300, 1000))
    assert np.mean([judged(one, 300.0, 57)[0] for one in kinetic]) > 0.98


def test_short_correct_trajectories_have_no_findings():
    """25 frames each: of 4000 correct trajectories very few exceed the limit by chance."""
    rng = np.random.default_rng(4)
    kinetic = 300.0 / 57 * rng.chisquare(57, (4000, 25))
    limit = rare_errors(4000)
    checks = [temperature_figures(one, 300.0, 57) for one in kinetic]
    checks = [check for check in checks if check["reached"] is not None]
    assert len(checks) > 3000
    assert sum(len(temperature_findings("it", check, limit)) for check in checks) <= 4
    halves = [energy_figures([one])["halves_in_errors"] for one in rng.normal(size=(4000, 25))]
    assert np.nanmean(np.abs(halves) > limit) < 0.004


def test_a_drift_of_all_replicas_is_found():
    """Joined, the halves would be two replicas with the same mean."""
    rng = np.random.default_rng(5)
    drifts = [rng.normal(size=1000) + np.linspace(0.0, 1.0, 1000) for _ in range(2)]
    alone = [energy_figures([one])["halves_in_errors"] for one in drifts]
    both = energy_figures(drifts)
    assert both["halves_in_errors"] == pytest.approx(sum(alone) / np.sqrt(2)) and min(alone) > 3
    errors = [energy_figures([one])["standard_error"] for one in drifts]
    assert both["standard_error"] == pytest.approx(np.hypot(*errors) / 2)
    assert abs(energy_figures([np.concatenate(drifts)])["halves_in_errors"]) < 1


def cover(sampled, labelled, rows):
    return coverage_findings(compare(sampled, labelled, progress=False), rows)


def test_another_molecule_is_not_covered(shaken):
    findings = cover(shaken("CH3CH2OH", 100), shaken("CH3OCH3", 40), list(range(40)))
    assert "0% of the labelled frames are covered" in findings[0]
    assert any("environments of O were never sampled" in sentence for sentence in findings)


def test_an_element_that_was_never_sampled_is_named(shaken):
    labelled = shaken("CH3CH2OH", 5) + shaken("CH3Cl", 3)
    findings = cover(shaken("CH3CH2OH", 30), labelled, list(range(8)))
    assert findings[0].startswith("Cl is in 3 of 8 labelled frames, but was never sampled")


def test_the_furthest_environment_is_named(shaken):
    labelled = shaken("H2O", 20, seed=4)
    labelled[13].positions[2] += (3.0, 0.0, 0.0)  # a hydrogen far out
    findings = cover(shaken("H2O", 100), labelled, [100 + k for k in range(20)])
    assert any("of H were" in s and "atom 2 of labelled frame 113" in s for s in findings)


@pytest.mark.parametrize(("n", "errors"), [(1, 3.0), (20, 3.0), (160, 3.6), (800, 4.0)])
def test_many_trajectories_exceed_three_errors_by_chance(n, errors):
    assert rare_errors(n) == pytest.approx(errors, abs=0.05)
