"""The warm-up, auxiliary denoising, and the defaults, which change nothing."""

import pytest
import schnetpack as spk
import torch
from pytorch_lightning import Callback

from gpip_plugins.atomistic import GradientNoise, VectorNoise
from gpip_plugins.checkpoint import load_model
from gpip_plugins.errors import InputError
from gpip_plugins.task import FineTuningTask, PretextOutput
from gpip_plugins.train import CosineAnnealing, SafeGlobals
from gpip_plugins.transform import GaussianNoise

pytestmark = [pytest.mark.filterwarnings("ignore:The number of training batches:UserWarning")]


class Losses(Callback):
    """Records loss and rates of every training step, and the validation losses."""

    def __init__(self):
        self.train, self.val, self.rates = [], [], []

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        self.train.append(outputs["loss"].item())

    def on_validation_end(self, trainer, pl_module):
        self.val.append(trainer.callback_metrics["val_loss"].item())

    def on_before_optimizer_step(self, trainer, pl_module, optimizer):
        # Lightning calls this inside of optimizer.step.
        self.rates.append([group["lr"] for group in optimizer.param_groups])


def test_the_defaults_equal_schnetpacks_task_bit_by_bit(make_task, make_data, make_trainer):
    found = []
    for cls in (spk.AtomisticTask, FineTuningTask):
        losses, task = Losses(), make_task(cls=cls)
        trainer = make_trainer(losses, max_epochs=2)
        torch.manual_seed(1)
        trainer.fit(task, make_data())
        found.append(
            (losses.train, losses.val, torch.cat([p.flatten() for p in task.parameters()]))
        )
    assert found[0][:2] == found[1][:2] and len(found[0][0]) == 4
    assert torch.equal(found[0][2], found[1][2])


