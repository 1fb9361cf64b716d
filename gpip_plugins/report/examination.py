"""Examination of a sampled database: the figures of all systems, and their checks."""

import os
from dataclasses import dataclass
from typing import Any

import numpy as np
from tqdm import tqdm

from gpip_plugins.analysis.soap import require_analysis
from gpip_plugins.report.adaptations import adaptation_findings
from gpip_plugins.report.coverage import ComparedFrames, compare_frames
from gpip_plugins.report.files import finite
from gpip_plugins.report.findings import coverage_findings, sampling_findings
from gpip_plugins.report.sampled import SampledSystem, read_sampled
from gpip_plugins.report.settings import QualitySettings
from gpip_plugins.report.structures import read_labelled
from gpip_plugins.report.system import SystemFigures, system_figures

__all__ = ["Examination", "examine"]


@dataclass(frozen=True)
class Examination:
    """Results of the examination of a sampled database, and the data of its pictures.

    Args:
        report: the figures and findings, the content of `quality.json`.
        systems: the sampled systems.
        figures: name of a system -> its figures.
        compared: comparison with labelled frames; None without labels.
        seed: seed of all random choices.
    """

    report: dict[str, Any]
    systems: list[SampledSystem]
    figures: dict[str, SystemFigures]
    compared: ComparedFrames | None
    seed: int

    @property
    def bond_lengths(self) -> dict[str, np.ndarray]:
        """Bond lengths of all systems in Å, by pair of elements, shape (n_lengths,)."""
        lengths: dict[str, list[np.ndarray]] = {}
        for figures in self.figures.values():
            for pair, values in figures.bond_lengths.items():
                lengths.setdefault(pair, []).append(values.ravel())
        return {pair: np.concatenate(parts) for pair, parts in lengths.items()}


def examine(
    datapath: str | os.PathLike,
    labels: str | os.PathLike | None = None,
    settings: QualitySettings | None = None,
    progress: bool = True,
) -> Examination:
    """Examine a sampled database.

    Args:
        datapath: database of the sampler.
        labels: labelled structures (ASE database or any file that ASE reads) whose coverage is
            determined; needs the extra `analysis`.
        settings: None takes the defaults.
        progress: show progress bars.

    Raises:
        InputError: when a file is missing or unfit, or an optional package is missing.
    """
    settings = settings or QualitySettings()
    if labels is not None:
        require_analysis("The coverage of labels")
    # The smaller file is read first, so that an error in it is reported early.
    labelled = None if labels is None else read_labelled(labels, progress)
    systems, metadata = read_sampled(datapath, settings.max_frames, settings.seed, progress)
    bar = tqdm(systems, "geometry", unit="system", disable=not progress)
    figures = {s.name: system_figures(s, metadata, settings, progress) for s in bar}
    report = {
        "database": os.path.basename(datapath),
        "generator": metadata.get("generator"),
        "sampling": metadata.get("sampling"),
        "n_frames": sum(len(system.rows) for system in systems),
        "n_frames_of_geometry": sum(len(system.chosen) for system in systems),
        "seed": settings.seed,
        "systems": {name: found.entry for name, found in figures.items()},
    }
    findings = sampling_findings(report["systems"]) + adaptation_findings(metadata)
    compared = None
    if labels is not None:
        compared = compare_frames(systems, labelled, settings.seed, progress)
        report["coverage"] = compared.figures(labels)
        findings += coverage_findings(compared.coverage, compared.rows.tolist())
    report["findings"] = findings
    return Examination(finite(report), systems, figures, compared, settings.seed)
