"""Start from a pre-trained representation: loading and refusals."""

import pytest
import torch
from pytorch_lightning import Callback
from schnetpack.train import ExponentialMovingAverage

from gpip_plugins.atomistic import GradientNoise, VectorNoise
from gpip_plugins.checkpoint import load
from gpip_plugins.errors import InputError
from gpip_plugins.potential import Card
from gpip_plugins.train import PretrainedRepresentation, SafeGlobals, transfer
from gpip_plugins.train.transfer_report import report

pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore:.*LeafSpec.*:FutureWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

SAME = {"representation": "representation"}


class FirstBatch(Callback):
    """Copies the weights at the first training batch, and the EMA's shadow."""

    def __init__(self):
        self.weights = None

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        if self.weights is None:
            self.weights = weights(pl_module.model)
            ema = next(c for c in trainer.callbacks if isinstance(c, ExponentialMovingAverage)).ema
            names = [name for name, _ in pl_module.model.named_parameters()]
            self.shadow = dict(zip(names, (s.clone() for s in ema.shadow_params), strict=True))


def weights(model):
    return {key: value.detach().clone() for key, value in model.state_dict().items()}


def of_representation(tensors):
    return {key: value for key, value in tensors.items() if key.startswith("representation.")}


@pytest.fixture
def saved(make_model, tmp_path):
    """Return a function that stores a model and returns its path."""

    def save(*args, **settings):
        model = make_model(*args, **settings)
        torch.save(model, tmp_path / "source")
        return tmp_path / "source", model

    return save


def test_weights_at_first_batch_and_ema_shadow_equal_the_file(
    saved, make_task, make_data, make_trainer, capsys
):
    path, source = saved()
    task, first = make_task(), FirstBatch()
    head = weights(task.model)["output_modules.0.outnet.0.weight"]
    make_trainer(PretrainedRepresentation(path), first).fit(task, make_data())

    for name, value in of_representation(weights(source)).items():
        torch.testing.assert_close(first.weights[name], value, rtol=0, atol=0)
        if name in first.shadow:
            torch.testing.assert_close(first.shadow[name], value, rtol=0, atol=0)
    assert "representation.embedding.weight" in first.shadow
    # The head is new, not from the file.
    torch.testing.assert_close(first.weights["output_modules.0.outnet.0.weight"], head)

    printed = capsys.readouterr().out
    assert load(path).sha256 in printed
    assert "representation.embedding.weight (100, 8)" in printed
    assert "newly initialised" in printed and "output_modules.0.outnet.0.weight (4, 8)" in printed
    assert "settings: the same" in printed


@pytest.mark.parametrize("told", [True, False])
def test_a_run_that_resumes_keeps_its_own_weights(
    saved, make_task, make_data, make_trainer, tmp_path, capsys, told
):
    """Also without `ckpt_path`: Lightning restores the checkpoint after `setup`."""
    path, source = saved()
    make_trainer(PretrainedRepresentation(path), SafeGlobals()).fit(make_task(), make_data())
    last = str(tmp_path / "checkpoints" / "last.ckpt")
    # SchNetPack's checkpoints hold the averaged weights.
    expected = load(last).state_dict["representation.embedding.weight"]
    assert not torch.equal(expected, source.representation.embedding.weight)
    capsys.readouterr()

    callback = PretrainedRepresentation(path, ckpt_path=last if told else None)
    first = FirstBatch()
    trainer = make_trainer(callback, first, SafeGlobals(), max_epochs=2)
    trainer.fit(make_task(), make_data(), ckpt_path=last)
    assert callback.transfer is None
    assert "Resuming" in capsys.readouterr().out
    shadow = first.shadow["representation.embedding.weight"]
    torch.testing.assert_close(shadow, expected, rtol=0, atol=0)


def test_a_resuming_run_does_not_need_the_file(make_task, make_trainer, capsys):
    callback = PretrainedRepresentation("moved_away", ckpt_path="checkpoints/last.ckpt")
    callback.setup(make_trainer(), make_task(), "fit")
    assert callback.transfer is None


