"""Findings of a quality report: sentences on what looks wrong."""

import math

from ase.data import atomic_numbers, covalent_radii
from scipy.stats import norm

from gpip_plugins.analysis.coverage import Coverage

__all__ = [
    "MAX_ERRORS",
    "coverage_findings",
    "rare_errors",
    "sampling_findings",
    "system_findings",
    "temperature_findings",
]

MAX_ERRORS = 3.0  # standard errors
N_TRAJECTORIES = 20  # up to this number, one set in twenty exceeds 3 standard errors by chance
MAX_SPREAD = 0.1  # relative; smaller errors of the spread have no consequence
MIN_CONTACT = 0.5  # of the sum of covalent radii; thermal collisions do not come so close
MIN_FILLED = 0.4  # of the cell, see `gpip_plugins.analysis.packing`; liquids have 0.5 to 1.3
MIN_VOLUME = 5.0  # Å^3 an atom; diamond has 5.7, the least of all solids and liquids
MAX_DEPARTURE = 0.5  # Å from the bond's mean length, as in Fu et al., TMLR 2023
MAX_DRIFT = 0.01  # meV/atom/ps
MAX_DROPPED = 0.5
MIN_COVERED = 0.8
MAX_NEVER_SAMPLED = 0.01


def rare_errors(n_trajectories: int) -> float:
    """Return the deviation, in standard errors, that is rare among this number of trajectories.

    Args:
        n_trajectories: number of trajectories of the whole data set.

    Example:
        >>> [round(rare_errors(n), 1) for n in (8, 160, 800)]
        [3.0, 3.6, 4.0]
    """
    share = min(1.0, N_TRAJECTORIES / max(1, n_trajectories))
    return float(norm.isf(norm.sf(MAX_ERRORS) * share))


def sampling_findings(systems: dict[str, dict]) -> list[str]:
    """Return the findings of all systems.

    Args:
        systems: name of a system -> its part of the quality report.
    """
    trajectories = [t for entry in systems.values() for t in entry["temperatures"].values()]
    found = []
    if any(entry["temperature"] is None for entry in trajectories):
        found.append(
            "Not all frames have a kinetic_temperature, so some temperatures were not checked; "
            "databases of version 0.1 have none."
        )
    limit = rare_errors(len(trajectories))
    for name, entry in systems.items():
        found += system_findings(name, entry, limit)
    return found


def system_findings(name: str, report: dict, max_errors: float = MAX_ERRORS) -> list[str]:
    """Return the findings of one system.

    Args:
        name: name of the system.
        report: its part of the quality report.
        max_errors: number of standard errors up to which deviations of mean temperatures, their
            spread and the halves of the energy are attributed to chance, see `rare_errors`.
    """
    found = []
    for temperature, entry in report["temperatures"].items():
        where = f"{name} at {temperature} K"
        found += temperature_findings(where, entry["temperature"], max_errors)
        halves = entry["energy"]["halves_in_errors"]
        if abs(halves) > max_errors:
            found.append(
                f"{where}: the mean energies of the first and second half differ by "
                f"{abs(halves):.1f} standard errors; equilibrate longer, or sample more replicas."
            )
    found += _cell_findings(name, report["cell"])
    found += _geometry_findings(name, report)
    found += _duplicate_findings(name, report)
    drift, error = report["nve_drift"], report["nve_drift_error"] or 0.0
    if drift is not None and abs(drift) > max(MAX_DRIFT, MAX_ERRORS * error):
        found.append(
            f"{name}: without a thermostat the energy drifts by {drift:.3g} meV/atom/ps, more than "
            f"{MAX_DRIFT:g}; choose a smaller time_step."
        )
    return found


def _cell_findings(name: str, cell: dict | None) -> list[str]:
    """Return the findings on a cell whose density cannot be that of a liquid or a solid."""
    if cell is None:
        return []
    size = (
        f"{name}: the cell has {cell['density']:.3g} g/cm^3 and {cell['volume_per_atom']:.3g} Å^3 "
        "an atom"
    )
    if cell["volume_per_atom"] < MIN_VOLUME:
        return [f"{size}, too dense for any liquid or solid; give a larger cell."]
    if cell["filled"] < MIN_FILLED:
        return [
            f"{size}, and its atoms fill {cell['filled']:.0%} of it (liquids: 50 % to 130 %); give "
            "a smaller cell, unless a gas or a surface is meant."
        ]
    return []


