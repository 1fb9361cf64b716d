"""Settings that Lightning refuses are named before a run starts."""

import logging

import pytest
from omegaconf import OmegaConf

from gpip_plugins.errors import InputError
from gpip_plugins.train.job import TrainingJob
from gpip_plugins.train.trainer_settings import check_trainer

USUAL = {
    "_target_": "pytorch_lightning.Trainer",
    "accelerator": "cpu",
    "devices": 1,
    "max_epochs": 10,
    "precision": 32,
}


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"accelerator": "abacus"}, r"^accelerator=abacus cannot be used: "),
        ({"strategy": "nonsense"}, r"^strategy=nonsense cannot be used: "),
        ({"precision": "quarter"}, r"^precision=quarter cannot be used: .*'16-mixed'"),
        ({"devices": 0}, r"^devices=0 "),
        ({"max_epochs": "many"}, r"^max_epochs='many' is not a whole number"),
        ({"accumulate_grad_batches": 0}, r"^accumulate_grad_batches=0 is not"),
        ({"max_time": "soon"}, r"^max_time=soon cannot be used: .*DD:HH:MM:SS"),
        ({"limit_val_batches": 7.5}, r"^limit_val_batches=7\.5 "),
        ({"colour": "red"}, r"^colour=red cannot be used: the trainer has no setting of this name"),
        # Either alone is refused.
        ({"strategy": "nonsense", "precision": "quarter"}, r"^(strategy|precision)=\w+ cannot"),
    ],
)
def test_the_setting_is_named(wrong, told):
    with pytest.raises(InputError, match=told):
        check_trainer(USUAL | wrong)


def test_usual_settings_pass_in_silence(caplog):
    check_trainer(USUAL | {"strategy": "ddp", "devices": 2, "max_time": "00:01:00:00"})
    assert not caplog.records and not logging.root.manager.disable


@pytest.fixture
def start(tmp_path, monkeypatch):
    """Return a function that starts a run with some settings; its configuration."""
    monkeypatch.chdir(tmp_path)

    def run(**settings):
        config = OmegaConf.create(
            {
                "hydra": {"run": {"dir": "runs/a"}, "runtime": {"cwd": str(tmp_path)}},
                "trainer": USUAL,
                "run": {"ckpt_path": None},
                "task": {"optimizer_cls": "torch.optim.Adam", "scheduler_cls": None},
            }
        )
        for key, value in settings.items():
            OmegaConf.update(config, key, value)
        monkeypatch.setattr("gpip_plugins.train.job.HydraConfig.set_config", lambda *_: None)
        TrainingJob().on_run_start(config)
        return config

    return run


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("trainer.precision", "quarter", "trainer.precision=quarter cannot be used"),
        ("task.optimizer_cls", "torch.optim.Eve", "task.optimizer_cls=torch.optim.Eve is no class"),
        ("task.scheduler_cls", "nose", "task.scheduler_cls=nose is no class"),
        ("task.scheduler_cls", "math.pi", "task.scheduler_cls=math.pi is no class"),
        ("run.ckpt_path", "x.ckpt", "/x.ckpt does not exist; give a file of"),
        ("hydra.run.dir", "/proc/no/run", "cannot be made"),
    ],
)
def test_a_run_does_not_start(start, key, value, told):
    with pytest.raises(SystemExit) as end:
        start(**{key: value})
    assert told in str(end.value)


def test_a_new_run_starts(start):
    assert start()["run"]["ckpt_path"] is None
