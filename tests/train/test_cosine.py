"""The learning rate of a run that is resumed with another length."""

import math

import pytest
import torch
from pytorch_lightning import Callback

from gpip_plugins.train import CosineAnnealing, SafeGlobals


def cosine(epoch, length):
    return (1 + math.cos(math.pi * epoch / length)) / 2


def make(length, lr=1.0):
    optimizer = torch.optim.AdamW([torch.zeros(1)], lr=lr)
    return CosineAnnealing(optimizer, length, eta_min=0.1)


def go(scheduler, epochs):
    rates = []
    for _ in range(epochs):
        rates.append(scheduler.get_last_lr()[0])
        scheduler.optimizer.step()
        scheduler.step()
    return rates


def resume(scheduler, length):
    """Restore optimizer and scheduler in the order of Lightning."""
    fresh = make(length)
    fresh.optimizer.load_state_dict(scheduler.optimizer.state_dict())
    fresh.load_state_dict(scheduler.state_dict())
    return fresh


@pytest.mark.parametrize(("length", "done"), [(4, 4), (4, 2), (30, 10)])
def test_the_rate_follows_the_new_length_and_never_rises_again(length, done, capsys):
    old = make(length)
    go(old, done)
    new = resume(old, 20)
    assert "a cosine of 20 epochs" in capsys.readouterr().out
    rates = go(new, 20 - done)
    expected = [0.1 + 0.9 * cosine(epoch, 20) for epoch in range(done, 20)]
    assert rates == pytest.approx(expected, abs=1e-9)
    assert rates == sorted(rates, reverse=True)
    assert new.get_last_lr()[0] == pytest.approx(0.1)


def test_the_same_length_prints_nothing(capsys):
    whole = go(make(10), 10)
    old = make(10)
    first = go(old, 4)
    assert first + go(resume(old, 10), 6) == pytest.approx(whole)
    assert capsys.readouterr().out == ""


@pytest.mark.filterwarnings("ignore:The number of training batches:UserWarning")
@pytest.mark.filterwarnings("ignore:Checkpoint directory .* exists:UserWarning")
def test_a_finished_run_that_is_made_longer(make_task, make_data, make_trainer, tmp_path, capsys):
    class Rates(Callback):
        def __init__(self):
            self.rates = {}

        def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
            self.rates[trainer.current_epoch] = trainer.optimizers[0].param_groups[0]["lr"]

    def fit(max_epochs, ckpt_path=None):
        task, rates = make_task(), Rates()
        task.scheduler_cls, task.scheduler_kwargs = CosineAnnealing, {"T_max": max_epochs}
        task.schedule_monitor = None
        trainer = make_trainer(rates, SafeGlobals(), max_epochs=max_epochs)
        trainer.fit(task, datamodule=make_data(), ckpt_path=ckpt_path)
        trainer.save_checkpoint(tmp_path / "end.ckpt")
        return rates.rates

    fit(3)
    rates = fit(6, str(tmp_path / "end.ckpt"))
    assert "a cosine of 6 epochs, not 3" in capsys.readouterr().out
    assert rates == pytest.approx({k: 1e-2 * cosine(k, 6) for k in (3, 4, 5)})