def _geometry_findings(name: str, report: dict) -> list[str]:
    """Return the findings on contacts and bonds."""
    found = []
    for pair, distance in report["shortest_distances"].items():
        contact = sum(covalent_radii[atomic_numbers[element]] for element in pair.split("-"))
        if distance < MIN_CONTACT * contact:
            found.append(
                f"{name}: {pair} came as close as {distance:.2f} Å, {distance / contact:.2f} times "
                "the sum of covalent radii; the atoms overlap."
            )
    if report["largest_departure"] > MAX_DEPARTURE:
        found.append(
            f"{name}: a bond departed by {report['largest_departure']:.2f} Å from its mean length; "
            "look for broken bonds, and for atoms that are bonded only in the first frame."
        )
    return found


def _duplicate_findings(name: str, report: dict) -> list[str]:
    """Return the findings on near-duplicates in the database and on those left out."""
    found = []
    duplicates = report["near_duplicates"]
    if duplicates["count"]:
        found.append(
            f"{name}: {duplicates['count']} of {duplicates['n_frames']} frames differ by less than "
            f"{duplicates['tolerance']:g} Å from an earlier one; lengthen sampling_interval."
        )
    if dropped := duplicates["dropped"]:
        share = dropped / (dropped + report["n_frames"])
        found.append(
            f"{name}: {dropped} near-duplicates ({share:.0%} of the frames) were left out, so that "
            "means and spreads are not those of the thermostat"
            + ("; lower min_difference." if share > MAX_DROPPED else ".")
        )
    return found


def temperature_findings(where: str, check: dict | None, max_errors: float) -> list[str]:
    """Return the findings on the kinetic temperature of one trajectory.

    Args:
        where: system and temperature, the beginning of the sentence.
        check: its figures; None if the database has no kinetic temperatures.
        max_errors: number of standard errors up to which deviations of mean and spread are
            attributed to chance.
    """
    if check is None:
        return []
    if check["reached"] is None:
        return [
            f"{where}: only {check['n_independent']:.0f} frames are independent, too few to check "
            "the temperature."
        ]
    found = []
    if abs(check["deviation_in_errors"]) > max_errors:
        found.append(
            f"{where}: the mean temperature is {check['mean']:.1f} +- "
            f"{check['standard_error']:.1f} K, {abs(check['deviation_in_errors']):.1f} standard "
            "errors off."
        )
    # The scatter of a variance is symmetric in its logarithm, not in its value.
    ratio = check["spread_ratio"]
    excess = math.log(ratio) if ratio > 1.0 else 1.0 - ratio
    error = check["spread_ratio_error"]
    if not math.isnan(error) and excess > max(MAX_SPREAD, max_errors * error):
        found.append(
            f"{where}: the variance of the temperature is {check['spread_ratio']:.2f} times the "
            "canonical one; thermostat or degrees of freedom are wrong."
        )
    return found


def coverage_findings(coverage: Coverage, rows: list[int]) -> list[str]:
    """Return the findings on the coverage of a labelled set.

    Args:
        coverage: the comparison.
        rows: number of each compared labelled frame in its file, shape (n_labelled,).
    """
    found = []
    for element, frames in coverage.missing.items():
        found.append(
            f"{element} is in {len(frames)} of {len(rows)} labelled frames, but was never sampled; "
            "sample a system that contains it."
        )
    covered = coverage.frames.covered
    if covered < MIN_COVERED:
        found.append(
            f"{covered:.0%} of the labelled frames are covered by sampled ones; widen the "
            "temperatures or sample more."
        )
    for element, neighbours in coverage.environments.items():
        outside = neighbours.never_sampled
        fraction = len(outside) / len(neighbours.labelled)
        if fraction > MAX_NEVER_SAMPLED:
            frame, atom = coverage.labelled.owners[atomic_numbers[element]][outside[0]]
            found.append(
                f"{fraction:.1%} of the labelled environments of {element} were never sampled; the "
                f"furthest is atom {atom} of labelled frame {rows[frame]} (counted from 0)."
            )
    return found
