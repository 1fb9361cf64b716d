"""The quality report of a sampled database: one JSON file, the curves as CSV, and pictures."""

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
from ase import Atoms
from tqdm import tqdm

from gpip_plugins.analysis.coverage import MIN_SAMPLED, Coverage, compare
from gpip_plugins.analysis.distances import bond_lengths, shortest_distances
from gpip_plugins.analysis.duplicates import fingerprints, near_duplicates
from gpip_plugins.analysis.rdf import RDF, radial_distribution
from gpip_plugins.analysis.soap import require_analysis
from gpip_plugins.analysis.thermodynamics import check_energy, check_temperature
from gpip_plugins.errors import InputError
from gpip_plugins.io.paths import resolve
from gpip_plugins.report import pictures
from gpip_plugins.report.files import check_folder, finite, write_files
from gpip_plugins.report.findings import (
    coverage_findings,
    rare_errors,
    system_findings,
)
from gpip_plugins.report.frames import (
    SystemFrames,
    choose,
    read_labelled,
    read_sampled,
)

__all__ = ["quality_report"]

RDF_FRAMES = 200  # of each temperature; noise of a box of 64 molecules is then below 1 %
DESCRIBED_FRAMES = 5000
DESCRIBED_ATOMS = 200_000  # descriptors of a box cost as much as those of its atoms


def quality_report(
    datapath: str | os.PathLike,
    labelled: str | os.PathLike | None = None,
    folder: str | os.PathLike | None = None,
    nve_drift: Mapping[str, float] | None = None,
    max_frames: int = 20_000,
    tolerance: float = 0.02,
    seed: int = 0,
    overwrite: bool = False,
    progress: bool = True,
    automatic: bool = False,
) -> dict[str, Any]:
    """Examine a sampled database, and write `quality.json`, `rdf.csv` and pictures.

    Energies and temperatures are taken from all frames; geometry, near-duplicates and coverage from
    at most `max_frames` of them, chosen at random. How many were used stands in the report.

    Args:
        datapath: database of the sampler.
        labelled: labelled structures (SchNetPack database or any file that ASE reads) of which the
            coverage is determined; needs the extra `analysis`.
        folder: where the files go; None writes none.
        nve_drift: system to the drift of its total energy without a thermostat, in meV/atom/ps;
            None takes what the metadata of the database hold under this name, if anything.
        max_frames: frames whose positions are examined.
        tolerance: of near-duplicates in Å, see `near_duplicates`.
        seed: seed of all choices.
        overwrite: replace the files of an earlier report in `folder`.
        progress: show progress bars.
        automatic: it comes by itself with the database, so a later one may replace it.

    Returns:
        The content of `quality.json`. Its `findings` are sentences on what looks wrong.

    Raises:
        InputError: when a file is missing or unfit, an optional package is missing, or `folder`
            holds a report already.
    """
    if max_frames < MIN_SAMPLED:
        raise InputError(f"--max-frames {max_frames} is too few; give at least {MIN_SAMPLED}.")
    if not tolerance >= 0:
        raise InputError(f"--tolerance {tolerance} is negative; give for example 0.02.")
    if labelled is not None:
        require_analysis("--labelled")
    target = None if folder is None else check_folder(folder, overwrite)
    # The smaller file is read first, so that a mistake in it shows at once.
    structures = [] if labelled is None else read_labelled(labelled, progress)
    systems, metadata = read_sampled(datapath, max_frames, seed, progress)

    report: dict[str, Any] = {
        "database": os.path.basename(resolve(datapath)),
        "generator": metadata.get("generator"),
        "automatic": automatic,
        "sampling": metadata.get("sampling"),
        "n_frames": sum(len(system.rows) for system in systems),
        "n_frames_of_geometry": sum(len(system.chosen) for system in systems),
        "seed": seed,
        "findings": [],
        "systems": {},
    }
    drifts = metadata.get("nve_drift", {}) if nve_drift is None else nve_drift
    errors = metadata.get("nve_drift_error", {}) if nve_drift is None else {}
    thinned = metadata.get("near_duplicates_dropped", {})
    curves: dict[str, dict[float, RDF]] = {}
    lengths: dict[str, list[np.ndarray]] = {}
    for system in tqdm(systems, "geometry", unit="system", disable=not progress):
        entry, found, curves[system.name] = _examine(system, tolerance, seed, progress)
        entry["nve_drift"] = drifts.get(system.name)
        entry["nve_drift_error"] = errors.get(system.name)
        entry["near_duplicates"] |= {
            "dropped": thinned.get(system.name, 0),
            "dropped_up_to": (metadata.get("sampling") or {}).get("min_difference", 0.0),
        }
        report["systems"][system.name] = entry
        for pair, values in found.items():
            lengths.setdefault(pair, []).append(values.ravel())
    findings = report["findings"]
    if any(np.isnan(system.kinetic_temperature).any() for system in systems):
        findings.append(
            "Not all frames have a kinetic_temperature, so some temperatures were not checked; "
            "databases of version 0.1 have none."
        )
    entries = report["systems"]
    limit = rare_errors(sum(len(entry["temperatures"]) for entry in entries.values()))
    for name, entry in entries.items():
        findings += system_findings(name, entry, limit)
    coverage, temperatures = None, np.zeros(0)
    if labelled is not None:
        coverage, temperatures, rows = _cover(systems, structures, seed, progress)
        report["coverage"] = {
            "labelled": os.path.basename(resolve(labelled)),
            "n_labelled": len(structures),
            **coverage.report(),
        }
        findings += coverage_findings(coverage, rows.tolist())
    report = finite(report)
    if target is not None:
        figures = pictures.draw_all(systems, report, lengths, curves, coverage, temperatures, seed)
        write_files(target, report, curves, figures)
    return report


