"""Training continues from its weights; validation and checkpoints use the average."""

import pytest
import schnetpack.train
import torch
from pytorch_lightning import Callback, seed_everything

from gpip_plugins.train import ExponentialMovingAverage

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")


class Record(Callback):
    """Records the weights before and after every training batch, and in validation."""

    def __init__(self):
        self.before, self.after, self.validated = [], [], []

    def on_train_batch_start(self, trainer, pl_module, *args):
        self.before.append(weights(pl_module))

    def on_train_batch_end(self, trainer, pl_module, *args):
        self.after.append(weights(pl_module))

    def on_validation_batch_start(self, trainer, pl_module, *args):
        self.validated.append(weights(pl_module))


@pytest.fixture
def task(make_task):
    """A task at a constant rate; SchNetPack's scheduler needs a validation in every epoch."""
    seed_everything(0, verbose=False)
    task = make_task()
    task.scheduler_cls = None
    return task


def weights(task):
    return torch.cat([p.detach().flatten().clone() for p in task.model.parameters()])


def averages(record, decay):
    """Return the average after every batch; its decay is lower at the start of a run."""
    average, found = record.before[0], []
    for step, trained in enumerate(record.after, start=1):
        d = min(decay, (1 + step) / (10 + step))
        average = d * average + (1 - d) * trained
        found.append(average)
    return found


@pytest.mark.parametrize(
    ("schedule", "validated"),
    [
        ({}, (2, 4, 6)),
        ({"check_val_every_n_epoch": 2}, (4,)),
        ({"val_check_interval": 1}, (1, 2, 3, 4, 5, 6)),
    ],
    ids=["every epoch", "every other epoch", "every batch"],
)
def test_no_batch_is_undone(task, make_data, quiet_trainer, schedule, validated):
    record = Record()
    trainer = quiet_trainer(record, max_epochs=3, enable_checkpointing=False, **schedule)
    trainer.fit(task, make_data())
    assert len(record.after) == 6
    for before, after in zip(record.before[1:], record.after, strict=False):
        assert torch.equal(before, after)
    expected = averages(record, 0.9)
    per_epoch = len(record.validated) // len(validated)
    for found, step in zip(record.validated[::per_epoch], validated, strict=True):
        torch.testing.assert_close(found, expected[step - 1])


def test_schnetpacks_callback_undoes_epochs_without_validation(task, make_data, quiet_trainer):
    """If this fails, SchNetPack has fixed the fault and our callback can be removed."""
    record = Record()
    sparse = {"check_val_every_n_epoch": 4, "enable_checkpointing": False}
    trainer = quiet_trainer(record, max_epochs=3, **sparse)
    trainer.callbacks[0] = schnetpack.train.ExponentialMovingAverage(0.9)
    trainer.fit(task, make_data())
    assert torch.equal(record.before[2], record.before[0])
    assert torch.equal(record.before[4], record.before[0])


def test_checkpoints_say_whether_they_hold_the_average(task, make_data, make_trainer, tmp_path):
    trainer = make_trainer(max_epochs=3, check_val_every_n_epoch=2)
    trainer.fit(task, make_data())
    best = torch.load(trainer.checkpoint_callback.best_model_path, weights_only=False)
    last = torch.load(tmp_path / "checkpoints" / "last.ckpt", weights_only=False)
    assert (best["epoch"], last["epoch"]) == (1, 2)
    for saved, holds in ((best, True), (last, False)):
        state = saved["callbacks"][ExponentialMovingAverage.__name__]
        assert state["holds_average"] is holds
        values = [saved["state_dict"][f"model.{name}"] for name, _ in task.model.named_parameters()]
        pairs = zip(values, state["ema"]["shadow_params"], strict=True)
        same = [torch.equal(*pair) for pair in pairs]
        assert all(same) is holds
