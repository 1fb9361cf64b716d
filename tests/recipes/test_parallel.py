"""Two ranks on one machine give the losses of one process, and neither waits for the other."""

import csv

import numpy as np
import pytest

GPIP = [
    "experiment=gpip_classical_pretrain",
    "data=configurations",
    "data.num_train=6",
    "data.num_val=6",
]
MIXTURE = ["experiment=oreo_pretrain", "model/representation=painn"]
SETTINGS = [
    "+seed=1",
    # One configuration: nothing to contrast with, and labels or noise, never both.
    "data.batch_size=1",
    "model.representation.n_atom_basis=8",
    "model.representation.n_interactions=1",
    "trainer.accelerator=cpu",
]
#: means over rows; the total is a mean over batches, whose numbers of configurations differ
PARTS = ("masked_atoms_loss", "noise_loss", "energy_loss", "forces_loss", "forces_mae")


@pytest.fixture
def spktrain(run_program):
    """Return a function that trains on CPUs in a folder and gives the rows of its curves."""

    def run(folder, *words, experiment=GPIP):
        words = (*experiment, *SETTINGS, *words, "run.id=here")
        run_program(folder, "spktrain", *words)
        with open(folder / "runs" / "here" / "curves.csv") as handle:
            return list(csv.DictReader(handle))

    return run


@pytest.mark.slow
def test_two_ranks_end_and_agree_with_one_process(spktrain, database, tmp_path):
    """A rate of zero leaves both with the same weights, in whatever order they train."""
    words = (
        f"data.datapath={database}",
        "globals.lr=0",
        "globals.contrast_weight=0",
        "trainer.max_epochs=1",
    )
    parallel = ("trainer.devices=2", "+trainer.strategy=ddp")
    np.savez(tmp_path / "s.npz", train_idx=range(5), val_idx=range(5, 11), test_idx=[11])
    words += (f"data.split_file={tmp_path / 's.npz'}", "data.num_train=5", "data.num_test=1")
    rows = []
    for name, more in (("one", ()), ("two", parallel)):
        (tmp_path / name).mkdir()
        rows.append(spktrain(tmp_path / name, *words, *more)[-1])
    one, two = rows
    for part in PARTS:
        assert float(two[f"val_{part}"]) == pytest.approx(float(one[f"val_{part}"]), rel=1e-4), part


@pytest.mark.slow
def test_weights_that_no_loss_reaches_do_not_stop_two_ranks(spktrain, database, tmp_path):
    """PaiNN's last vector layers serve nothing in the mask task; twice the epochs, resumed."""
    words = ("pretext=[mask]", "trainer.devices=2", "+trainer.strategy=ddp")
    data = (f"data.datapath={database}",)
    assert len(spktrain(tmp_path, *words, *data, "trainer.max_epochs=1")) == 1
    assert len(spktrain(tmp_path, *words, *data, "trainer.max_epochs=2")) == 2


@pytest.mark.slow
def test_a_mixture_gives_two_ranks_the_losses_of_one(spktrain, database, tmp_path):
    """Of every kind and data set, although a batch holds one kind, and one rank may lack another.

    Here both members are the same database: as minima, and with its forces.
    """
    np.savez(tmp_path / "s.npz", train_idx=range(4), val_idx=range(4, 11), test_idx=[11])
    words = [f"data.datapath={tmp_path}", "globals.lr=0", "trainer.max_epochs=1"]
    words += ["data.members.equilibrium.max_equilibrium_force=100"]
    for name in ("equilibrium", "off_equilibrium"):
        words += [f"data.members.{name}.datapath={database}"]
        words += [f"data.members.{name}.split_file={tmp_path / 's.npz'}"]
    rows = []
    for name, more in (("one", ()), ("two", ("trainer.devices=2", "+trainer.strategy=ddp"))):
        (tmp_path / name).mkdir()
        rows.append(spktrain(tmp_path / name, *words, *more, experiment=MIXTURE)[-1])
    one, two = rows
    parts = [key for key in one if key.startswith("val_") and key != "val_loss"]
    assert {"val_dft_forces_off_equilibrium_mae", "val_zero_forces_loss"} <= set(parts)
    for part in parts:
        assert float(two[part]) == pytest.approx(float(one[part]), rel=1e-4), part