def _examine(
    system: SystemFrames, tolerance: float, seed: int, progress: bool
) -> tuple[dict[str, Any], dict[str, np.ndarray], dict[float, RDF]]:
    """Return one system's part of the report, its bond lengths and its RDFs."""
    found, departure = bond_lengths(system)
    vectors = fingerprints(system.positions, system.cells, system.pbc, seed)
    duplicates = near_duplicates(vectors, tolerance, progress)
    curves = _curves(system, seed) if system.pbc.all() else {}
    entry = {
        "formula": system.formula,
        "n_atoms": len(system.numbers),
        "periodic": bool(system.pbc.any()),
        "n_frames": len(system.rows),
        "n_frames_of_geometry": len(system.chosen),
        "temperatures": {f"{t:g}": _thermodynamics(system, t) for t in system.temperatures},
        "shortest_distances": shortest_distances(system, progress),
        "bonds": {
            pair: {
                "n_bonds": values.shape[1],
                "shortest": float(values.min()),
                "mean": float(values.mean()),
                "longest": float(values.max()),
            }
            for pair, values in found.items()
        },
        "largest_departure": departure,
        "near_duplicates": {
            "count": int(duplicates.sum()),
            "n_frames": len(duplicates),
            "tolerance": tolerance,
        },
        "rdf": {
            f"{temperature:g}": {"n_frames": rdf.n_frames, "peaks": _peaks(rdf)}
            for temperature, rdf in curves.items()
        },
    }
    return entry, found, curves


def _thermodynamics(system: SystemFrames, temperature: float) -> dict[str, Any]:
    """Return the scalars of one trajectory."""
    part = system.temperature == temperature
    kinetic, density = system.kinetic_temperature[part], system.density[part]
    stored = np.isfinite(kinetic).all()
    return {
        "n_frames": int(part.sum()),
        "temperature": check_temperature(kinetic, temperature, system.degrees_of_freedom)
        if stored
        else None,
        "energy": check_energy(system.energy[part]),
        "density": None
        if np.isnan(density).any()
        else {"mean": float(density.mean()), "standard_deviation": float(density.std())},
    }


def _curves(system: SystemFrames, seed: int) -> dict[float, RDF]:
    """Return the RDFs of every temperature that has chosen frames."""
    rng = np.random.default_rng(seed)
    found = {}
    for temperature in system.temperatures:
        members = np.flatnonzero(system.temperature[system.chosen] == temperature)
        members = members[choose(len(members), RDF_FRAMES, rng)]
        if len(members):
            found[temperature] = radial_distribution([system.structure(k) for k in members])
    return found


def _peaks(rdf: RDF) -> dict[str, dict[str, float] | None]:
    peaks = {pair: rdf.peak(pair) for pair in rdf.g}
    return {
        pair: None if peak is None else {"distance": peak[0], "height": peak[1]}
        for pair, peak in peaks.items()
    }


def _cover(
    systems: list[SystemFrames], labelled: list[Atoms], seed: int, progress: bool
) -> tuple[Coverage, np.ndarray, np.ndarray]:
    """Return the coverage, the temperatures of its sampled and the indices of its labelled frames.

    Both sets are thinned out at random to what can be described in a minute or so.
    """
    rng = np.random.default_rng(seed)
    places = [(system, k) for system in systems for k in range(len(system.chosen))]
    if len(places) < MIN_SAMPLED:
        raise InputError(
            f"{len(places)} sampled frames are too few for a coverage; sample at least "
            f"{MIN_SAMPLED} or leave --labelled out."
        )
    kept = choose(len(places), _affordable([len(s.numbers) for s, _ in places]), rng)
    rows = choose(len(labelled), _affordable([len(atoms) for atoms in labelled]), rng)
    return (
        compare(
            [places[k][0].structure(places[k][1]) for k in kept],
            [labelled[k] for k in rows],
            seed,
            progress,
        ),
        np.array([places[k][0].temperature[places[k][0].chosen[places[k][1]]] for k in kept]),
        rows,
    )


def _affordable(n_atoms: list[int]) -> int:
    """Return how many frames of these sizes are described."""
    by_atoms = int(DESCRIBED_ATOMS / np.mean(n_atoms))
    return max(MIN_SAMPLED, min(DESCRIBED_FRAMES, by_atoms))
