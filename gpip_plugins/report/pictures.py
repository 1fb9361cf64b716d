"""Pictures of the quality report."""

import re

import numpy as np
from ase import units
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gpip_plugins.analysis.rdf import RDF
from gpip_plugins.report.coverage_picture import draw_coverage
from gpip_plugins.report.examination import Examination
from gpip_plugins.report.sampled import SampledSystem
from gpip_plugins.report.style import heat, heat_bar, make_panels

__all__ = [
    "draw_all",
    "draw_bonds",
    "draw_energies",
    "draw_rdf",
    "draw_temperatures",
]

MAX_NAMED = 8  # with more systems, they share one colour and have no names
SMOOTH_FRAMES = 100  # RDFs of fewer frames are drawn in coarser bins
COARSE = 5  # bins combined into one, 0.1 Å
MAX_G = 4.0  # upper limit of an RDF's panel; bonds reach 30 and would flatten the liquid


def draw_all(examination: Examination) -> dict[str, Figure]:
    """Draw all pictures of a report.

    Args:
        examination: results of the examination.

    Returns:
        Name of the file without suffix -> picture.
    """
    report = examination.report
    figures = {"energies": draw_energies(examination.systems, report)}
    checks = [
        t["temperature"] for s in report["systems"].values() for t in s["temperatures"].values()
    ]
    if any(check and check["standard_error"] for check in checks):
        figures["temperatures"] = draw_temperatures(report)
    if lengths := examination.bond_lengths:
        figures["bonds"] = draw_bonds(lengths)
    for name, found in examination.figures.items():
        if found.curves:
            figures[f"rdf-{re.sub('[^A-Za-z0-9._-]+', '_', name)}"] = draw_rdf(name, found.curves)
    if examination.compared is not None:
        figures["coverage"] = draw_coverage(
            examination.compared.coverage, examination.compared.temperatures, examination.seed
        )
    return figures


def draw_temperatures(report: dict) -> Figure:
    """Draw mean temperatures and their spread relative to the values of the thermostat.

    Args:
        report: the quality report.
    """
    figure, (left, right) = make_panels(2, 2)
    for name, entry, style in _styled(report):
        checks = [
            check
            for t in entry["temperatures"].values()
            if (check := t["temperature"]) and check["standard_error"] is not None
        ]
        if not checks:
            continue
        target = np.array([check["set"] for check in checks])
        mean = np.array([check["mean"] for check in checks])
        error = np.array([check["standard_error"] for check in checks])
        left.errorbar(target, mean - target, 3 * error, fmt="o", capsize=3, label=name, **style)
        ratio = [check["spread_ratio"] for check in checks]
        errors = [3 * (check["spread_ratio_error"] or 0.0) for check in checks]
        right.errorbar(target, ratio, errors, fmt="o", capsize=3, **style)
    left.axhline(0.0, color="0.5", linewidth=1)
    right.axhline(1.0, color="0.5", linewidth=1)
    left.set_title("mean temperature, bars: 3 standard errors")
    left.set_ylabel("reached - set (K)")
    right.set_title("spread of the temperature")
    right.set_ylabel("variance / canonical variance")
    _name(left, report)
    for axes in (left, right):
        axes.set_xlabel("temperature of the thermostat (K)")
    return figure


