"""Records the metrics of every epoch in a table and plots them."""

import csv
import math
import os
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping

import torch
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator
from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.utilities import rank_zero_only

from gpip_plugins.io.paths import whole_file

__all__ = ["LossCurves", "draw"]

Row = dict[str, float]


class LossCurves(Callback):
    """Writes `curves.csv` after every validation and draws `curves.png` from it.

    All metrics named `val_...` or `train_...` are recorded. Those that the task logs for single
    training batches, as `AtomisticTask` does, are averaged over the epoch (over the batches of rank
    zero if there are several ranks). The table is part of the checkpoint, so a resumed run keeps
    it.

    Args:
        folder: folder of the two files; by default the folder of the run.
        titles: name of an output to the heading of its panels, such as `{"noise": "denoising"}`.
        units: name of an output to its unit, shown for mean absolute and root mean square errors.
        seconds_between_pictures: shortest time between two pictures, because drawing takes about
            as long as a short epoch; the last epoch is always drawn.
    """

    def __init__(
        self,
        folder: str | os.PathLike = ".",
        titles: Mapping[str, str] | None = None,
        units: Mapping[str, str] | None = None,
        seconds_between_pictures: float = 20.0,
    ):
        self.folder = os.path.abspath(folder)
        self.titles = dict(titles or {})
        self.units = dict(units or {})
        self.seconds_between_pictures = seconds_between_pictures
        self.rows: list[Row] = []
        self._last_picture = -math.inf
        self._sums: dict[str, torch.Tensor] = {}
        self._counts: dict[str, int] = defaultdict(int)
        self._seen: dict[str, torch.Tensor] = {}
        self._epoch_keys: set[str] = set()

    def state_dict(self) -> dict:
        """Return the table, for the checkpoint."""
        return {"rows": [dict(row) for row in self.rows]}

    def load_state_dict(self, state_dict: dict) -> None:
        """Take the table of the resumed run."""
        # Testing restores the best checkpoint, whose table ends before that of the finished run.
        if len(state_dict["rows"]) > len(self.rows):
            self.rows = [dict(row) for row in state_dict["rows"]]

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin new averages."""
        self._sums.clear()
        self._counts.clear()

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx) -> None:
        """Add this batch to the averages, without waiting for the device."""
        for key, value in trainer.callback_metrics.items():
            if key.startswith("train_") and key not in self._epoch_keys:
                name = key.removesuffix("_step")
                value = value.detach()
                # Lightning still shows the value of the last batch that logged it.
                last = self._seen.get(key)
                if last is not None and last.data_ptr() == value.data_ptr():
                    continue
                self._seen[key] = value
                self._sums[name] = self._sums[name] + value if name in self._sums else value.clone()
                self._counts[name] += 1

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Add a row, before the checkpoint callbacks store the table."""
        if trainer.sanity_checking:
            return
        row: Row = {"epoch": trainer.current_epoch, "step": trainer.global_step}
        for name, total in self._sums.items():
            row[name] = float(total) / self._counts[name]
        row |= _floats(trainer.callback_metrics, "val_")
        self.rows.append(row)
        self._write(final=False)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Add the averages of the task, which are known only now."""
        if self.rows and self.rows[-1]["step"] == trainer.global_step:
            found = _floats(trainer.callback_metrics, "train_")
            # Lightning still shows these in the batches of the next epoch, with their old values.
            self._epoch_keys |= {
                key for key in found if key not in self._sums and not key.endswith("_step")
            }
            self.rows[-1] |= {
                key.removesuffix("_epoch"): found[key] for key in found if key in self._epoch_keys
            }
            self._write(final=False)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Draw the final picture."""
        self._write(final=True)

    def on_exception(self, trainer, pl_module, exception) -> None:
        """Draw the picture of an interrupted run."""
        self._write(final=True)

    @rank_zero_only
    def _write(self, final: bool) -> None:
        if not self.rows:
            return
        os.makedirs(self.folder, exist_ok=True)
        write_table(os.path.join(self.folder, "curves.csv"), self.rows)
        now = time.monotonic()
        if final or now - self._last_picture >= self.seconds_between_pictures:
            self._last_picture = now
            figure = draw(self.rows, self.titles, self.units)
            path = os.path.join(self.folder, "curves.png")
            with whole_file(path) as partial:
                figure.savefig(partial, dpi=150)


def _floats(metrics: Mapping[str, torch.Tensor], prefix: str) -> Row:
    return {key: float(value) for key, value in metrics.items() if key.startswith(prefix)}


def write_table(path: str, rows: list[Row]) -> None:
    """Write rows as CSV; a missing value stays empty.

    Args:
        path: the file, which appears whole or not at all.
        rows: column to value; columns are ordered by their first appearance.
    """
    columns = list(dict.fromkeys(key for row in rows for key in row))
    with whole_file(path) as partial, open(partial, "w", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, columns, restval="")
        writer.writeheader()
        writer.writerows(rows)


