"""The quality report of a sampled database: one JSON file, the curves as CSV, and pictures."""

import os
from pathlib import Path
from typing import Any

from gpip_plugins.report.examination import Examination, examine
from gpip_plugins.report.files import check_folder, write_files
from gpip_plugins.report.pictures import draw_all
from gpip_plugins.report.settings import QualitySettings

__all__ = ["quality_report", "write_report"]


def quality_report(
    datapath: str | os.PathLike,
    labels: str | os.PathLike | None = None,
    folder: str | os.PathLike | None = None,
    settings: QualitySettings | None = None,
    overwrite: bool = False,
    progress: bool = True,
) -> dict[str, Any]:
    """Examine a sampled database, and write `quality.json`, `rdf.csv` and pictures.

    Energies and temperatures are taken from all frames; geometry, near-duplicates and coverage from
    at most `max_frames` of them, chosen at random. The report states the number of frames used.

    Args:
        datapath: database of the sampler.
        labels: labelled structures (ASE database or any file that ASE reads) whose coverage is
            determined; needs the extra `analysis`.
        folder: folder of the files; None writes no files.
        settings: None takes the defaults.
        overwrite: replace the files of an earlier report in `folder`.
        progress: show progress bars.

    Returns:
        The content of `quality.json`. Its `findings` are sentences on what looks wrong.

    Raises:
        InputError: when a file is missing or unfit, an optional package is missing, or `folder`
            holds a report already.
    """
    target = None if folder is None else check_folder(folder, overwrite)
    examination = examine(datapath, labels, settings, progress)
    if target is not None:
        write_report(target, examination)
    return examination.report


def write_report(folder: Path, examination: Examination, automatic: bool = False) -> None:
    """Write the files of a report, replacing those of an earlier one.

    Args:
        folder: absolute path, see `gpip_plugins.report.files.check_folder`.
        examination: what was found.
        automatic: the report was written with its database, and a later one may replace it.

    Raises:
        InputError: if the disk is full or the folder cannot be written.
    """
    report = {"automatic": automatic, **examination.report}
    curves = {name: figures.curves for name, figures in examination.figures.items()}
    write_files(folder, report, curves, draw_all(examination))
