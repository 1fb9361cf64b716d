"""The figures of one sampled system: temperatures, energies, geometry, near-duplicates."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gpip_plugins.analysis.bonds import bonds
from gpip_plugins.analysis.distances import by_elements, pair_distances, shortest_distances
from gpip_plugins.analysis.duplicates import fingerprints, near_duplicates
from gpip_plugins.analysis.error_bars import halves_in_errors, standard_error
from gpip_plugins.analysis.packing import filled_fraction
from gpip_plugins.analysis.rdf import RDF, radial_distribution
from gpip_plugins.analysis.temperature import temperature_statistics
from gpip_plugins.report.findings import MAX_ERRORS
from gpip_plugins.report.sampled import SampledSystem, choose
from gpip_plugins.report.settings import QualitySettings
from gpip_plugins.units import density

__all__ = ["SystemFigures", "energy_figures", "system_figures", "temperature_figures"]

RDF_FRAMES = 200  # at each temperature; the noise of a box of 64 molecules is then below 1 %


@dataclass(frozen=True)
class SystemFigures:
    """Figures of one system.

    Args:
        entry: its part of the report.
        bond_lengths: pair of elements -> lengths in Å, each of shape (n_frames, n_bonds).
        curves: temperature in K -> radial distribution functions; empty for isolated molecules.
    """

    entry: dict[str, Any]
    bond_lengths: dict[str, np.ndarray]
    curves: dict[float, RDF]


def system_figures(
    system: SampledSystem,
    metadata: Mapping[str, Any],
    settings: QualitySettings,
    progress: bool = True,
) -> SystemFigures:
    """Examine one system.

    Args:
        system: its frames.
        metadata: metadata of the database, with the drift of the energy and the frames left out.
        settings: settings of the report.
        progress: show progress bars.
    """
    frames = (system.positions, system.cells, system.pbc)
    lengths, departure = _bond_lengths(system)
    curves = _curves(system, settings.seed) if system.pbc.all() else {}
    duplicates = near_duplicates(fingerprints(*frames, settings.seed), settings.tolerance, progress)
    entry = {
        "formula": system.formula,
        "n_atoms": len(system.numbers),
        "periodic": bool(system.pbc.any()),
        "n_frames": len(system.rows),
        "n_frames_of_geometry": len(system.chosen),
        "temperatures": {f"{t:g}": _thermodynamics(system, t) for t in system.temperatures},
        "cell": _cell(system),
        "shortest_distances": shortest_distances(system.numbers, *frames, progress),
        "bonds": {pair: _extremes(values) for pair, values in lengths.items()},
        "largest_departure": departure,
        "near_duplicates": {
            "count": int(duplicates.sum()),
            "n_frames": len(duplicates),
            "tolerance": settings.tolerance,
            "dropped": metadata.get("near_duplicates_dropped", {}).get(system.name, 0),
            "dropped_up_to": (metadata.get("sampling") or {}).get("min_difference", 0.0),
        },
        "rdf": {
            f"{temperature:g}": {"n_frames": rdf.n_frames, "peaks": _peaks(rdf)}
            for temperature, rdf in curves.items()
        },
        "nve_drift": metadata.get("nve_drift", {}).get(system.name),
        "nve_drift_error": metadata.get("nve_drift_error", {}).get(system.name),
    }
    return SystemFigures(entry, lengths, curves)


def temperature_figures(
    kinetic: np.ndarray, target: float, degrees_of_freedom: int
) -> dict[str, Any]:
    """Compare the kinetic temperature of one trajectory with that of its thermostat.

    Args:
        kinetic: instantaneous temperatures in K, shape (n_frames,).
        target: the thermostat's temperature in K.
        degrees_of_freedom: number by which the kinetic energy was divided.

    Returns:
        `set`, `mean`, `standard_error` (K), `n_independent`, `deviation_in_errors`, `reached`
        (within 3 standard errors; None when fewer than ten frames are independent),
        `spread_ratio` (variance over the canonical one) and its `spread_ratio_error`.
    """
    found = temperature_statistics(kinetic, target, degrees_of_freedom)
    deviation = (found.mean - target) / found.standard_error
    return {
        "set": target,
        "mean": found.mean,
        "standard_error": found.standard_error,
        "n_independent": found.n_independent,
        "deviation_in_errors": deviation,
        "reached": None if np.isnan(deviation) else abs(deviation) <= MAX_ERRORS,
        "degrees_of_freedom": degrees_of_freedom,
        "spread_ratio": found.spread_ratio,
        "spread_ratio_error": found.spread_ratio_error,
    }


def energy_figures(energy: Sequence[np.ndarray]) -> dict[str, float]:
    r"""Return mean and spread of the potential energy of the trajectories at one temperature.

    Replicas are independent. The standard error of the mean over all frames is
    :math:`\sqrt{\sum_r (n_r s_r)^2} / \sum_r n_r`. The differences z of the halves are combined as
    :math:`\sum_r z_r / \sqrt R` (Stouffer), which grows where all replicas drift alike.

    Args:
        energy: eV, one series in the order of time for each replica, shape (n_frames,) each.

    Returns:
        `mean`, `standard_error`, `standard_deviation` (eV), `n_independent` and
        `halves_in_errors`; above 3, the trajectory was not equilibrated.
    """
    errors, n_independent = np.array([standard_error(series) for series in energy]).T
    lengths = np.array([len(series) for series in energy])
    halves = np.array([halves_in_errors(series) for series in energy])
    joined = np.concatenate(energy)
    return {
        "mean": float(joined.mean()),
        "standard_error": float(np.sqrt(((lengths * errors) ** 2).sum()) / lengths.sum()),
        "standard_deviation": float(joined.std()),
        "n_independent": float(n_independent.sum()),
        "halves_in_errors": float(halves.sum() / np.sqrt(len(halves))),
    }


def _thermodynamics(system: SampledSystem, temperature: float) -> dict[str, Any]:
    """Return the scalars of all frames at one temperature."""
    part = system.temperature == temperature
    kinetic, density = system.kinetic_temperature[part], system.density[part]
    stored = np.isfinite(kinetic).all()
    return {
        "n_frames": int(part.sum()),
        "temperature": temperature_figures(kinetic, temperature, system.degrees_of_freedom)
        if stored
        else None,
        "energy": energy_figures(
            [system.energy[part & (system.replica == r)] for r in np.unique(system.replica[part])]
        ),
        "density": None
        if np.isnan(density).any()
        else {"mean": float(density.mean()), "standard_deviation": float(density.std())},
    }


def _cell(system: SampledSystem) -> dict[str, float] | None:
    """Return density and filling of the mean cell; None without three periodic directions."""
    if not system.pbc.all():
        return None
    volume = float(np.abs(np.linalg.det(system.cells)).mean())
    return {
        "density": density(system.mass, volume),
        "volume_per_atom": volume / len(system.numbers),
        "filled": filled_fraction(system.numbers, volume),
    }


def _bond_lengths(system: SampledSystem) -> tuple[dict[str, np.ndarray], float]:
    """Return the lengths of the first frame's bonds by pair of elements, in Å.

    Also return the largest deviation of a bond from its mean length, in Å; 0 without bonds.
    """
    pairs = bonds(system.structure(0))
    if not len(pairs):
        return {}, 0.0
    lengths = pair_distances(system.positions, system.cells, system.pbc, pairs)
    departure = float(np.abs(lengths - lengths.mean(axis=0)).max())
    return by_elements(system.numbers, pairs, lengths), departure


def _extremes(lengths: np.ndarray) -> dict[str, float]:
    return {
        "n_bonds": lengths.shape[1],
        "shortest": float(lengths.min()),
        "mean": float(lengths.mean()),
        "longest": float(lengths.max()),
    }


def _curves(system: SampledSystem, seed: int) -> dict[float, RDF]:
    """Return the RDFs at every temperature with chosen frames."""
    rng = np.random.default_rng(seed)
    found = {}
    for temperature in system.temperatures:
        members = np.flatnonzero(system.temperature[system.chosen] == temperature)
        members = members[choose(len(members), RDF_FRAMES, rng)]
        if len(members):
            found[temperature] = radial_distribution(
                system.numbers, system.positions[members], system.cells[members]
            )
    return found


def _peaks(rdf: RDF) -> dict[str, dict[str, float] | None]:
    peaks = {pair: rdf.peak(pair) for pair in rdf.g}
    return {
        pair: None if peak is None else {"distance": peak[0], "height": peak[1]}
        for pair, peak in peaks.items()
    }
