"""`spkpredict` loads a model only after the check of our loader, and weights-only."""

import os
import pickle
import warnings

import numpy as np
import pytest
import torch
from ase.build import molecule
from omegaconf import OmegaConf
from schnetpack.utils import load_model

from gpip_plugins.checkpoint.checked_prediction import CheckedPrediction
from gpip_plugins.io.ase_database import write_rows

FORCE = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"


class Touch:
    """Makes a folder when it is loaded as a pickle."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


def plant(run_folder, folder):
    """Write a model that makes the folder `made` when it is loaded as a pickle."""
    model = torch.load(run_folder / "run" / "best_model", weights_only=False)
    model.extra = Touch(folder / "made")
    torch.save(model, folder / "best_model")


@pytest.fixture
def predict(monkeypatch, tmp_path):
    """Return a function that calls the callback in a folder, as Hydra does."""
    monkeypatch.setenv(FORCE, "0")
    monkeypatch.chdir(tmp_path)
    present = torch.serialization.get_safe_globals()

    def predict(config):
        """Stand for SchNetPack's function of this name."""

    def call(**changes):
        config = OmegaConf.create({"cutoff": 4.0, "ckpt_path": None} | changes)
        CheckedPrediction().on_job_start(config, task_function=predict)

    yield call
    torch.serialization.clear_safe_globals()
    torch.serialization.add_safe_globals(present)


def test_a_checked_model_is_loaded_by_schnetpack(predict, run_folder, tmp_path):
    (tmp_path / "best_model").write_bytes((run_folder / "run" / "best_model").read_bytes())
    with pytest.raises(SystemExit, match=r"cutoff=3\.0 is shorter than .* give cutoff=4\."):
        predict(cutoff=3.0)
    predict()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert load_model("best_model").gpip_card
        # What comes after the check is weights-only too.
        plant(run_folder, tmp_path)
        with pytest.raises(pickle.UnpicklingError):
            load_model("best_model")
    assert not (tmp_path / "made").exists()


def test_foreign_and_missing_models_end_the_program_with_a_sentence(predict, run_folder, tmp_path):
    (tmp_path / "evil").mkdir()
    plant(run_folder, tmp_path / "evil")
    with pytest.raises(SystemExit, match=r"^modeldir=.*best_model does not exist"):
        predict()
    os.replace("evil/best_model", "best_model")
    with pytest.raises(SystemExit, match=r"uses posix\.mkdir"):
        predict()
    assert not (tmp_path / "evil" / "made").exists()


@pytest.mark.slow
def test_spkpredict_itself(tmp_path, run_folder, run_program):
    rows = [(molecule("H2O"), {"energy": np.zeros(1)}, {})]
    write_rows(str(tmp_path / "a.db"), rows, {"energy": "eV"})
    folder = tmp_path / "run"
    folder.mkdir()
    words = [f"datapath={tmp_path}/a.db", "modeldir=run", "outputdir=out", "cutoff=4.0"]
    words += ["trainer.accelerator=cpu", "trainer.inference_mode=false", "enable_grad=true"]
    words += ["write_interval=batch"]
    plant(run_folder, folder)
    _, errors = run_program(tmp_path, "spkpredict", *words, code=1)
    assert "uses posix.mkdir" in errors and not (folder / "made").exists()
    (folder / "best_model").write_bytes((run_folder / "run" / "best_model").read_bytes())
    run_program(tmp_path, "spkpredict", *words)
    (written,) = (folder / "out").rglob("*.pt")
    assert torch.load(written)["forces"].shape == (3, 3)
