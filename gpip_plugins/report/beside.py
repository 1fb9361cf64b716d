"""The quality report that is written beside every sampled database."""

import logging
import time
from pathlib import Path
from typing import Any, Final

import numpy as np

from gpip_plugins.analysis.coverage import MIN_SAMPLED
from gpip_plugins.analysis.soap import require_analysis
from gpip_plugins.errors import InputError
from gpip_plugins.io.ase_database import Database
from gpip_plugins.io.paths import existing
from gpip_plugins.report.examination import examine
from gpip_plugins.report.files import check_folder, folder_beside
from gpip_plugins.report.quality import write_report
from gpip_plugins.report.settings import QualitySettings
from gpip_plugins.report.structures import read_labelled

__all__ = ["affordable_frames", "check_labels", "report_beside"]

log = logging.getLogger(__name__)

MAX_ATOMS: Final = 400_000  # in all examined frames: seconds to half a minute for all systems
MAX_LOGGED: Final = 8  # findings; the others are only in the file


def affordable_frames(n_atoms: float) -> int:
    """Return the number of frames whose geometry is examined after a sampling.

    Args:
        n_atoms: average number of atoms of a frame.

    Example:
        >>> affordable_frames(n_atoms=9), affordable_frames(n_atoms=2500)
        (20000, 160)
    """
    return int(np.clip(MAX_ATOMS / n_atoms, MIN_SAMPLED, QualitySettings.max_frames))


def check_labels(labels: str, n_frames: int) -> None:
    """Check before the sampling that the coverage of labelled structures can be determined.

    Args:
        labels: labelled structures, see `gpip_plugins.report.quality.quality_report`.
        n_frames: number of frames that will be sampled.

    Raises:
        InputError: when the file or an optional package is missing, or the frames are too few.
    """
    existing("labels", labels, "name a file with labelled structures")
    require_analysis("The coverage of labels")
    if n_frames < MIN_SAMPLED:
        raise InputError(
            f"n_frames={n_frames} is too few for the coverage of labels={labels}; give at least "
            f"n_frames={MIN_SAMPLED} or leave labels out."
        )
    read_labelled(labels, progress=False)


def report_beside(
    datapath: Path, n_atoms: float, labels: str | None = None, seed: int = 0, progress: bool = True
) -> float:
    """Examine a new database, write the report and log the findings.

    The folder has the name of the database followed by `_quality`; an earlier report in it is
    replaced, since it described an earlier database.

    Args:
        datapath: the database.
        n_atoms: average number of atoms of a frame.
        labels: labelled structures whose coverage is determined; None omits the coverage. With too
            few frames it is omitted with a warning.
        seed: seed of all random choices.
        progress: show progress bars.

    Returns:
        Core-seconds used.
    """
    started = time.process_time()
    folder = check_folder(folder_beside(datapath), overwrite=True)
    if labels is not None and (n_frames := len(Database(datapath))) < MIN_SAMPLED:
        log.warning(
            "%d frames are left, too few for the coverage of labels=%s, which needs %d.",
            n_frames,
            labels,
            MIN_SAMPLED,
        )
        labels = None
    settings = QualitySettings(affordable_frames(n_atoms), seed=seed)
    examination = examine(datapath, labels, settings, progress)
    write_report(folder, examination, automatic=True)
    _log_findings(examination.report, folder)
    return time.process_time() - started


def _log_findings(report: dict[str, Any], folder: Path) -> None:
    """Log what was examined and what looks wrong."""
    examined, findings = report["n_frames_of_geometry"], report["findings"]
    part = "" if examined == report["n_frames"] else f", geometry of {examined} frames only"
    verdict = f"{len(findings)} finding(s)" if findings else "nothing looks wrong"
    log.info("Quality: %s (%s%s).", verdict, folder, part)
    if "coverage" in report:
        log.info(
            "%.1f%% of the labelled frames are covered.",
            100.0 * report["coverage"]["frames"]["covered"],
        )
    for finding in findings[:MAX_LOGGED]:
        log.warning("%s", finding)
    if len(findings) > MAX_LOGGED:
        log.warning("The other %d findings are in quality.json.", len(findings) - MAX_LOGGED)