@pytest.mark.parametrize("name", ["SchNet", "PaiNN", "SO3net", "FieldSchNet"])
def test_every_representation_of_schnetpack(saved, make_model, name):
    path, source = saved(name)
    model = make_model(name)
    result = transfer(load(path), model, SAME)
    expected = of_representation(source.state_dict())
    assert set(result.loaded) | set(result.kept) == set(expected)
    for key, value in of_representation(model.state_dict()).items():
        torch.testing.assert_close(value, expected[key], rtol=0, atol=0)


@pytest.mark.parametrize("form", ["task", "model", "representation"])
def test_state_dicts_with_and_without_prefix(make_model, tmp_path, form):
    source, model = make_model(), make_model()
    tensors = {
        "task": {f"model.{key}": value for key, value in source.state_dict().items()},
        "model": source.state_dict(),
        "representation": source.representation.state_dict(),
    }[form]
    torch.save(tensors, tmp_path / "weights.pt")
    transfer(load(tmp_path / "weights.pt"), model, SAME)
    for key, value in of_representation(model.state_dict()).items():
        torch.testing.assert_close(value, source.state_dict()[key], rtol=0, atol=0)


def test_heads_are_taken_over_on_demand(saved, make_model):
    path, source = saved()
    model = make_model()
    result = transfer(load(path), model, SAME | {"output_modules.0": "output_modules.0"})
    for key, value in source.state_dict().items():
        torch.testing.assert_close(model.state_dict()[key], value, rtol=0, atol=0)
    assert not result.fresh


def test_the_fitting_head_is_found_and_taken_over(saved, make_task):
    path, source = saved()
    source.output_modules.insert(0, VectorNoise(8))
    source.output_modules.append(GradientNoise(8))
    source.output_modules.pop(1)
    torch.save(source, path)
    task = make_task()
    callback = PretrainedRepresentation(path, head=True)
    callback.setup(None, task, "fit")
    torch.testing.assert_close(
        task.model.output_modules[0].state_dict(), source.output_modules[2].state_dict()
    )
    assert not callback.transfer.fresh


def test_a_head_that_is_not_unique_must_be_named(saved, make_task):
    path, source = saved()
    source.output_modules.append(GradientNoise(8))
    torch.save(source, path)
    with pytest.raises(InputError, match=r"head=true finds 2 output modules .*output_modules\.2"):
        PretrainedRepresentation(path, head=True).setup(None, make_task(), "fit")
    task = make_task()
    PretrainedRepresentation(path, head="output_modules.2").setup(None, task, "fit")
    torch.testing.assert_close(
        task.model.output_modules[0].state_dict(), source.output_modules[2].state_dict()
    )


@pytest.mark.parametrize(
    "settings, words",
    [
        ({"n_atom_basis": 16}, "n_atom_basis is 16 here and 8 there"),
        ({"n_interactions": 2}, "n_interactions is 2 here and 1 there"),
        ({"cutoff": 5.0}, "cutoff is 5.0 here and 4.0 there"),
        ({"n_rbf": 7}, "n_rbf is 7 here and 6 there"),
        ({"activation": torch.nn.functional.gelu}, "activation is gelu here and silu there"),
        ({"name": "SchNet"}, "class is SchNet here and PaiNN there"),
    ],
)
def test_other_settings_are_refused_by_name_and_leave_the_model_alone(
    saved, make_model, settings, words
):
    path, _ = saved()
    model = make_model(**settings)
    before = weights(model)
    with pytest.raises(InputError) as caught:
        transfer(load(path), model, SAME)
    assert words in str(caught.value) and str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    for key, value in weights(model).items():
        torch.testing.assert_close(value, before[key], rtol=0, atol=0)


def test_cutoff_of_a_bare_state_dict_is_compared_too(make_model, tmp_path):
    torch.save(make_model(cutoff=4.0).state_dict(), tmp_path / "weights.pt")
    with pytest.raises(InputError, match=r"cutoff is 5\.0 here and 4\.0 there"):
        transfer(load(tmp_path / "weights.pt"), make_model(cutoff=5.0), SAME)


