"""Report of test configurations that occur in the training data."""

import inspect
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from ase.build import molecule
from ase.io import write
from omegaconf import OmegaConf
from schnetpack.data import ASEAtomsData, AtomsDataModule

import gpip_plugins
from gpip_plugins.data import GpipDataModule
from gpip_plugins.errors import InputError
from gpip_plugins.train import CheckLeakage


@pytest.fixture
def trainer(tmp_path, monkeypatch):
    """Return a function that makes a trainer whose first test configuration is also trained on."""
    monkeypatch.chdir(tmp_path)
    frames = [molecule(name) for name in ("CH4", "H2O", "NH3", "CH3OH")]
    twin = molecule("CH4")
    twin.positions = -twin.positions[[0, 2, 1, 4, 3]] + 5.0
    store = ASEAtomsData.create("a.db", distance_unit="Ang", property_unit_dict={})
    store.add_systems([{}] * 5, [*frames, twin])
    np.savez("s.npz", train_idx=[0, 1], val_idx=[2], test_idx=[4, 3])

    def build(kind=GpipDataModule, **settings):
        settings |= {"split_file": "s.npz", "num_train": 2, "num_val": 1, "num_workers": 0}
        data = kind("a.db", 1, **settings)
        data.setup()
        return SimpleNamespace(datamodule=data, is_global_zero=True)

    return build


@pytest.mark.parametrize("kind", [GpipDataModule, AtomsDataModule])
def test_training_and_pretraining_are_compared(trainer, kind, capsys):
    write("pretraining.xyz", [molecule("CH3OH"), molecule("CH4")])
    callback = CheckLeakage(["pretraining.xyz"])
    callback.setup(trainer(kind), None, "fit")
    assert callback.leakage.shared == {
        "the training set": [(0, 0)],
        "pretraining.xyz": [(0, 1), (1, 0)],
    }
    assert "2 of 2 configurations of the test set also occur" in capsys.readouterr().out


def test_a_run_can_be_refused(trainer):
    with pytest.raises(InputError, match="1 of 2 test configurations occur in the training"):
        CheckLeakage(refuse=True).setup(trainer(), None, "fit")


@pytest.mark.parametrize("kind", [GpipDataModule, AtomsDataModule])
def test_a_training_in_other_units_of_length(trainer, kind):
    write("pretraining.xyz", [molecule("CH3OH"), molecule("CH4")])
    callback = CheckLeakage(["pretraining.xyz"])
    callback.setup(trainer(kind, distance_unit="Bohr"), None, "fit")
    assert callback.leakage.leaked == [0, 1]


def test_settings_are_checked_before_anything_is_read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"^against=missing\.xyz does not exist"):
        CheckLeakage("missing.xyz")
    with pytest.raises(InputError, match=r"tolerance=1\.0 is not a number above 0 .* 0\.1"):
        CheckLeakage(tolerance=1.0)


def test_the_recipe_shows_the_defaults():
    recipes = Path(gpip_plugins.__file__).parent.parent / "recipes" / "train"
    settings = OmegaConf.load(recipes / "callbacks" / "leakage.yaml").leakage
    defaults = inspect.signature(CheckLeakage).parameters
    for name in ("tolerance", "refuse"):
        assert float(settings[name]) == defaults[name].default
    assert list(settings.against) == list(defaults["against"].default)
