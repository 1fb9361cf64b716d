"""The files of a quality report; each appears complete or not at all."""

import contextlib
import csv
import json
import math
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import fasteners

from gpip_plugins.errors import InputError
from gpip_plugins.io.paths import resolve, writing

if TYPE_CHECKING:  # the folder is checked before these are imported
    from matplotlib.figure import Figure

    from gpip_plugins.analysis.rdf import RDF

__all__ = ["check_folder", "finite", "folder_beside", "write_files"]

PRODUCTS = (
    "quality.json",
    "rdf.csv",
    "energies.png",
    "temperatures.png",
    "bonds.png",
    "coverage.png",
    "rdf-*.png",
)


def folder_beside(datapath: str | os.PathLike) -> str:
    """Return the default folder of the report of a database.

    Args:
        datapath: the database.

    Example:
        >>> folder_beside("data/ethanol_opls.db")
        'data/ethanol_opls_quality'
    """
    return f"{os.fspath(datapath).removesuffix('.db')}_quality"


def check_folder(folder: str | os.PathLike, overwrite: bool) -> Path:
    """Check the folder of the report before long work starts.

    Args:
        folder: relative to the folder in which the command was typed.
        overwrite: whether it may hold an earlier report. A report that was written automatically
            with the database may always be replaced.

    Returns:
        The absolute path.

    Raises:
        InputError: when the folder is a file, cannot be written, or holds a report.
    """
    path = Path(resolve(folder))
    existing = next(parent for parent in (path, *path.parents) if parent.exists())
    if not existing.is_dir():
        raise InputError(f"folder={path} lies in {existing}, which is a file; name another.")
    if not overwrite and _holds_requested_report(path / "quality.json"):
        raise InputError(
            f"folder={path} holds a report already; name another, or give overwrite=True."
        )
    if not os.access(existing, os.W_OK):
        raise InputError(f"folder={path} cannot be written; name another.")
    return path


def _holds_requested_report(path: Path) -> bool:
    try:
        return not json.loads(path.read_text(encoding="utf-8")).get("automatic", False)
    except FileNotFoundError:
        return False
    except (ValueError, AttributeError):  # of another program, or damaged: not replaced
        return True


def write_files(
    folder: Path,
    report: dict[str, Any],
    curves: dict[str, dict[float, "RDF"]],
    figures: dict[str, "Figure"],
) -> None:
    """Write all files beside the folder, then move them into it, replacing an earlier report.

    Args:
        folder: absolute path.
        report: content of `quality.json`.
        curves: system -> temperature in K -> RDFs, the content of `rdf.csv`.
        figures: name without suffix -> picture.

    Raises:
        InputError: if the disk is full or the folder cannot be written.
    """
    with writing(folder), _alone(folder):
        # With the lock held, what a killed process left is not in use.
        for leftover in folder.glob(".part*"):
            shutil.rmtree(leftover, ignore_errors=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".part") as part:
            new = Path(part)
            for name, figure in figures.items():
                figure.savefig(new / f"{name}.png", dpi=150)
            if any(curves.values()):
                _write_curves(new / "rdf.csv", curves)
            text = json.dumps(report, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
            (new / "quality.json").write_text(text, encoding="utf-8")
            # Remove pictures of an earlier report that the new report does not have.
            for pattern in PRODUCTS:
                for old in folder.glob(pattern):
                    old.unlink()
            for path in sorted(new.iterdir()):
                shutil.move(path, folder / path.name)


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Make the folder, and wait until no other process writes a report into it."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / ".report.lock"
    with fasteners.InterProcessLock(path):
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def _write_curves(path: Path, curves: dict[str, dict[float, "RDF"]]) -> None:
    with open(path, "w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle)
        writer.writerow(["system", "temperature", "pair", "r", "g"])
        for system, temperatures in curves.items():
            for temperature, rdf in temperatures.items():
                for pair, g in rdf.g.items():
                    writer.writerows(
                        [system, f"{temperature:g}", pair, f"{r:.3f}", f"{value:.5g}"]
                        for r, value in zip(rdf.r, g, strict=True)
                    )


def finite(value: Any) -> Any:
    """Return a report with None in place of NaN, which JSON does not allow.

    Args:
        value: dictionaries, lists, numbers and texts.

    Example:
        >>> finite({"a": [1.0, float("nan")]})
        {'a': [1.0, None]}
    """
    if isinstance(value, dict):
        return {key: finite(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [finite(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
