"""Random choices are uniform, farthest points cover the space."""

import numpy as np
import pytest

from gpip_plugins.errors import InputError
from gpip_plugins.labels.selection.choice import farthest_rows, random_rows


def covering_radius(points, rows):
    distance = np.linalg.norm(points[:, None] - points[rows][None], axis=-1)
    return distance.min(axis=1).max()


def test_random_rows_are_different_and_uniform():
    counts = np.zeros(20)
    for seed in range(2000):
        rows = random_rows(20, 5, seed)
        assert len(set(rows.tolist())) == 5 and (np.diff(rows) > 0).all()
        counts[rows] += 1
    # Binomial with p = 1/4: four standard deviations.
    assert np.abs(counts / 2000 - 0.25).max() < 4 * np.sqrt(0.25 * 0.75 / 2000)


def test_farthest_points_cover_better_than_random_ones():
    rng = np.random.default_rng(0)
    dense = rng.normal(0, 0.1, (490, 3))
    points = np.concatenate([dense, rng.normal(0, 3.0, (10, 3))])
    rows = farthest_rows(points, 12, seed=1)
    assert len(set(rows.tolist())) == 12
    assert covering_radius(points, rows) < 0.5 * min(
        covering_radius(points, random_rows(500, 12, seed)) for seed in range(5)
    )
    # Within twice the optimum (Gonzalez): rows are at least as far apart as the radius that they
    # leave, and 13 such points cannot be covered by 12 balls of less than half that radius.
    apart = np.linalg.norm(points[rows][:, None] - points[rows][None], axis=-1)
    assert apart[~np.eye(12, dtype=bool)].min() >= covering_radius(points, rows)
    # More points only add to fewer.
    assert farthest_rows(points, 5, seed=1).tolist() == rows[:5].tolist()


def test_farthest_points_are_those_of_the_definition():
    points = np.random.default_rng(3).normal(size=(40, 2))
    rows = farthest_rows(points, 10, seed=5).tolist()
    for m in range(1, 10):
        left = [min(np.linalg.norm(points[k] - points[j]) for j in rows[:m]) for k in range(40)]
        assert rows[m] == int(np.argmax(left))


@pytest.mark.parametrize("n", [0, 5])
def test_impossible_numbers(n):
    with pytest.raises(
        InputError, match=f"n={n} is not a whole number of at least 1 and of at most 4"
    ):
        random_rows(4, n)
    with pytest.raises(
        InputError, match=f"n={n} is not a whole number of at least 1 and of at most 4"
    ):
        farthest_rows(np.eye(4), n)


def test_duplicates_are_not_chosen_twice():
    with pytest.raises(InputError, match=r"more than there are different configurations \(2\)"):
        farthest_rows(np.array([[0.0], [1.0], [0.0], [1.0]]), 3)
