"""Two ranks decide the same, although each sees other configurations."""

import json

import pytest
from pytorch_lightning import Callback, Trainer, seed_everything
from schnetpack.train import ReduceLROnPlateau


class Record(Callback):
    """Writes the losses that a rank has seen itself, and what it has decided."""

    def __init__(self, folder):
        self.folder = folder
        self.own = []

    def on_validation_epoch_start(self, trainer, pl_module):
        self.own.append([])

    def on_validation_batch_end(self, trainer, pl_module, outputs, *args, **kwargs):
        self.own[-1].append(float(outputs["val_loss"].detach()))

    def on_fit_end(self, trainer, pl_module):
        found = {
            "own": [sum(losses) / len(losses) for losses in self.own],
            "val_loss": float(trainer.callback_metrics["val_loss"]),
            "rate": trainer.optimizers[0].param_groups[0]["lr"],
        }
        (self.folder / f"{trainer.global_rank}.json").write_text(json.dumps(found))


@pytest.fixture
def decisions(make_task, make_data, tmp_path, monkeypatch):
    """Return a function that trains on two forked processes, and gives what each has recorded."""

    def run(threshold):
        monkeypatch.chdir(tmp_path)
        seed_everything(0, verbose=False)
        plateau = {"factor": 0.5, "patience": 0, "threshold": threshold}
        task = make_task(
            scheduler_cls=ReduceLROnPlateau, scheduler_monitor="val_loss", scheduler_args=plateau
        )
        data = make_data()
        data.batch_size = 2  # DDP needs two batches on each rank
        data.val_batch_size = 1  # the mean over batches is that over configurations
        trainer = Trainer(
            accelerator="cpu",
            devices=2,
            strategy="ddp_fork",
            max_epochs=2,
            logger=False,
            num_sanity_val_steps=0,
            inference_mode=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            callbacks=[Record(tmp_path)],
        )
        trainer.fit(task, datamodule=data)
        return [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in (0, 1)]

    return run


@pytest.mark.filterwarnings("ignore:Grad strides do not match bucket view strides")
def test_a_plateau_is_the_same_on_both_ranks(decisions):
    """The threshold lies between the progress of the two: alone, one would lower its rate."""
    first = decisions(threshold=0.0)
    progress = [1.0 - rank["own"][1] / rank["own"][0] for rank in first]
    assert abs(progress[0] - progress[1]) > 1e-3
    one, two = decisions(threshold=sum(progress) / 2)
    assert one["own"] == first[0]["own"] and two["own"] == first[1]["own"]
    assert one["rate"] == two["rate"]
    assert one["val_loss"] == two["val_loss"]
    assert one["val_loss"] == pytest.approx((one["own"][1] + two["own"][1]) / 2, rel=1e-6)
