"""The table and the picture of a run."""

import csv
import math

import pytest
import torch
from PIL import Image
from pytorch_lightning import Callback

from gpip_plugins.train import LossCurves, SafeGlobals, draw
from gpip_plugins.train.loss_curves import panels_of

pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore:.*LeafSpec.*:FutureWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


def table(folder):
    with open(folder / "curves.csv", newline="") as handle:
        return list(csv.DictReader(handle))


class BatchLosses(LossCurves):
    """Also records the loss of every training batch."""

    state_key = "LossCurves"

    def __init__(self, folder):
        super().__init__(folder)
        self.losses = []

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        super().on_train_batch_end(trainer, pl_module, outputs, batch, batch_idx)
        self.losses.append(float(outputs["loss"]))


def test_rows_of_a_resumed_run(make_task, make_data, make_trainer, tmp_path):
    first = BatchLosses(tmp_path)
    make_trainer(first, SafeGlobals(), max_epochs=2).fit(make_task(), make_data())
    rows = table(tmp_path)
    assert [row["epoch"] for row in rows] == ["0", "1"]
    assert [row["step"] for row in rows] == ["2", "4"]
    # The training loss is the mean over the two batches of the epoch.
    mean = sum(first.losses[2:4]) / 2
    assert math.isclose(float(rows[1]["train_loss"]), mean, rel_tol=1e-5)
    assert float(rows[1]["val_forces_mae"]) > 0

    trainer = make_trainer(LossCurves(tmp_path), SafeGlobals(), max_epochs=3)
    task, data = make_task(), make_data()
    trainer.fit(task, data, ckpt_path=str(tmp_path / "checkpoints" / "last.ckpt"))
    assert [row["epoch"] for row in table(tmp_path)] == ["0", "1", "2"]
    assert table(tmp_path)[0] == rows[0]
    with Image.open(tmp_path / "curves.png") as image:
        image.verify()
    assert not list(tmp_path.glob(".*"))


def test_a_metric_of_some_batches_only_is_averaged_over_those(
    make_task, make_data, make_trainer, tmp_path
):
    class Rare(Callback):
        def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
            if batch_idx == 0:
                pl_module.log("train_rare", torch.tensor(float(trainer.global_step)))

    curves = LossCurves(tmp_path)
    make_trainer(Rare(), curves, SafeGlobals(), max_epochs=2).fit(make_task(), make_data())
    assert [float(row["train_rare"]) for row in table(tmp_path)] == [0.0, 2.0]
    assert curves._counts["train_rare"] == 1 and curves._counts["train_loss"] == 2


def test_averages_that_the_task_made_are_recorded(make_task, make_data, make_trainer, tmp_path):
    task = make_task()
    inner = task.training_step

    def step(batch, batch_idx):
        value = float(10 * task.current_epoch + batch_idx + 1)
        task.log("train_noise_loss", value, on_step=False, on_epoch=True)
        task.log("train_both", value, on_step=True, on_epoch=True)
        return inner(batch, batch_idx)

    task.training_step = step
    make_trainer(LossCurves(tmp_path), max_epochs=2).fit(task, make_data())
    for name in ("train_noise_loss", "train_both"):
        assert [float(row[name]) for row in table(tmp_path)] == pytest.approx([1.5, 11.5])
    assert not [name for name in table(tmp_path)[0] if name.endswith(("_step", "_epoch"))]


def test_pictures_are_drawn_seldom_and_at_the_end(
    make_task, make_data, make_trainer, tmp_path, monkeypatch
):
    drawn = []
    inner = draw
    monkeypatch.setattr(
        "gpip_plugins.train.loss_curves.draw",
        lambda rows, *args: drawn.append(len(rows)) or inner(rows, *args),
    )
    curves = LossCurves(tmp_path, seconds_between_pictures=1000.0)
    make_trainer(curves, max_epochs=3).fit(make_task(), make_data())
    assert drawn == [1, 3]


def test_several_data_sets_share_a_panel():
    names = ["forces_mae", "forces_ani1x_mae", "forces_qm7x_mae", "zero_mae", "zero_qm9_mae"]
    rows = [
        {"epoch": e, "train_forces_mae": 2.0, "train_zero_mae": 2.0}
        | {f"val_{name}": 1.0 + e for name in names}
        for e in range(3)
    ]
    figure = draw(rows, {"forces": "DFT forces"})
    panels = {axes.get_title(): axes for axes in figure.axes}
    assert list(panels) == ["DFT forces", "zero"]
    labels = [text.get_text() for text in panels["DFT forces"].get_legend().get_texts()]
    assert labels == ["training", "validation", "qm7x", "ani1x"]
    assert len(panels["zero"].lines) == 2  # one data set is the whole


def test_panels_titles_units_and_axes():
    rows = [
        {
            "epoch": epoch,
            "train_loss": 3.0 / (epoch + 1),
            "val_loss": 2.0 / (epoch + 1),
            "val_noise_loss": 1.0 / (epoch + 1),
            "val_structure_latent_loss": 0.5 - epoch,
            "val_forces_mae": math.nan if epoch == 1 else 0.1,
        }
        for epoch in range(3)
    ]
    assert list(panels_of(rows[0])) == [
        "loss",
        "forces_mae",
        "noise_loss",
        "structure_latent_loss",
    ]
    figure = draw(rows, {"structure_latent": "contrast"}, {"forces": "eV/Å"})
    axes = {ax.get_title(): ax for ax in figure.axes}
    assert list(axes) == ["total loss", "forces", "noise", "contrast"]
    assert axes["forces"].get_ylabel() == "MAE (eV/Å)"
    assert axes["noise"].get_yscale() == "log"
    # The contrast loss can be negative, which a logarithm cannot show.
    assert axes["contrast"].get_yscale() == "linear"
    assert len(axes["total loss"].lines) == 2 and len(axes["noise"].lines) == 1
    assert list(axes["forces"].lines[0].get_xdata()) == [1, 3]


def test_state_survives_a_weights_only_file(tmp_path):
    curves = LossCurves(tmp_path)
    curves.rows = [{"epoch": 0, "val_loss": 0.5}]
    torch.save(curves.state_dict(), tmp_path / "state")
    again = LossCurves(tmp_path)
    again.load_state_dict(torch.load(tmp_path / "state", weights_only=True))
    assert again.rows == curves.rows
    # Testing restores the best checkpoint; the table must not shrink with it.
    again.load_state_dict({"rows": []})
    assert again.rows == curves.rows