def panels_of(columns: Iterable[str]) -> dict[str, dict[str, str]]:
    """Return the panels for some columns: the total loss first, then one per output and metric.

    Columns of single data sets, which only validation has, belong to the panel of their total.

    Returns:
        Panel to its data sets: name of the column without `val_`, to name of the data set.

    Example:
        >>> panels_of(["epoch", "train_loss", "val_noise_loss", "val_loss", "val_noise_qm9_loss"])
        {'loss': {}, 'noise_loss': {'noise_qm9_loss': 'qm9'}}
    """
    columns = list(columns)
    names = (column.split("_", 1)[1] for column in columns if column.startswith(("train_", "val_")))
    panels: dict[str, dict[str, str]] = {}
    # Shorter names first, so that the total is found before its parts.
    for name in sorted(dict.fromkeys(names), key=lambda name: (name != "loss", len(name))):
        output, _, metric = name.rpartition("_")
        whole = next(
            (p for p in panels if p.endswith(f"_{metric}") and name.startswith(p[: -len(metric)])),
            None,
        )
        if whole is None or f"train_{name}" in columns:
            panels[name] = {}
        else:
            panels[whole][name] = output.removeprefix(whole[: -len(metric)])
    return dict(sorted(panels.items(), key=lambda panel: (panel[0] != "loss", panel[0])))


def draw(
    rows: list[Row],
    titles: Mapping[str, str] | None = None,
    units: Mapping[str, str] | None = None,
) -> Figure:
    """Draw training (dashed) and validation (solid) of every metric against the epoch.

    If a mixture has several data sets of a kind, validation on each is a thin line. The vertical
    axis is logarithmic, except in panels with a value that is not positive: the contrast loss can
    be negative.

    Args:
        rows: column to value, with `epoch`, counted from 0.
        titles: heading of an output's panels.
        units: unit of an output.
    """
    titles, units = dict(titles or {}), dict(units or {})
    panels = panels_of(dict.fromkeys(key for row in rows for key in row)) or {"loss": {}}
    n_columns = min(len(panels), 4 if len(panels) in (4, 7, 8) else 3)
    n_rows = math.ceil(len(panels) / n_columns)
    figure = Figure(figsize=(3.6 * n_columns, 2.9 * n_rows), layout="constrained")
    FigureCanvasAgg(figure)

    for index, (panel, datasets) in enumerate(panels.items()):
        axes = figure.add_subplot(n_rows, n_columns, index + 1)
        _label(axes, panel, titles, units)
        values = _plot_lines(axes, rows, panel, datasets)
        if values and min(values) > 0:
            _set_log_scale(axes, values)
        if len({row["epoch"] for row in rows}) < 12:
            axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(True, which="both", alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
        if index == 0 or len(datasets) > 1:
            axes.legend(frameon=False, fontsize=9)
    return figure


def _label(axes: Axes, panel: str, titles: Mapping[str, str], units: Mapping[str, str]) -> None:
    """Write heading and labels of a panel."""
    output, _, metric = panel.rpartition("_")
    axes.set_title(titles.get(output, output.replace("_", " ")) or "total loss", fontsize=11)
    unit = units.get(output) if metric in ("mae", "rmse") else None
    label = {"mae": "MAE", "rmse": "RMSE", "mse": "MSE"}.get(metric, metric)
    axes.set_ylabel(f"{label} ({unit})" if unit else label)
    axes.set_xlabel("epoch")


def _plot_lines(
    axes: Axes, rows: list[Row], panel: str, datasets: Mapping[str, str]
) -> list[float]:
    """Draw training, validation and, if there are several, data sets; return all values."""
    lines = {
        f"train_{panel}": {"color": "0.55", "linestyle": "--", "label": "training"},
        f"val_{panel}": {"color": "tab:blue", "label": "validation"},
    }
    if len(datasets) > 1:
        lines |= {
            f"val_{column}": {"color": f"C{k + 1}", "linewidth": 0.8, "label": name}
            for k, (column, name) in enumerate(datasets.items())
        }
    values: list[float] = []
    for column, style in lines.items():
        points = [
            (r["epoch"] + 1, r[column]) for r in rows if math.isfinite(r.get(column, math.nan))
        ]
        if points:
            marker = "o" if len(points) < 12 else None
            axes.plot(*zip(*points, strict=True), marker=marker, markersize=3.5, **style)
            values += [value for _, value in points]
    return values


def _set_log_scale(axes: Axes, values: list[float]) -> None:
    axes.set_yscale("log")
    # With powers of ten alone a short axis would have no numbers.
    ratio = max(values) / min(values)
    if ratio < 100:
        locator = MaxNLocator(5) if ratio < 4 else LogLocator(subs=(1, 2, 5))
        axes.yaxis.set_major_locator(locator)
        axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter("{x:g}")
