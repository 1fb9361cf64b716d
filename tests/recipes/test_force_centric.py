"""Force-centric pre-training as its recipes run it: what is logged, learned and stored."""

import csv
import math

import numpy as np
import pytest
from ase.build import molecule
from schnetpack.data import ASEAtomsData

from gpip_plugins.potential import Potential

UNITS = {"energy": "eV", "forces": "eV/Ang"}
DATA = {
    "equilibrium": ("CH4", "H2O", "NH3"),
    "off_equilibrium": ("CH3CH2OH", "CH3OH"),
}


@pytest.fixture
def folder(tmp_path):
    """Return a folder with minima without labels and distorted molecules with forces."""
    rng = np.random.default_rng(0)
    (tmp_path / "data").mkdir()
    for name, molecules in DATA.items():
        labelled = name == "off_equilibrium"
        store = ASEAtomsData.create(
            str(tmp_path / "data" / f"{name}.db"),
            distance_unit="Ang",
            property_unit_dict=UNITS if labelled else {},
        )
        frames = [molecule(molecules[k % len(molecules)]) for k in range(24)]
        labels = [{}] * len(frames)
        if labelled:
            labels = []
            for atoms in frames:
                moved = rng.normal(scale=0.1, size=atoms.positions.shape)
                atoms.positions += moved
                labels.append({"energy": np.zeros(1), "forces": -20.0 * moved})
        store.add_systems(labels, frames)
    return tmp_path / "data"


def logged(trainer, subset="test"):
    found = {
        k.removeprefix(f"{subset}_"): v.item()
        for k, v in trainer.logged_metrics.items()
        if k.startswith(f"{subset}_")
    }
    assert all(math.isfinite(value) for value in found.values()), found
    return found


SIZES = tuple(
    f"data.members.{name}.{size}={n}"
    for name in DATA
    for size, n in (("num_train", 12), ("num_val", 6), ("num_test", 6))
)
OREO = ("experiment=oreo_pretrain", "model/representation=painn")
WHOLE = ("data.val_batch_size=12", "data.test_batch_size=12", "+data.corruption_seed=4")


@pytest.mark.gpu
def test_losses_on_a_gpu_are_those_of_the_cpu(train, folder):
    here, there = (
        logged(train(*OREO, *SIZES, *WHOLE, datapath=folder, folder=kind, accelerator=kind))
        for kind in ("cpu", "cuda")
    )
    assert there == pytest.approx(here, rel=1e-3, abs=1e-5)


def test_losses_of_every_kind_and_data_set(train, folder):
    trainer = train(*OREO, *SIZES, *WHOLE, datapath=folder)
    found = logged(trainer)
    kinds = {"dft_forces": "off_equilibrium"}
    kinds |= dict.fromkeys(("zero_forces", "approximate_forces"), "equilibrium")
    expected = {"loss"}
    for kind, name in kinds.items():
        expected |= {f"{kind}_{m}" for m in ("loss", "mae", f"{name}_loss", f"{name}_mae")}
        for metric in ("loss", "mae"):
            assert found[f"{kind}_{name}_{metric}"] == pytest.approx(found[f"{kind}_{metric}"])
    assert found.keys() == expected
    assert found["loss"] == pytest.approx(sum(found[f"{kind}_loss"] for kind in kinds), rel=1e-5)


def test_weights_enter_the_loss(train, folder):
    words = (
        "globals.dft_force_weight=3",
        "globals.zero_force_weight=0",
        "globals.denoising_force_weight=0.5",
    )
    found = logged(train(*OREO, *SIZES, *WHOLE, *words, datapath=folder))
    expected = 3 * found["dft_forces_loss"] + 0.5 * found["approximate_forces_loss"]
    assert found["loss"] == pytest.approx(expected, rel=1e-5)
    assert "zero_forces_loss" not in found


def test_batches_that_lack_a_kind(train, folder):
    """One configuration in a batch has one kind; the others contribute nothing, and no NaN."""
    trainer = train(*OREO, *SIZES, "data.val_batch_size=1", datapath=folder)
    assert math.isfinite(logged(trainer)["loss"])
    with open("run/curves.csv") as handle:
        (row,) = csv.DictReader(handle)
    assert all(math.isfinite(float(value)) for value in row.values() if value)


def test_the_ablation_uses_off_equilibrium_data_alone(train, folder):
    trainer = train("experiment=oro_pretrain", *SIZES, datapath=folder)
    assert trainer.datamodule.dataset_names == ["off_equilibrium"]
    assert {k for k in logged(trainer) if k.endswith("_loss")} == {
        "dft_forces_loss",
        "dft_forces_off_equilibrium_loss",
    }


def test_together_with_gpip(train, folder, tmp_path):
    trainer = train("experiment=gpip_oreo_pretrain", *SIZES, *WHOLE, datapath=folder)
    found = logged(trainer)
    for part in ("masked_atoms", "noise", "structure_latent", "dft_forces"):
        assert f"{part}_loss" in found and f"{part}_off_equilibrium_loss" in found
    potential = Potential(
        str(tmp_path / "run" / "best_model"), "cpu", energy_unit="eV", distance_unit="Ang"
    )
    _, (forces,) = potential.predict([molecule("CH3OH")])
    assert forces.shape == (6, 3) and np.abs(forces.sum(0)).max() < 1e-4
