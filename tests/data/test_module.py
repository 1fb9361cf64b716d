"""Data of the data module for training: splits, and random or fixed corruption."""

import numpy as np
import pytest
import torch
from pytorch_lightning import seed_everything
from schnetpack import properties
from schnetpack.transform import CastTo32, SubtractCenterOfMass

from gpip_plugins.data import GpipDataModule
from gpip_plugins.errors import InputError
from gpip_plugins.transform import GaussianNoise, MaskAtoms, NeighborList, SubtractCenter

NOISE, MASKED = "noise", "_is_masked"


@pytest.fixture
def make(write, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = write()

    def build(*first, **settings):
        settings = {"num_train": 8, "num_val": 3, "num_test": 1, "split_file": None} | settings
        data = GpipDataModule(
            settings.pop("datapath", path),
            batch_size=settings.pop("batch_size", 4),
            load_properties=["energy"],
            transforms=[
                *first,
                SubtractCenter(),
                GaussianNoise(0.1),
                MaskAtoms(0.3),
                NeighborList(4.0),
                CastTo32(),
            ],
            **settings,
        )
        data.setup("fit")
        return data

    return build


def corruption(loader):
    """Return noise and mask of every configuration by its index in the database."""
    found = {}
    for batch in loader:
        sizes = batch[properties.n_atoms].tolist()
        parts = (batch[key].split(sizes) for key in (NOISE, MASKED, properties.Z))
        for index, *values in zip(batch[properties.idx].tolist(), *parts, strict=True):
            found[index] = values
    return found


def same(first, second):
    """Return for every configuration whether both have the same noise, mask and elements."""
    assert first.keys() == second.keys()
    return [all(torch.equal(a, b) for a, b in zip(first[k], second[k], strict=True)) for k in first]


def test_sizes_of_the_splits(make):
    data = make(num_train=0.5, num_val=0.25, num_test=None)
    assert [len(x) for x in (data.train_idx, data.val_idx, data.test_idx)] == [6, 3, 3]
    everything = [*data.train_idx, *data.val_idx, *data.test_idx]
    assert sorted(everything) == list(range(12))
    seen = [corruption(getattr(data, f"{x}_dataloader")()).keys() for x in ("train", "val", "test")]
    assert [sorted(x) for x in seen] == [
        sorted(x) for x in (data.train_idx, data.val_idx, data.test_idx)
    ]


def test_the_split_file_is_used_again(make):
    torch.manual_seed(0)
    first = make(split_file="split.npz")
    second = make(split_file="split.npz")
    assert (first.train_idx, first.val_idx) == (second.train_idx, second.val_idx)


def test_elements_of_the_data_reach_the_mask(make):
    data = make()
    assert data.elements == [1, 6, 8]
    masks = [t for t in data.train_transforms + data.val_transforms if isinstance(t, MaskAtoms)]
    assert [mask.elements.tolist() for mask in masks] == [[1, 6, 8]] * 2


@pytest.mark.parametrize("first", [[], [SubtractCenterOfMass()]], ids=["batches", "samples"])
def test_training_corruption_is_new_in_every_epoch_and_repeats_with_the_seed(make, first):
    seed_everything(1, workers=True, verbose=False)
    data = make(*first)
    epochs = [corruption(data.train_dataloader()) for _ in range(2)]
    assert not any(same(*epochs))
    seed_everything(1, workers=True, verbose=False)
    again = make(*first)
    assert all(same(epochs[0], corruption(again.train_dataloader())))
    assert all(same(epochs[1], corruption(again.train_dataloader())))


def test_validation_corruption_is_always_the_same(make):
    """For any epoch, batch, state of the generator, and for single samples."""
    reference = corruption(make().val_dataloader())
    data = make(num_train=8, val_batch_size=2)
    data_again = make(SubtractCenterOfMass(), val_batch_size=1)
    torch.manual_seed(5)
    common = set(reference)
    for loader in (data.val_dataloader(), data.val_dataloader(), data_again.val_dataloader()):
        found = corruption(loader)
        for index in common & set(found):
            assert all(
                torch.equal(a, b) for a, b in zip(reference[index], found[index], strict=True)
            )
        assert len(found) == 3


def test_fixed_corruption_differs_between_configurations(make):
    found = corruption(make(num_train=1, num_val=11, num_test=0).val_dataloader())
    noises = [noise for noise, *_ in found.values()]
    pairs = [(a, b) for k, a in enumerate(noises) for b in noises[:k] if len(a) == len(b)]
    assert len(pairs) >= 8
    assert not any(torch.allclose(a, b) for a, b in pairs)


def test_nothing_else_disturbs_the_random_numbers_of_training(make):
    def epochs(meanwhile):
        seed_everything(1, verbose=False)
        data = make(split_file="split.npz")
        return [(corruption(data.train_dataloader()), meanwhile(data))[0] for _ in range(2)]

    def other_work(data):
        torch.rand(7)
        corruption(data.val_dataloader())

    for plain, disturbed in zip(epochs(lambda _: None), epochs(other_work), strict=True):
        assert list(plain) == list(disturbed)
        assert all(same(plain, disturbed))


def test_another_corruption_seed_fixes_another_corruption(make):
    torch.manual_seed(0)
    first = make(split_file="split.npz")
    second = make(split_file="split.npz", corruption_seed=1)
    assert not any(same(corruption(first.val_dataloader()), corruption(second.val_dataloader())))


def test_noise_and_mask_do_not_share_their_random_numbers(make):
    """Both are fixed by the same seed and index; the streams must be different ones."""
    noise, mask = GaussianNoise(seed=0), MaskAtoms(seed=0)
    streams = [t._generator(3) for t in (noise, mask)]
    assert not torch.equal(*(torch.rand(8, generator=stream) for stream in streams))


def test_workers_draw_different_numbers_and_repeat_with_the_seed(make):
    def epochs():
        seed_everything(3, workers=True, verbose=False)
        data = make(batch_size=1, num_workers=2, num_val_workers=0)
        from lightning_fabric.utilities.seed import pl_worker_init_function

        loader = data.train_dataloader()
        # Lightning gives this to every loader of a run whose seed covers the workers.
        loader.worker_init_fn = pl_worker_init_function
        return [corruption(loader) for _ in range(2)]

    first, second = epochs(), epochs()
    for one, other in zip(first, second, strict=True):
        assert all(same(one, other))
    assert not any(same(*first))
    flat = [tuple(values[0].flatten().tolist()) for values in first[0].values()]
    assert len(set(flat)) == len(flat), "workers that share a seed repeat each other's noise"


TRAIN = (
    "experiment=gpip_finetune",
    "trainer.accelerator=cpu",
    "trainer.max_epochs=1",
    "model.representation.n_atom_basis=8",
    "model.representation.n_interactions=1",
    "run.id=here",
)


@pytest.mark.slow
def test_a_relative_path_means_the_folder_in_which_the_command_was_typed(
    write, run_program, tmp_path
):
    write(units={"energy": "eV", "forces": "eV/Ang"})
    (tmp_path / "deep").mkdir()
    run_program(tmp_path / "deep", "spktrain", *TRAIN, "data.datapath=../data.db")
    assert (tmp_path / "deep" / "runs" / "here" / "best_model").is_file()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("data.datapath=none.db", "none.db does not exist; give the path"),
        ("globals.forces_key=F", "has no property 'F', only ['energy', 'forces']"),
        ("data.num_train=20", "data.num_train=20, data.num_val=0.1 ask for 21 configurations"),
    ],
)
def test_mistakes_get_one_sentence_and_exit_code_one(write, run_program, tmp_path, word, sentence):
    write(units={"energy": "eV", "forces": "eV/Ang"})
    words = ["data.datapath=data.db", word] if "datapath" not in word else [word]
    assert sentence in run_program(tmp_path, "spktrain", *TRAIN, *words, code=1)[1]
    assert not (tmp_path / "runs" / "here" / "best_model").exists()


def test_a_split_file_that_the_user_names_is_used(make, tmp_path):
    np.savez(tmp_path / "mine.npz", train_idx=[3, 1], val_idx=[0], test_idx=[2])
    data = make(split_file="mine.npz", num_train=None, num_val=None, num_test=None)
    assert (data.train_idx, data.val_idx, data.test_idx) == ([3, 1], [0], [2])
    assert data.split_file == str(tmp_path / "mine.npz")


def test_a_database_has_to_be_named():
    with pytest.raises(InputError, match=r"datapath=null gives no database"):
        GpipDataModule(None, batch_size=4)


def test_a_split_file_that_is_not_there_is_no_new_split(make):
    with pytest.raises(InputError, match=r"split_file=typo.npz does not exist .* leave it out"):
        make(split_file="typo.npz")


def test_a_failed_copy_to_the_working_folder_leaves_the_database(make, tmp_path, monkeypatch):
    def fail(self):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(GpipDataModule, "_copy_to_workdir", fail)
    with pytest.raises(InputError, match=r"cannot be copied to .* \(No space left on device\)"):
        make(data_workdir=str(tmp_path))
    assert (tmp_path / "data.db").exists()
