"""Reference energies and standardised labels."""

import numpy as np
import pytest
import torch
from ase.build import molecule
from schnetpack.data import ASEAtomsData, AtomsDataModule
from schnetpack.transform import CastTo64

from gpip_plugins.data import GpipDataModule
from gpip_plugins.errors import InputError
from gpip_plugins.transform import (
    AddAtomReferences,
    RemoveAtomReferences,
    RestoreScale,
    Standardize,
)
from gpip_plugins.transform.reference_fit import find_references
from gpip_plugins.transform.training_split import TrainingLabels, training_labels

TRUE = {1: -13.6, 6: -1030.5, 8: -2042.25}


@pytest.fixture
def make_data(tmp_path):
    """Return a function that builds a data module; energies are sums of `TRUE`, plus extras."""

    def build(names, *transforms, n_train=None, cls=GpipDataModule, units=None):
        path = str(tmp_path / "labels.db")
        store = ASEAtomsData.create(path, distance_unit="Ang", property_unit_dict={"energy": "eV"})
        frames = [molecule(name) for name in names]
        energies = [np.array([sum(TRUE[z] for z in a.numbers)]) for a in frames]
        if n_train is None:  # validation needs one
            n_train = len(names)
            names, frames = [*names, names[-1]], [*frames, frames[-1]]
            energies.append(energies[-1])
        store.add_systems([{"energy": e} for e in energies], frames)
        np.savez(
            tmp_path / "split.npz",
            train_idx=np.arange(n_train),
            val_idx=np.arange(n_train, len(names)),
            test_idx=np.arange(0),
        )
        data = cls(
            path,
            batch_size=3,
            num_train=n_train,
            num_val=len(names) - n_train,
            num_test=0,
            num_workers=0,
            split_file=str(tmp_path / "split.npz"),
            transforms=list(transforms),
            property_units=units,
        )
        data.setup()
        return data, np.concatenate(energies)

    return build


@pytest.mark.parametrize("cls", [GpipDataModule, AtomsDataModule])
def test_references_of_a_synthetic_set_are_recovered_and_added_back(make_data, cls):
    names = ["H2O", "CH4", "CH3CH2OH", "CO2", "H2", "C2H4"]
    remove, add = RemoveAtomReferences("energy"), AddAtomReferences("energy")
    data, energies = make_data(names, remove, n_train=5, cls=cls)
    add.datamodule(data)
    fitted = {z: float(add.atomref[z]) for z in TRUE}
    assert fitted == pytest.approx(TRUE, abs=1e-8)
    assert float(add.atomref.abs().sum()) == pytest.approx(sum(map(abs, TRUE.values())))
    # All labels become zero, also the one outside the training set.
    for split, wanted in ((data.train_dataset, energies[:5]), (data.val_dataset, energies[5:])):
        for k, energy in enumerate(wanted):
            row = split[k]
            assert row["energy"].item() == pytest.approx(0.0, abs=1e-8)
            row = add(CastTo64()(row | {"energy": row["energy"].float()}))
            assert row["energy"].item() == pytest.approx(energy, abs=1e-3)
    assert "undetermined" not in add.account and "O -2042.25" in add.account


def test_a_batch_is_treated_as_its_configurations(make_data):
    data, energies = make_data(["H2O", "CH4", "CO2", "H2"], RemoveAtomReferences("energy"))
    batch = next(iter(data.train_dataloader()))
    assert len(batch["energy"]) == 3
    assert torch.allclose(batch["energy"], torch.zeros(3, dtype=torch.float64), atol=1e-8)
    add = AddAtomReferences("energy")
    add.datamodule(data)
    expected = energies[batch["_idx"].numpy()]
    assert add(batch)["energy"].tolist() == pytest.approx(expected.tolist())


def test_one_composition_gives_the_smallest_norm_with_a_remark(make_data):
    """n = (6, 2, 1) of H, C, O: the smallest solution is proportional to n."""
    data, energies = make_data(["CH3CH2OH"] * 4)
    fit = find_references(training_labels(data, "energy"), "fitted")
    counts = np.array([6.0, 2.0, 1.0])
    expected = energies[0] * counts / (counts @ counts)
    assert list(fit.energies.values()) == pytest.approx(expected.tolist())
    assert (fit.rank, fit.rmse) == (1, pytest.approx(0.0, abs=1e-8))
    assert "leave 2 of 3 undetermined" in str(fit) and "smallest norm" in str(fit)