def draw_energies(systems: list[SampledSystem], report: dict) -> Figure:
    """Draw energies along the frames of one system, and mean energies of all against temperature.

    Args:
        systems: the sampled systems; the frames drawn are those of the worst equilibrated one.
        report: the quality report.
    """

    def imbalance(system: SampledSystem) -> float:
        entries = report["systems"][system.name]["temperatures"].values()
        return max(abs(entry["energy"]["halves_in_errors"] or 0.0) for entry in entries)

    figure, (left, right) = make_panels(2, 2)
    system = max(systems, key=imbalance)
    n_atoms = len(system.numbers)
    lowest = min(
        e["energy"]["mean"] for e in report["systems"][system.name]["temperatures"].values()
    )
    colour = heat(system.temperatures)
    for temperature in system.temperatures:
        energy = 1000.0 * (system.energy[system.temperature == temperature] - lowest) / n_atoms
        width = max(1, len(energy) // 30)
        blocks = _means(energy, width)
        frame = width * (np.arange(len(blocks)) + 0.5)
        left.plot(frame, blocks, color=colour(temperature), linewidth=1.3)
    heat_bar(figure, left, system.temperatures)
    left.set_title(f"{system.name}: means of blocks of frames")
    left.set_xlabel("frame of its temperature")
    left.set_ylabel("potential energy (meV/atom)")

    for name, entry, style in _styled(report):
        temperatures = np.array([float(t) for t in entry["temperatures"]])
        energies = [t["energy"] for t in entry["temperatures"].values()]
        mean = np.array([energy["mean"] for energy in energies])
        error = np.array([energy["standard_error"] or 0.0 for energy in energies])
        scale = 1000.0 / entry["n_atoms"]
        right.errorbar(
            temperatures,
            scale * (mean - mean[0]),
            3 * scale * error,
            fmt="o-",
            capsize=3,
            label=name,
            **style,
        )
        if len(report["systems"]) <= MAX_NAMED:
            # A molecule rotates freely; only its vibrations have potential energy.
            n_vibrations = 3 * entry["n_atoms"] - (3 if entry["periodic"] else 6)
            harmonic = 0.5 * n_vibrations * units.kB * (temperatures - temperatures[0])
            right.plot(temperatures, scale * harmonic, linestyle="--", **style)
    right.set_title("mean; dashed: harmonic vibrations")
    right.set_xlabel("temperature of the thermostat (K)")
    right.set_ylabel("potential energy (meV/atom)")
    _name(right, report)
    return figure


def draw_bonds(lengths: dict[str, np.ndarray]) -> Figure:
    """Draw the distribution of bond lengths of every pair of elements.

    Args:
        lengths: pair of elements -> lengths in Å, any shape.
    """
    figure, panels = make_panels(len(lengths), min(4, len(lengths)))
    for axes, (pair, values) in zip(panels, lengths.items(), strict=False):
        axes.hist(
            values, bins=100, density=True, histtype="stepfilled", color="tab:blue", alpha=0.6
        )
        axes.set_title(f"{pair}: {values.min():.2f} to {values.max():.2f} Å")
        axes.set_xlabel("bond length (Å)")
        axes.set_ylabel("probability density (1/Å)")
        axes.set_xlim(values.min() - 0.02, values.max() + 0.02)
    return figure


def draw_rdf(name: str, curves: dict[float, RDF]) -> Figure:
    """Draw the radial distribution functions of one system at all temperatures.

    Args:
        name: name of the system.
        curves: temperature in K -> RDFs.
    """
    pairs = list(dict.fromkeys(pair for rdf in curves.values() for pair in rdf.g))
    figure, panels = make_panels(len(pairs), min(4, len(pairs)))
    colour = heat(list(curves))
    for axes, pair in zip(panels, pairs, strict=False):
        height = 0.0
        for temperature, rdf in curves.items():
            width = 1 if rdf.n_frames >= SMOOTH_FRAMES else COARSE
            r, g = (_means(values, width) for values in (rdf.r, rdf.g[pair]))
            axes.plot(r, g, color=colour(temperature), linewidth=1)
            height = max(height, g.max())
        axes.set_ylim(0.0, min(MAX_G, 1.05 * height) if height else MAX_G)
        axes.axhline(1.0, color="0.6", linewidth=0.8)
        axes.set_title(pair + (f" (highest peak {height:.0f})" if height > MAX_G else ""))
        axes.set_xlabel("distance (Å)")
        axes.set_ylabel("g(r)")
    heat_bar(figure, panels[min(len(pairs), len(panels)) - 1], list(curves))
    figure.suptitle(name)
    return figure


def _means(values: np.ndarray, width: int) -> np.ndarray:
    """Return the means of groups of adjacent values; a remainder is omitted."""
    n = len(values) // width
    return values[: n * width].reshape(n, width).mean(axis=1)


def _styled(report: dict) -> list[tuple[str, dict, dict]]:
    """Return name, part of the report and style of every system; many systems share one style."""
    systems = list(report["systems"].items())
    if len(systems) > MAX_NAMED:
        style = {"color": "tab:blue", "alpha": 0.3, "markersize": 3}
        return [(name, entry, style) for name, entry in systems]
    return [(name, entry, {"color": f"C{k}"}) for k, (name, entry) in enumerate(systems)]


def _name(axes: Axes, report: dict) -> None:
    """Add a legend, unless it is too large for the panel."""
    if len(report["systems"]) <= MAX_NAMED:
        axes.legend(frameon=False, fontsize=9)
