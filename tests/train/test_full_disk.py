"""On a full disk nothing half-written replaces what was there, and one sentence is said."""

import errno

import hydra
import pytest
import torch
from hydra.core.utils import JobReturn, JobStatus
from hydra.errors import HydraException
from omegaconf import OmegaConf
from pytorch_lightning.utilities.exceptions import MisconfigurationException

from gpip_plugins.errors import InputError
from gpip_plugins.train import SafeGlobals
from gpip_plugins.train.foreign_errors import sentence_of
from gpip_plugins.train.job import TrainingJob


def test_model_and_checkpoints_stay_whole(
    make_task, make_data, make_trainer, tmp_path, full_disk, monkeypatch
):
    trainer = make_trainer(SafeGlobals(), max_epochs=1)
    trainer.fit(make_task(), datamodule=make_data())
    model, last = tmp_path / "best_model", tmp_path / "checkpoints" / "last.ckpt"
    before = {path: path.read_bytes() for path in (model, last)}
    callback = trainer.checkpoint_callback
    with (
        full_disk(2000),
        pytest.raises(InputError, match=r"Writing .*last\.ckpt failed .*free"),
    ):
        trainer.save_checkpoint(last, weights_only=False)
    monkeypatch.setattr(trainer, "save_checkpoint", lambda *args, **options: None)
    with full_disk(2000), pytest.raises(InputError, match=r"Writing .*best_model failed"):
        callback._update_best_and_save(torch.tensor(-1.0), trainer, {"epoch": torch.tensor(3)})
    callback.best_model_path = str(last)
    # Room for what SchNetPack writes at the end, in its own way.
    with full_disk(2000), pytest.raises(InputError, match=r"Writing .*best_model failed"):
        callback.teardown(trainer, trainer.lightning_module, "test")
    assert {path: path.read_bytes() for path in (model, last)} == before
    assert not [file for file in tmp_path.rglob("*") if ".part" in file.name]


@pytest.mark.parametrize("number", ["ENOSPC", "EDQUOT", "EROFS", "EACCES", "EFBIG"])
def test_errors_of_the_file_system_are_told(number):
    error = OSError(getattr(errno, number), "?", "/runs/a/metrics.csv")
    assert sentence_of(error).startswith("Writing /runs/a/metrics.csv failed (")


def test_a_half_written_task_is_told_and_removed(tmp_path):
    """SchNetPack writes it itself, with an exception of PyTorch that names no file."""
    file = tmp_path / "best_model.task"
    torch.save(torch.zeros(10**3), file)
    file.write_bytes(file.read_bytes()[:2000])
    error = RuntimeError("PytorchStreamWriter failed writing file data/0: file write failed")
    job = JobReturn(status=JobStatus.FAILED, _return_value=error)
    folder = {"runtime": {"output_dir": str(tmp_path)}}
    config = OmegaConf.create({"hydra": folder, "globals": {"model_path": "best_model"}})
    TrainingJob().on_job_end(config, job)
    with pytest.raises(InputError, match=r"Writing .* failed .*quota.*free some space"):
        _ = job.return_value
    assert not file.exists()


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (MisconfigurationException("metric x is not available."), "metric x is not available; "),
        (RuntimeError("[enforce fail] can't allocate memory: 8 bytes"), "smaller data.batch_size"),
        (RuntimeError("Error(s) in loading state_dict for Task:\n size"), "does not fit the netw"),
        (ValueError('`.test(ckpt_path="best")` is set but'), "no best model"),
    ],
)
def test_what_others_say_becomes_a_sentence(error, told):
    assert told in sentence_of(error)


def test_an_object_that_hydra_cannot_create():
    node = OmegaConf.create({"task": {"_target_": "torch.nn.Linear", "n_in": 3}})
    with pytest.raises(HydraException) as raised:
        hydra.utils.instantiate(node.task)
    assert sentence_of(raised.value) == (
        "task (torch.nn.modules.linear.Linear) cannot be set up: it has no setting 'n_in'; "
        "correct this setting."
    )


def test_mistakes_of_the_code_keep_their_trace_back():
    assert sentence_of(KeyError("x")) is None and sentence_of(InputError("a=1 is b.")) is None
