"""The pre-training task: sum of losses, logs, selection of rows, stopped gradients."""

import numpy as np
import pytest
import torch
import torchmetrics
from ase.build import molecule
from pytorch_lightning import Trainer, seed_everything
from schnetpack import properties as spk
from schnetpack.atomistic import PairwiseDistances
from schnetpack.data import ASEAtomsData
from schnetpack.model import NeuralNetworkPotential
from schnetpack.nn import CosineCutoff, GaussianRBF
from schnetpack.representation import PaiNN
from torch import nn

from gpip_plugins import properties
from gpip_plugins.atomistic import Contrastive, MaskedAtoms, VectorNoise
from gpip_plugins.data import GpipDataModule
from gpip_plugins.errors import InputError
from gpip_plugins.nn import NTXentLoss, ScaledCosineError
from gpip_plugins.task import PretextOutput, PretrainingTask
from gpip_plugins.train import ExponentialMovingAverage, ModelCheckpoint, SafeGlobals
from gpip_plugins.transform import (
    GaussianNoise,
    MaskAtoms,
    NeighborList,
    SubtractCenter,
)

N, CUTOFF = 16, 4.0
NAMES = (properties.masked_atoms, properties.noise, properties.structure_latent)

pytestmark = [
    # The small data set has fewer batches than Lightning logs by default.
    pytest.mark.filterwarnings("ignore:The number of training batches:UserWarning"),
    pytest.mark.filterwarnings("ignore:Checkpoint directory .* exists:UserWarning"),
]