def test_the_warmup_scales_the_rate_of_the_scheduler_and_resumes(
    make_task, make_data, make_trainer, tmp_path
):
    """Two steps per epoch, 5 of warm-up; a cosine of 4 epochs; interrupted after 1."""

    class Interrupt(Callback):
        def on_train_epoch_end(self, trainer, pl_module):
            trainer.should_stop = True

    def fit(*callbacks, ckpt_path=None):
        losses = Losses()
        task = make_task(
            warmup_steps=5,
            layer_decay=0.5,
            scheduler_cls=CosineAnnealing,
            scheduler_args={"T_max": 4},
        )
        trainer = make_trainer(losses, SafeGlobals(), *callbacks, max_epochs=4)
        trainer.fit(task, make_data(), ckpt_path=ckpt_path)
        trainer.save_checkpoint(tmp_path / "end.ckpt")
        return losses.rates

    whole = fit()
    cosine = [1.0, 0.8535533905932737, 0.5, 0.14644660940672627]
    expected = [1e-2 * cosine[k // 2] * min(1.0, (k + 1) / 5) for k in range(8)]
    assert [rates[-1] for rates in whole] == pytest.approx(expected)
    # The ratios between the groups stay the same.
    assert all(rates[0] == pytest.approx(rates[-1] * 0.5**3) for rates in whole)
    first = fit(Interrupt())
    rest = fit(ckpt_path=str(tmp_path / "end.ckpt"))
    assert [len(first), len(rest)] == [2, 6]
    assert [r[0] for r in first + rest] == pytest.approx([r[0] for r in whole])
    assert [r[-1] for r in first + rest] == pytest.approx([r[-1] for r in whole])


PLATEAU = {"factor": 0.5, "patience": 0, "threshold": 1e9, "threshold_mode": "abs"}


@pytest.mark.parametrize("layer_decay", [1.0, 0.5])
@pytest.mark.parametrize(
    ("scheduler", "settings", "halvings"),
    [
        # The loss never decreases by this amount.
        (spk.train.ReduceLROnPlateau, PLATEAU, [0, 0, 0, 0, 1, 1, 2, 2]),
        (torch.optim.lr_scheduler.ExponentialLR, {"gamma": 0.5}, range(8)),
    ],
)
def test_a_plateau_counts_validations_and_other_schedulers_epochs(
    make_task, make_data, make_trainer, layer_decay, scheduler, settings, halvings
):
    """Two steps per epoch, a validation every second epoch."""
    losses = Losses()
    task = make_task(
        layer_decay=layer_decay,
        scheduler_cls=scheduler,
        scheduler_args=settings,
        scheduler_monitor="val_loss",
    )
    make_trainer(losses, max_epochs=8, check_val_every_n_epoch=2).fit(task, make_data())
    expected = [1e-2 * 0.5**n for n in halvings for _ in range(2)]
    assert [rates[-1] for rates in losses.rates] == pytest.approx(expected)


@pytest.mark.parametrize(("max_epochs", "expected"), [(10, 2), (600, 100)])
def test_the_default_length_of_the_warmup(make_task, make_data, make_trainer, max_epochs, expected):
    """Two steps per epoch; a tenth of a short run, 100 steps of a long one."""

    class Stop(Callback):
        def on_train_start(self, trainer, pl_module):
            trainer.should_stop = True

    task = make_task(warmup_steps=None)
    make_trainer(Stop(), max_epochs=max_epochs).fit(task, make_data())
    assert task.warmup_steps == expected


def test_a_warmup_longer_than_the_run(make_task, make_data, make_trainer):
    with pytest.raises(InputError, match=r"warmup_steps=4 is not less than the 4 steps"):
        make_trainer(max_epochs=2).fit(make_task(warmup_steps=4), make_data())
    with pytest.raises(InputError, match=r"warmup_steps=-1 is not a whole number of at least 0"):
        make_task(warmup_steps=-1)


def noisy_task(make_task, make_model, head, weight=0.1, **settings):
    # Listed first, as in the recipe of a pretext; the task moves it after the energy.
    model = make_model(settings.pop("name", "PaiNN"), heads=[head])
    output = PretextOutput("noise", torch.nn.MSELoss(), weight, selection="_is_corrupted")
    return make_task(model, auxiliaries=[output], **settings)


@pytest.mark.parametrize(("name", "kind"), [("PaiNN", VectorNoise), ("SchNet", GradientNoise)])
def test_noise_is_in_training_only_and_its_head_is_not_stored(
    make_task, make_model, make_data, make_trainer, tmp_path, capsys, name, kind
):
    batches = {"train": [], "val": []}

    class Watch(Callback):
        def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
            batches["train"].append(dict(batch))

        def on_validation_batch_start(self, trainer, pl_module, batch, *args):
            batches["val"].append(dict(batch))

    noise = GaussianNoise(sigma=0.005, only_in_training=True)
    task = noisy_task(make_task, make_model, kind(8), name=name)
    before = [p.detach().clone() for p in task.model.output_modules[1].parameters()]
    losses, data = Losses(), make_data(noise)
    trainer = make_trainer(Watch(), losses)
    trainer.fit(task, data)
    for batch in batches["train"]:
        shift = batch["_positions"] - batch["_positions_clean"]
        assert 0.003 < shift.std() < 0.007 and batch["_is_corrupted"].all()
    for batch in batches["val"]:
        assert torch.equal(batch["_positions"], batch["_positions_clean"])
        assert not batch["_is_corrupted"].any()
    assert "train_noise_loss" in trainer.callback_metrics
    assert "val_noise_loss" not in trainer.callback_metrics
    after = task.model.output_modules[1].parameters()
    assert not all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    assert "noise of 0.005 Å on the positions, labels of the clean ones" in capsys.readouterr().out
    task.save_model(str(tmp_path / "best_model"))
    stored = load_model(tmp_path / "best_model")
    assert sorted(stored.model_outputs) == ["energy", "forces"] and len(stored.output_modules) == 2
    assert len(task.model.output_modules) == 3 and "noise" in task.model.model_outputs


def test_the_loss_is_that_of_the_labels_plus_the_weighted_noise(
    make_task, make_model, make_data, make_trainer
):
    """Two weights, same first batch: totals differ by the weight difference times the loss."""
    first = {}
    for weight in (0.0, 0.1):
        torch.manual_seed(3)
        task, losses = noisy_task(make_task, make_model, VectorNoise(8), weight), Losses()
        trainer = make_trainer(losses, limit_train_batches=1, limit_val_batches=0)
        torch.manual_seed(3)
        trainer.fit(task, make_data(GaussianNoise(sigma=0.005, only_in_training=True)))
        noise_loss = trainer.callback_metrics["train_noise_loss"].item()
        first[weight] = losses.train[0]
    assert noise_loss > 0.1
    assert first[0.1] - first[0.0] == pytest.approx(0.1 * noise_loss, rel=1e-4)


def test_a_pretext_without_its_noise_is_refused(make_task, make_model, make_data, make_trainer):
    with pytest.raises(InputError, match=r"add gpip_plugins\.transform\.GaussianNoise"):
        make_trainer().fit(noisy_task(make_task, make_model, VectorNoise(8)), make_data())


def test_the_summary_names_the_source_of_weights_from_any_callback(
    make_task, make_data, make_trainer, capsys
):
    class FromElsewhere(Callback):
        def weights_from(self):
            return "elsewhere"

        def head_from(self):
            return "the head of elsewhere"

    task = make_task(freeze=["representation.embedding"])
    make_trainer(FromElsewhere()).fit(task, make_data())
    printed = capsys.readouterr().out
    assert "frozen:    representation.embedding\n" in printed
    assert "head:      the head of elsewhere" in printed
