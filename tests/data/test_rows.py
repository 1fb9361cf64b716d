"""Rows that lack labels, have others than the rest, or were deleted."""

import numpy as np
import pytest
from ase.build import molecule
from ase.db import connect

from gpip_plugins.data.memory import InMemoryAtomsData
from gpip_plugins.errors import InputError


def loaded(path) -> InMemoryAtomsData:
    data = InMemoryAtomsData(path, transforms=[])
    data.load(progress=False)
    return data


def numbered(shape=(1,), **odd):
    """Return five molecules of water with their number as energy; `odd` are labels of row 3."""
    labels = [{"energy": np.full(shape, float(k)), "forces": np.zeros((3, 3))} for k in range(5)]
    labels[3] |= odd
    return [molecule("H2O") for _ in range(5)], labels, {"energy": "eV", "forces": "eV/Ang"}


def test_deleted_rows_leave_a_gap_and_no_fault(write):
    path = write(*numbered())
    with connect(path) as store:
        store.delete([1, 3])
    assert loaded(path).tensors["energy"].tolist() == [1.0, 3.0, 4.0]


@pytest.mark.parametrize(
    ("odd", "message"),
    [
        ({"energy": None}, "configuration 3 of .* has no 'energy'"),
        ({"energy": np.zeros(2)}, "configuration 3 of 3 atoms has 2"),
        ({"forces": np.zeros(9)}, r"configuration 3 .* 'forces' of shape \(9,\), and .* \(3, 3\)"),
        ({"forces": np.zeros((2, 3))}, "configuration 3 of 3 atoms has 2"),
    ],
)
def test_a_label_unlike_the_others_is_named_with_its_row(write, odd, message):
    with pytest.raises(InputError, match=message):
        loaded(write(*numbered(**odd)))


@pytest.mark.parametrize("shape", [(), (1,), (1, 1)])
def test_one_number_is_one_number_whatever_its_axes(write, shape):
    """With (n, 1) the loss would compare every prediction with every label."""
    assert loaded(write(*numbered(shape))).tensors["energy"].shape == (5,)