@pytest.fixture
def make_data(tmp_path, monkeypatch):
    """Return a function that builds the data: 48 distorted molecules of three kinds."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    store = ASEAtomsData.create("frames.db", distance_unit="Ang", property_unit_dict={})
    frames = []
    for name in ("CH3CH2OH", "CH3COOH", "CH3NO2") * 16:
        frames.append(molecule(name))
        frames[-1].positions += rng.normal(scale=0.03, size=frames[-1].positions.shape)
    store.add_systems([{}] * len(frames), frames)

    def build(**settings):
        return GpipDataModule(
            "frames.db",
            load_properties=[],
            split_file="split.npz",
            transforms=[
                SubtractCenter(),
                GaussianNoise(0.1),
                MaskAtoms(0.3, random_rate=0.0),
                NeighborList(CUTOFF),
            ],
            **({"batch_size": 16, "num_train": 32, "num_val": 13, "num_test": 3} | settings),
        )

    return build


def make_task(weights=(1.0, 0.7, 0.3), embedding=False, lr=5e-3, detach=True):
    torch.manual_seed(0)
    model = NeuralNetworkPotential(
        PaiNN(N, 2, GaussianRBF(8, CUTOFF), CosineCutoff(CUTOFF)),
        [PairwiseDistances()],
        [MaskedAtoms(N, CUTOFF, n_out=N if embedding else 100), VectorNoise(N), Contrastive(N)],
    ).double()
    masked_target = properties.embedding_clean if embedding else properties.Z_clean
    outputs = [
        PretextOutput(
            NAMES[0],
            ScaledCosineError(1.0),
            weights[0],
            target_property=masked_target,
            selection=properties.is_masked,
        ),
        PretextOutput(NAMES[1], nn.MSELoss(), weights[1]),
        PretextOutput(
            NAMES[2], NTXentLoss(0.5), weights[2], target_property=properties.geometry_latent
        ),
    ]
    return PretrainingTask(model, outputs, optimizer_args={"lr": lr})


def make_trainer(folder, *callbacks, **settings):
    settings = {"max_epochs": 1, "log_every_n_steps": 1} | settings
    return Trainer(
        accelerator="cpu",
        logger=False,
        inference_mode=False,
        num_sanity_val_steps=0,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=str(folder),
        enable_checkpointing=any(isinstance(c, ModelCheckpoint) for c in callbacks),
        callbacks=list(callbacks),
        **settings,
    )


@pytest.fixture
def batch(make_data):
    data = make_data()
    data.setup("fit")
    torch.manual_seed(0)
    return next(iter(data.train_dataloader()))


def logged_step(task, batch):
    """Return the loss of one training step and the logged values."""
    logged = {}
    task.log = lambda name, value, **_: logged.setdefault(name, value)
    loss = task.training_step(dict(batch), 0)
    means = {k: v.compute() for k, v in logged.items() if k != "train_loss"}
    return loss, means | {"train_loss": logged["train_loss"].detach()}


def test_the_loss_is_the_weighted_sum_of_the_logged_parts(batch):
    """Equation (3); alpha 0.7, beta 0.3."""
    loss, logged = logged_step(make_task((1.0, 0.7, 0.3)), batch)
    parts = [logged[f"train_{name}_loss"] for name in NAMES]
    assert all(part > 0 for part in parts)
    expected = parts[0] + 0.7 * parts[1] + 0.3 * parts[2]
    torch.testing.assert_close(loss.detach(), expected)
    assert logged["train_loss"] == loss


def test_parts_are_the_losses_of_the_selected_rows(batch):
    """Each part is computed by hand from predictions and targets."""
    task = make_task()
    _, logged = logged_step(task, batch)
    pred = task.predict_without_postprocessing(dict(batch))
    masked = batch[properties.is_masked]
    assert 0 < int(masked.sum()) < len(masked)
    x = pred[properties.masked_atoms][masked]
    cosine = x.gather(1, batch[properties.Z_clean][masked][:, None])[:, 0] / x.norm(dim=1)
    squares = (pred["noise"] - batch["noise"]).square().mean()
    expected = {"masked_atoms": (1 - cosine).mean(), "noise": squares}
    for name, value in expected.items():
        assert logged[f"train_{name}_loss"].item() == pytest.approx(value.item(), rel=1e-6)


def test_a_weight_of_zero_switches_a_task_off(batch):
    alone, logged = logged_step(make_task((0.0, 1.0, 0.0)), batch)
    assert logged.keys() == {"train_loss", "train_noise_loss"}
    everything, _ = logged_step(make_task((1.0, 1.0, 1.0)), batch)
    torch.testing.assert_close(alone.detach(), logged["train_noise_loss"])
    assert everything > alone


@pytest.mark.parametrize(
    ("weights", "sentence"),
    [([], "no loss to train on"), ([0, 0], "no loss to train on"), ([1, -1], "loss_weight=-1 of")],
)
def test_weights_that_train_nothing_or_reward_errors(weights, sentence):
    with pytest.raises(InputError, match=sentence):
        outputs = [PretextOutput("noise", nn.MSELoss(), loss_weight=w) for w in weights]
        PretrainingTask(make_task().model, outputs, optimizer_cls=torch.optim.Adam)


def test_a_selection_of_atoms_selects_configurations_for_an_energy():
    output = PretextOutput("energy", nn.MSELoss(), selection=properties.is_labelled)
    batch = {
        spk.n_atoms: torch.tensor([2, 1, 3]),
        properties.is_labelled: torch.tensor([False, False, True, False, False, False]),
        "energy": torch.tensor([1.0, 2.0, 3.0]),
    }
    loss, n_rows = output.loss_and_rows({"energy": torch.zeros(3)}, batch)
    assert (loss.item(), n_rows) == (4.0, 1)


def test_a_metric_without_rows_is_not_logged_as_an_error_of_zero():
    metric = torchmetrics.MeanAbsoluteError()
    output = PretextOutput(
        "energy", nn.MSELoss(), selection=properties.is_labelled, metrics={"mae": metric}
    )
    task = make_task()
    task.outputs = nn.ModuleList([output])
    logged = {}
    task.log = lambda name, value, **_: logged.setdefault(name, value)
    pred = {"energy": torch.ones(2)}
    batch = {spk.n_atoms: torch.tensor([1, 1]), "energy": torch.zeros(2)}
    task.log_metrics(pred, batch | {properties.is_labelled: torch.tensor([False] * 2)}, "val")
    assert not logged
    task.log_metrics(pred, batch | {properties.is_labelled: torch.tensor([True, False])}, "val")
    assert logged["val_energy_mae"].compute() == 1.0


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"name": "nose"}, "'nose' is predicted by no output module .*noise.*correct its name"),
        ({"selection": "_is_corruptd"}, r"selection=_is_corruptd.*one of _is_corrupted, _is_mask"),
        (
            {"selection": properties.is_labelled},
            "_is_labelled.*add .*SelectCorrupted to transforms",
        ),
        ({"target_property": "energi"}, "target_property=energi.*with load_properties"),
    ],
)
def test_a_key_that_nothing_writes_is_refused(make_data, tmp_path, settings, sentence):
    task = make_task()
    settings = {"name": properties.noise, "loss_fn": nn.MSELoss()} | settings
    task.outputs = nn.ModuleList([PretextOutput(**settings)])
    task.training_step = lambda *_: pytest.fail("training has begun")
    with pytest.raises(InputError, match=sentence):
        make_trainer(tmp_path).fit(task, datamodule=make_data())


def test_the_embedding_as_target_has_no_gradient(batch):
    """The target is the clean row; only the inputs give the table a gradient."""
    task = make_task((1.0, 0.0, 0.0), embedding=True)
    target = task.targets(batch)[properties.embedding_clean]
    weight = task.model.representation.embedding.weight
    assert torch.equal(target, weight[batch[properties.Z_clean]])
    assert not target.requires_grad
    # All atoms are masked: only the row of the token enters the network.
    batch[properties.is_masked] = torch.ones_like(batch[properties.is_masked])
    batch[spk.Z] = torch.zeros_like(batch[spk.Z])
    loss, _ = logged_step(task, batch)
    loss.backward()
    assert not weight.grad[1:].any()


@pytest.mark.slow
def test_without_stopped_gradient_the_rows_collapse(make_data):
    """The rows of all elements become equal and the loss vanishes."""

    class Unstopped(PretrainingTask):
        def targets(self, batch):
            rows = self.model.representation.embedding(batch[properties.Z_clean])
            return {**batch, properties.embedding_clean: rows}

    data = make_data()
    data.setup("fit")

    def train(kind):
        task = make_task((1.0, 0.0, 0.0), embedding=True)
        task.__class__ = kind
        task.log = lambda *args, **_: None
        optimizer = torch.optim.Adam(task.parameters(), 2e-2)
        for _ in range(100):
            for batch in data.train_dataloader():
                optimizer.zero_grad()
                loss = task.training_step(dict(batch), 0)
                loss.backward()
                optimizer.step()
        rows = task.model.representation.embedding.weight[[1, 6, 7, 8]].detach()
        cosine = nn.functional.cosine_similarity(rows[:, None], rows[None], dim=-1)
        return loss.item(), cosine[~torch.eye(4, dtype=torch.bool)].mean().item()

    (loss, alike), (vanished, collapsed) = map(train, (PretrainingTask, Unstopped))
    assert alike < 0.3 < 0.6 < collapsed
    assert vanished < 0.2 * loss


def test_validation_gives_the_same_loss_every_time(make_data, tmp_path):
    """Also in batches of another size; only the contrast depends on the batch size."""
    found = []
    for seed, batch_size in ((1, 13), (2, 13), (3, 5)):
        seed_everything(seed, verbose=False)
        trainer = make_trainer(tmp_path)
        data = make_data(val_batch_size=batch_size)
        found.append(trainer.validate(make_task(), datamodule=data, verbose=False)[0])
    assert found[0] == found[1]
    for name in NAMES[:2]:
        assert found[2][f"val_{name}_loss"] == pytest.approx(found[0][f"val_{name}_loss"])


@pytest.fixture
def fit(make_data, tmp_path):
    """Return a function that trains in a folder and returns the results."""

    def run(folder, max_epochs, *callbacks, resume=False):
        seed_everything(4, verbose=False)
        checkpoint = ModelCheckpoint(
            model_path=str(tmp_path / folder / "best_model"),
            monitor="val_loss",
            dirpath=str(tmp_path / folder),
        )
        (tmp_path / folder).mkdir(exist_ok=True)
        trainer = make_trainer(
            tmp_path, checkpoint, *callbacks, SafeGlobals(), max_epochs=max_epochs
        )
        data = make_data(batch_size=8)
        path = str(tmp_path / folder / "last.ckpt") if resume else None
        trainer.fit(make_task(), datamodule=data, ckpt_path=path)
        return trainer

    return run


@pytest.mark.parametrize("averages", [False, True], ids=["plain", "averaged"])
def test_a_resumed_run_equals_one_without_interruption(fit, averages):
    """Bit for bit: order, noise and masks are those of the remaining epochs."""

    def run(*settings, **more):
        callbacks = [ExponentialMovingAverage(0.9)] if averages else []
        trainer = fit(*settings, *callbacks, **more)
        shadow = callbacks[0].ema.shadow_params if averages else []
        return trainer, [*trainer.model.parameters(), *shadow]

    _, whole = run("whole", 3)
    run("parts", 1)
    trainer, resumed = run("parts", 3, resume=True)
    assert (trainer.current_epoch, trainer.global_step) == (3, 12)
    for one, other in zip(whole, resumed, strict=True):
        assert torch.equal(one, other)


@pytest.mark.slow
@pytest.mark.parametrize("pretext", range(3), ids=NAMES)
def test_a_short_fit_lowers_the_fixed_validation_loss(make_data, tmp_path, pretext):
    seed_everything(0, verbose=False)
    weights = [float(k == pretext) for k in range(3)]
    task = make_task(tuple(weights))
    data = make_data()
    key = f"val_{NAMES[pretext]}_loss"
    before = make_trainer(tmp_path).validate(task, datamodule=data, verbose=False)[0]
    make_trainer(tmp_path, max_epochs=40).fit(task, datamodule=data)
    after = make_trainer(tmp_path).validate(task, datamodule=data, verbose=False)[0]
    # Noise of eight atoms: its rotation of the molecule cannot be predicted.
    factor = {0: 0.8, 1: 0.85, 2: 0.9}[pretext]
    assert after[key] < factor * before[key] or (pretext == 2 and after[key] < before[key] - 0.2)
