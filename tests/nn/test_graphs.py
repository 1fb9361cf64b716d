"""Pairs and minimum images against brute force."""

import itertools

import numpy as np
import pytest
import torch

from gpip_plugins.nn import complete_pairs, minimum_image


def test_complete_pairs_against_brute_force():
    sizes = [3, 1, 4, 2]
    idx_i, idx_j = complete_pairs(torch.tensor(sizes))
    expected, first = [], 0
    for n in sizes:
        expected += [(first + a, first + b) for a, b in itertools.permutations(range(n), 2)]
        first += n
    assert list(zip(idx_i.tolist(), idx_j.tolist(), strict=True)) == sorted(expected)


@pytest.mark.parametrize(
    "cell",
    [
        np.diag([4.0, 5.0, 6.0]),
        np.array([[4.0, 0, 0], [1.9, 4.0, 0], [-1.5, 1.7, 4.5]]),
        np.array([[0, 2.0, 2.0], [2.0, 0, 2.0], [2.0, 2.0, 0]]),
    ],
    ids=["orthogonal", "triclinic", "fcc"],
)
@pytest.mark.parametrize("pbc", [(True, True, True), (True, False, True), (False, True, False)])
def test_minimum_image_against_brute_force(cell, pbc):
    vectors = np.random.default_rng(0).uniform(-8, 8, (100, 3))
    folded = minimum_image(
        torch.tensor(vectors), torch.tensor(cell)[None], torch.tensor(pbc), torch.zeros(100).long()
    ).numpy()
    steps = [range(-9, 10) if periodic else [0] for periodic in pbc]
    shifts = np.array(list(itertools.product(*steps))) @ cell
    shortest = np.linalg.norm(vectors[:, None] + shifts, axis=-1).min(1)
    np.testing.assert_allclose(np.linalg.norm(folded, axis=1), shortest, atol=1e-9)
    moved = np.linalg.solve(cell.T, (folded - vectors).T).T
    np.testing.assert_allclose(moved, moved.round() * np.array(pbc), atol=1e-9)


def test_systems_of_a_batch_have_their_own_cells():
    cells = torch.stack([4.0 * torch.eye(3), torch.zeros(3, 3), 10.0 * torch.eye(3)])
    pbc = torch.tensor([[True] * 3, [False] * 3, [True] * 3]).flatten()
    vectors = torch.tensor([[3.0, 0, 0], [3.0, 0, 0], [3.0, 0, 0]])
    folded = minimum_image(vectors, cells, pbc, torch.arange(3))
    torch.testing.assert_close(folded[:, 0], torch.tensor([-1.0, 3.0, 3.0]))