def test_one_composition_takes_the_mean_unless_a_fit_is_asked_for(make_data):
    """Multiples of one composition, as in boxes of different size, are one composition."""
    data, _ = make_data(["H2O"] * 4)
    water = training_labels(data, "energy")
    mean = sum(TRUE[z] * n for z, n in ((1, 2), (8, 1))) / 3
    for references, kind in (("auto", "mean"), ("mean", "mean"), ("fitted", "fitted")):
        found = find_references(water, references)
        assert found.kind == kind and found.rmse == pytest.approx(0.0, abs=1e-8)
    assert find_references(water).energies == {z: pytest.approx(mean) for z in (1, 8)}
    Z = torch.cat([water.Z, water.Z[:3], water.Z[:3]])
    boxes = TrainingLabels(
        torch.cat([water.values, 2 * water.values[:1]]),
        Z,
        torch.cat([water.n_atoms, torch.tensor([6])]),
    )
    assert (find_references(boxes).kind, len(find_references(boxes).compositions)) == ("mean", 2)
    # Of other compositions nothing is known.
    assert find_references(boxes).undetermined([{1: 4, 8: 2}, {1: 2}, {6: 1}]) == 2


def test_energies_without_a_common_reference_are_refused(make_data):
    remedy = r"scatters by .* eV per atom .*mean per atom of 3 compositions.*references=auto\."
    with pytest.raises(InputError, match=remedy):
        make_data(
            ["H2O", "CH4", "CO2"], RemoveAtomReferences("energy", "mean"), units={"energy": "eV"}
        )
    with pytest.raises(InputError, match=r"references='median' is unknown; choose from auto, mean"):
        RemoveAtomReferences("energy", "median")


def test_references_stay_in_double_precision(make_data):
    data, _ = make_data(["H2O", "CH4", "CO2", "H2"])
    add = AddAtomReferences("energy")
    add.datamodule(data)
    exact = add.atomref.clone()
    assert torch.equal(add.to(torch.float32).half().atomref, exact)


def test_noisy_labels_are_fitted_by_least_squares():
    rng = np.random.default_rng(1)
    counts = rng.integers(1, 9, size=(400, 2))
    values = counts @ np.array([-13.0, -1000.0]) + rng.normal(scale=0.5, size=400)
    Z = torch.cat([torch.tensor([1] * h + [6] * c) for h, c in counts.tolist()])
    fit = find_references(TrainingLabels(torch.tensor(values), Z, torch.tensor(counts.sum(1))))
    # Five standard errors of least squares.
    errors = 5 * 0.5 * np.sqrt(np.diag(np.linalg.inv(counts.T @ counts)))
    difference = np.abs(np.array(list(fit.energies.values())) - [-13.0, -1000.0])
    assert (difference < errors).all() and (difference > 0).all()
    assert fit.rmse == pytest.approx(0.5, rel=0.15)


def test_an_element_without_reference_is_refused(make_data):
    with pytest.raises(InputError, match=r"hold no O, so no reference.*references=mean"):
        make_data(["CH4", "C2H4", "H2O"], RemoveAtomReferences("energy"), n_train=2)


def test_a_label_that_is_missing(make_data):
    with pytest.raises(InputError, match=r"no label 'E_dft'; name it in load_properties"):
        make_data(["CH4", "H2O"], RemoveAtomReferences("E_dft"))


def test_standardised_labels_and_their_inverse(make_data):
    names = ["H2O", "CH4", "CH3CH2OH", "CO2", "H2"]
    data, energies = make_data(names, Standardize("energy"), n_train=4)
    values = torch.cat([data.train_dataset[k]["energy"] for k in range(4)])
    assert values.mean().item() == pytest.approx(0.0, abs=1e-12)
    assert values.std(correction=0).item() == pytest.approx(1.0)
    restore = RestoreScale("energy")
    restore.datamodule(data)
    outside = data.val_dataset[0]
    assert restore(outside)["energy"].item() == pytest.approx(energies[4])


def test_a_constant_label_is_refused(make_data):
    with pytest.raises(InputError, match=r"'energy' is -1084.* in every training configuration"):
        make_data(["CH4"] * 4, Standardize("energy"))
