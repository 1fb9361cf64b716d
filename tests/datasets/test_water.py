"""The water of "Forces are not Enough", with a small file of the same format."""

import pickle

import numpy as np
import pytest
import torch
from schnetpack import properties

from gpip_plugins.datasets import FuWater
from gpip_plugins.datasets.water import fu_split, read_water
from gpip_plugins.errors import InputError

KCAL = 0.0433641153
N_FRAMES = 40


def content(lengths=(12.4, 12.4, 12.4)):
    """Content of water.npy, with two molecules instead of 64."""
    rng = np.random.default_rng(0)
    coords = rng.uniform(0, 12.4, (N_FRAMES, 6, 3))
    return {
        "wrapped_coords": coords.astype(np.float32),
        "unwrapped_coords": coords.astype(np.float32),
        "forces": rng.normal(0, 20, (N_FRAMES, 6, 3)).astype(np.float32),
        "velocities": np.zeros((N_FRAMES, 6, 3), np.float32),
        "lengths": np.array(lengths),
        "angles": np.array([90.0, 90.0, 90.0]),
        "raw_types": np.array([1, 2, 2] * 2),
        "atom_types": np.array([8, 1, 1] * 2),
        "bond_index": np.array([[0, 1], [0, 2]]),
        "e_steps": np.arange(N_FRAMES) * 10,
        "energy": rng.normal(-700, 5, N_FRAMES),
    }


@pytest.fixture
def source(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("water.npy", content())
    return "water.npy"


def module(source, **changes):
    settings = {"num_train": 5, "num_val": 3, "num_test": 10, "distance_unit": "Ang"}
    settings |= {"batch_size": 1, "progress": False, "split_file": None, "pin_memory": False}
    settings["load_properties"] = ["energy", "forces"]
    settings["property_units"] = {"energy": "eV", "forces": "eV/Ang"}
    return FuWater("data/water.db", source, **settings | changes)


def test_split_is_that_of_scikit_learn():
    """As Fu et al. prepare their data: the test set first, then the others from what is left."""
    split = pytest.importorskip("sklearn.model_selection").train_test_split
    everything = np.arange(101)
    pool, test = split(everything, train_size=91, test_size=10, random_state=123)
    train, val = split(pool[:24], train_size=20, test_size=4, random_state=123)
    for ours, theirs in zip(fu_split(101, 20, 4, 10), (train, val, test), strict=True):
        assert ours.tolist() == theirs.tolist()
    # Whatever the size of the training set, the test set is the same.
    assert fu_split(101, 60, 10, 10)[2].tolist() == test.tolist()


def test_frames_are_those_of_the_split_in_ev(source):
    data = module(source)
    data.prepare_data()
    data.setup()
    original, parts = content(), fu_split(N_FRAMES, 5, 3, 10)
    datasets = (data.train_dataset, data.val_dataset, data.test_dataset)
    for rows, dataset in zip(parts, datasets, strict=True):
        assert len(dataset) == len(rows)
        for row, sample in zip(rows, dataset, strict=True):
            assert sample["energy"].item() == pytest.approx(original["energy"][row] * KCAL, 1e-6)
            np.testing.assert_allclose(
                sample["forces"], original["forces"][row] * KCAL, rtol=1e-5, atol=1e-6
            )
            np.testing.assert_allclose(sample[properties.R], original["wrapped_coords"][row])
            assert sample[properties.Z].tolist() == [8, 1, 1] * 2
            torch.testing.assert_close(
                sample[properties.cell][0], 12.4 * torch.eye(3, dtype=torch.float64)
            )
            assert sample[properties.pbc].all()
    source_rows = [row.key_value_pairs["source_row"] for row in data.dataset.conn.select()]
    assert source_rows == np.concatenate(parts).tolist()


def test_cells_may_differ_from_frame_to_frame(tmp_path, source):
    lengths = 12.0 + 0.01 * np.arange(3 * N_FRAMES).reshape(N_FRAMES, 3)
    np.save("water.npy", content(lengths))
    data = module(source)
    data.prepare_data()
    data.setup()
    row = fu_split(N_FRAMES, 5, 3, 10)[0][2]
    cell = data.train_dataset[2][properties.cell][0]
    np.testing.assert_allclose(np.diag(cell), lengths[row], rtol=1e-6)


def test_a_database_of_other_sizes_is_refused(source):
    module(source).prepare_data()
    module("gone.npy").prepare_data()  # the source is needed once
    with pytest.raises(InputError, match=r"made from num_train=5, but num_train=6"):
        module(source, num_train=6).prepare_data()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_train": 30}, "ask for 43 frames, but the file holds 40"),
        ({"num_val": 0.5}, r"num_val=0\.5 is not a whole number of at least 1"),
        ({"source": "gone.npy"}, r"source=.*gone\.npy does not exist; download water\.npy"),
    ],
)
def test_wrong_settings(source, tmp_path, changes, message):
    with pytest.raises(InputError, match=message) as error:
        module(changes.pop("source", source), **changes).prepare_data()
    assert "\n" not in str(error.value)
    assert not (tmp_path / "data/water.db").exists()


def test_other_files_are_refused(tmp_path):
    def refused(value, message, name="x.npy"):
        np.save(tmp_path / name, value)
        with pytest.raises(InputError, match=message):
            read_water(str(tmp_path / name))

    refused(np.zeros(3), "is not the file water.npy of Fu et al")
    short = content()
    short["forces"] = short["forces"][:-1]
    refused(short, r"has forces of shape \(39, 6, 3\) instead of \(40, 6, 3\)")
    del short["energy"]
    refused(short, "KeyError: 'energy'")


class Trap:
    def __reduce__(self):
        return (print, ("executed",))


def test_the_pickle_runs_no_foreign_code(tmp_path, capsys):
    np.save(tmp_path / "trap.npy", np.array({"energy": Trap()}, dtype=object))
    with pytest.raises(InputError, match=r"it names builtins\.print"):
        read_water(str(tmp_path / "trap.npy"))
    assert "executed" not in capsys.readouterr().out
    assert issubclass(pickle.UnpicklingError, Exception)
