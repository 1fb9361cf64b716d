"""Picture of sampled and labelled frames, as in Figure 3 of the GPIP paper.

UMAP: McInnes, Healy, Melville, arXiv 1802.03426. Neighbours in the plane are neighbours in
descriptor space; distances between separate clusters have no meaning.
"""

import warnings

import numpy as np
from matplotlib.figure import Figure

from gpip_plugins.analysis.coverage import Coverage
from gpip_plugins.report.style import heat, heat_bar, make_panels

__all__ = ["draw_coverage", "embed"]

MAX_POINTS = 3000  # of each set in the plane
N_NEIGHBOURS = 30
N_DIRECTIONS = 30  # principal components passed to UMAP; the others add only noise


def embed(
    sampled: np.ndarray, labelled: np.ndarray, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Project both sets into one plane.

    Args:
        sampled: shape (n_sampled, n_features).
        labelled: shape (n_labelled, n_features).
        seed: seed of UMAP; equal seeds give equal pictures.

    Returns:
        Coordinates, shapes (n_sampled, 2) and (n_labelled, 2).
    """
    with warnings.catch_warnings():
        # At import UMAP warns that Tensorflow is missing, which is not needed here.
        warnings.simplefilter("ignore", ImportWarning)
        from umap import UMAP
    vectors = np.concatenate([sampled, labelled])
    centred = vectors - vectors.mean(axis=0)
    _, directions = np.linalg.eigh(centred.T @ centred)
    projected = centred @ directions[:, ::-1][:, :N_DIRECTIONS]
    n_neighbours = min(N_NEIGHBOURS, len(vectors) - 1)
    # One thread: with several threads UMAP is not reproducible.
    umap = UMAP(n_neighbors=n_neighbours, min_dist=0.1, random_state=seed, n_jobs=1)
    plane = umap.fit_transform(projected)
    return plane[: len(sampled)], plane[len(sampled) :]


def draw_coverage(coverage: Coverage, temperatures: np.ndarray, seed: int = 0) -> Figure:
    """Draw sampled and labelled frames in one plane, and their nearest-neighbour distances.

    Args:
        coverage: the comparison.
        temperatures: temperatures of the sampled frames in K, shape (n_sampled,).
        seed: seed of the projection, and of the choice of frames if there are too many to draw.
    """
    rng = np.random.default_rng(seed)
    sampled, labelled = coverage.sampled.structures, coverage.labelled.structures
    first = np.sort(rng.permutation(len(sampled))[:MAX_POINTS])
    second = np.sort(rng.permutation(len(labelled))[:MAX_POINTS])
    plane, labelled_plane = embed(sampled[first], labelled[second], seed)

    figure, (left, right) = make_panels(2, 2)
    colour = heat(temperatures)
    left.scatter(*plane.T, s=5, c=[colour(t) for t in temperatures[first]], alpha=0.7, linewidths=0)
    left.scatter(
        *labelled_plane.T,
        s=12,
        facecolors="none",
        edgecolors="black",
        linewidths=0.5,
        alpha=0.7,
    )
    heat_bar(figure, left, temperatures)
    left.set_title("UMAP: sampled (dots), labelled (circles)")
    left.set_xticks([])
    left.set_yticks([])
    left.grid(False)

    neighbours = coverage.frames
    top = max(np.quantile(neighbours.labelled, 0.995), np.quantile(neighbours.sampled, 0.995))
    n_bins = int(np.clip(np.sqrt(len(neighbours.sampled)), 12, 60))
    bins = np.linspace(0.0, 1.05 * top, n_bins)
    for values, style in (
        (neighbours.sampled, {"color": "tab:orange", "label": "sampled to sampled"}),
        (neighbours.labelled, {"color": "black", "label": "labelled to sampled"}),
    ):
        right.hist(values, bins=bins, density=True, histtype="step", linewidth=1.5, **style)
    right.axvline(neighbours.threshold, color="0.5", linestyle="--", label="covered up to here")
    right.set_title(f"{neighbours.covered:.1%} of the labelled frames are covered")
    right.set_xlabel("distance to the nearest sampled frame")
    right.set_ylabel("probability density")
    right.legend(framealpha=1.0, edgecolor="none", fontsize=9)
    return figure