def test_an_allowed_difference_keeps_the_cutoff_of_the_model(saved, make_model):
    path, source = saved(cutoff=4.0)
    model = make_model(cutoff=5.0)
    result = transfer(load(path), model, SAME, (), ("cutoff", "radial_basis"))
    assert float(model.representation.cutoff_fn.cutoff) == 5.0
    assert float(model.representation.radial_basis.offsets[-1]) == 5.0
    assert result.differences["cutoff"] == (4.0, 5.0)
    torch.testing.assert_close(
        model.representation.embedding.weight, source.representation.embedding.weight
    )


def test_too_little_is_refused_unless_listed(make_model, tmp_path):
    tensors = make_model().representation.state_dict()
    del tensors["embedding.weight"]
    torch.save(tensors, tmp_path / "weights.pt")
    checkpoint = load(tmp_path / "weights.pt")
    with pytest.raises(InputError, match=r"representation\.embedding\.weight"):
        transfer(checkpoint, make_model(), SAME)
    result = transfer(checkpoint, make_model(), SAME, ("representation.embedding.*",))
    assert result.fresh["representation.embedding.weight"] == (100, 8)


def test_constants_that_the_file_lacks_are_reported(make_model, tmp_path):
    torch.save(dict(make_model(cutoff=5.0).named_parameters()), tmp_path / "weights.pt")
    result = transfer(load(tmp_path / "weights.pt"), make_model(cutoff=4.0), SAME)
    assert "representation.cutoff_fn.cutoff" in result.unchecked
    assert "not compared" in report(result)


def test_nan_weights_are_refused(saved, make_model):
    path, source = saved()
    with torch.no_grad():
        source.representation.filter_net.bias[0] = torch.nan
    torch.save(source, path)
    with pytest.raises(InputError, match="NaN"):
        transfer(load(path), make_model(), SAME)


@pytest.mark.parametrize(
    "modules", [{"representation": "encoder"}, {"encoder": "representation"}], ids=str
)
def test_unknown_sub_modules_are_named(saved, make_model, modules):
    path, _ = saved()
    with pytest.raises(InputError, match=r"no sub-module encoder; it has .*representation"):
        transfer(load(path), make_model(), modules)


def test_training_from_scratch_must_be_requested(make_task, make_data, make_trainer, capsys):
    with pytest.raises(InputError, match=r"pretrained\.path is not set"):
        PretrainedRepresentation(None)
    trainer = make_trainer(PretrainedRepresentation(None, required=False), limit_train_batches=1)
    trainer.fit(make_task(), make_data())
    assert "Training from scratch" in capsys.readouterr().out


@pytest.mark.parametrize(("known", "unseen"), [("HC", "O"), ("HCO", None), ("", None)])
def test_elements_that_the_pretraining_never_saw_are_named(
    make_model, make_task, make_data, make_trainer, tmp_path, capsys, known, unseen
):
    """Of the training data; without elements on the card there is no warning."""
    source = make_model()
    Card(elements=dict.fromkeys(known, 1)).attach(source)
    torch.save(source, tmp_path / "source")
    data = make_data()
    data.train_elements = [1, 6, 8]
    start = PretrainedRepresentation(tmp_path / "source")
    make_trainer(start, limit_train_batches=1).fit(make_task(), data)
    printed = capsys.readouterr().out
    assert ("not in the pre-training" in printed) == (unseen is not None)
    assert f"not in the pre-training: {unseen}; their" in printed or unseen is None


def test_a_training_without_a_validation_is_refused(make_task, make_data, make_trainer):
    trainer = make_trainer(max_epochs=2, check_val_every_n_epoch=3)
    with pytest.raises(InputError, match=r"check_val_every_n_epoch=3 is more than .*max_epochs=2"):
        trainer.fit(make_task(), make_data())
