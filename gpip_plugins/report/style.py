"""Panels and colours of the pictures of the reports."""

import math
from collections.abc import Callable, Iterable

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, Normalize
from matplotlib.figure import Figure

__all__ = ["heat", "heat_bar", "make_panels"]

# Without the brightest yellow, which is unreadable on white.
HEAT = ListedColormap(colormaps["plasma"](np.linspace(0.0, 0.9, 256)))


def make_panels(n_panels: int, n_columns: int) -> tuple[Figure, list[Axes]]:
    """Return a figure with panels in rows.

    Args:
        n_panels: number of panels; one or two are drawn larger.
        n_columns: number of panels in a row.
    """
    n_rows = math.ceil(n_panels / n_columns)
    size = (4.8, 3.8) if n_panels <= 2 else (3.6, 2.9)
    figure = Figure(figsize=(size[0] * n_columns, size[1] * n_rows), layout="constrained")
    FigureCanvasAgg(figure)
    panels = [figure.add_subplot(n_rows, n_columns, k + 1) for k in range(n_panels)]
    for axes in panels:
        axes.title.set_fontsize(11)
        axes.grid(True, alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    return figure, panels


def _norm(temperatures: Iterable[float]) -> Normalize:
    low, high = float(min(temperatures)), float(max(temperatures))
    return Normalize(low, high if high > low else low + 1.0)


def heat(temperatures: Iterable[float]) -> Callable[[float], tuple]:
    """Return a function from a temperature to its colour; higher temperatures are brighter.

    Args:
        temperatures: all temperatures in K.
    """
    norm = _norm(temperatures)
    return lambda temperature: HEAT(norm(temperature))


def heat_bar(figure: Figure, axes: Axes, temperatures: Iterable[float]) -> None:
    """Add a colour bar beside a panel, if there are several temperatures.

    Args:
        figure: the figure of the panel.
        axes: the panel.
        temperatures: all temperatures in K.
    """
    if len(set(temperatures)) > 1:
        scale = ScalarMappable(_norm(temperatures), HEAT)
        figure.colorbar(scale, ax=axes, label="temperature (K)")
