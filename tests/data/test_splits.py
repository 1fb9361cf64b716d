"""Wrong sizes of splits are refused with one sentence."""

import numpy as np
import pytest

from gpip_plugins.data import GpipDataModule, check_sizes, check_split_file
from gpip_plugins.errors import InputError


@pytest.mark.parametrize(
    ("sizes", "total", "message"),
    [
        (
            (0.8, 0.1, None),
            5,
            r"num_val=0.1 leaves no configuration of the 5 in labels.db",
        ),
        ((0.1, 0.5, None), 9, r"num_train=0.1 leaves no .* for training; .* num_train=1"),
        ((8, 0, None), 9, r"num_val=0 leaves no configuration .* for validation"),
        ((9, -1, 0), 9, r"num_val=-1 leaves no configuration .* for validation"),
        ((8, None, None), 9, r"num_val=None is not a number; give .* split_file"),
        ((None, 1, None), 9, r"num_train=None is not a number"),
        ((True, 1, None), 9, r"num_train=True is not a number"),
        (("8", 1, None), 9, r"num_train=8 is not a number"),
        ((-3, 1, None), 9, r"num_train=-3 is neither a whole number nor a fraction"),
        ((8.0, 1, None), 9, r"num_train=8.0 is neither a whole number nor a fraction"),
        ((-1, 1, None), 9, r"num_train=-1 and num_test=None both ask for the rest"),
        ((8, 1, 1), 9, r"ask for 10 configurations, but labels.db holds 9; lower one"),
    ],
)
def test_impossible_sizes_are_refused(sizes, total, message):
    sizes = dict(zip(("num_train", "num_val", "num_test"), sizes, strict=True))
    with pytest.raises(InputError, match=message):
        check_sizes(sizes, total, "labels.db")


@pytest.mark.parametrize("sizes", [(7, 2, None), (0.5, 0.5, 0), (-1, 2, 3), (7, -1, 1)])
def test_sizes_that_schnetpack_takes(sizes, write, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    train, val, test = sizes
    data = GpipDataModule(write(), 4, num_train=train, num_val=val, num_test=test, split_file=None)
    data.setup("fit")
    assert data.train_idx and data.val_idx


EVERY = {"num_train": None, "num_val": None, "num_test": None}


def save(path, train=(3, 1), val=(0,), test=(2,)):
    np.savez(path, train_idx=np.array(train), val_idx=np.array(val), test_idx=np.array(test))
    return str(path)


@pytest.mark.parametrize(
    ("parts", "sizes", "message"),
    [
        ({"train": [3, 950]}, {}, r"puts configuration 950 into train_idx, but labels.db holds 12"),
        ({"test": [12]}, {}, r"puts configuration 12 into test_idx, .* counted from 0"),
        ({"val": [-1]}, {}, r"puts configuration -1 into val_idx"),
        ({"val": np.zeros(0, int)}, {}, r"has an empty val_idx; put configurations into it"),
        ({"val": [0.5]}, {}, r"holds no train_idx, val_idx and test_idx of whole numbers"),
        (
            {},
            {"num_train": 8},
            r"num_train=8 asks for 8 .* has 2 in train_idx; set num_train",
        ),
        ({"test": [1]}, {}, r"names configuration 1 more than once"),
        ({}, {"num_val": 0.5}, r"num_val=0.5 asks for 6 .* has 1 in val_idx"),
    ],
)
def test_split_files_of_other_data(tmp_path, parts, sizes, message):
    path = save(tmp_path / "split.npz", **parts)
    with pytest.raises(InputError, match=message):
        check_split_file(path, EVERY | sizes, 12, "labels.db")


@pytest.mark.parametrize("content", [b"", b"no archive", None], ids=["empty", "text", "keys"])
def test_files_that_are_no_split_files(tmp_path, content):
    path = tmp_path / "split.npz"
    if content is None:
        np.savez(path, train_idx=[1])
    else:
        path.write_bytes(content)
    with pytest.raises(InputError, match=r"split.npz holds no train_idx, val_idx and test_idx"):
        check_split_file(str(path), EVERY, 12, "labels.db")


def test_the_module_checks_its_split_file_before_it_is_used(write, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save("split.npz", train=range(900))
    path = write()
    with pytest.raises(InputError, match=r"split_file=split.npz puts configuration 12 into"):
        GpipDataModule(path, 4, num_train=0.8, num_val=0.1).setup("fit")
    save("split.npz", test=())
    data = GpipDataModule(path, 4, num_train=2, num_val=1, num_test=0)
    data.setup("fit")
    assert (data.train_idx, data.val_idx) == ([3, 1], [0])


@pytest.mark.parametrize("sizes", [(-1, 2, 3), (7, -1, 1), (7, 4, -1)])
def test_the_rest_of_the_data_is_the_same_in_a_resumed_run(sizes, write, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path, names = write(), ("num_train", "num_val", "num_test")
    splits = []
    for _ in range(2):
        data = GpipDataModule(path, 4, **dict(zip(names, sizes, strict=True)))
        data.setup("fit")
        splits.append((data.train_idx, data.val_idx, data.test_idx))
    assert splits[0] == splits[1]


def test_elements_of_all_and_of_the_training_configurations(write, tmp_path, monkeypatch):
    """Three each of ethanol, water, methane and benzene."""
    monkeypatch.chdir(tmp_path)
    save("split.npz", train=[6, 9, 11], val=[7], test=[0, 5])
    data = GpipDataModule(write(), 4)
    data.setup("fit")
    assert data.elements == [1, 6, 8]
    assert data.train_elements == [1, 6]
