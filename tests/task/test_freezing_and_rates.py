"""Frozen weights do not change; the others change at the printed rate."""

import pytest
import torch
from schnetpack.train import ReduceLROnPlateau
from torch import nn

from gpip_plugins.errors import InputError
from gpip_plugins.task import freeze, keep_frozen_norms, model_parts


def weights(model):
    return {name: p.detach().clone() for name, p in model.named_parameters()}


def test_only_frozen_weights_stay_unchanged(make_task, make_data, make_trainer, make_model, capsys):
    """Weight decay would change frozen weights if they were in the optimizer."""
    task = make_task(
        freeze=["representation.embedding", "representation.interactions.0"],
        optimizer_args={"lr": 1e-2, "weight_decay": 0.5},
        scheduler_cls=ReduceLROnPlateau,
        scheduler_args={"patience": 0},
        scheduler_monitor="val_loss",
    )
    start, trainer = weights(task.model), make_trainer(max_epochs=2)
    trainer.fit(task, make_data())
    in_optimizer = {id(p) for g in trainer.optimizers[0].param_groups for p in g["params"]}
    ema = trainer.callbacks[0].ema
    for (name, p), shadow in zip(task.model.named_parameters(), ema.shadow_params, strict=True):
        frozen = "embedding" in name or "interactions.0" in name
        assert torch.equal(p, start[name]) == frozen, name
        assert torch.equal(shadow, start[name]) == frozen, name
        assert (id(p) in in_optimizer) == (not frozen)
    printed = capsys.readouterr().out
    assert "representation.interactions.0         288      2  frozen" in printed
    assert "(at random values: no pre-trained weights are loaded)" in printed


@pytest.mark.parametrize(
    ("name", "depths"),
    {
        "SchNet": {"embedding": 3, "interactions.0": 2, "interactions.1": 1},
        "PaiNN": {"filter_net": 3, "mixing.0": 2, "interactions.1": 1},
        "SO3net": {"embedding": 3, "so3convs.0": 2, "mixings2.1": 1},
        "FieldSchNet": {"embedding": 3, "interactions.0": 2, "interactions.1": 1},
    }.items(),
)
def test_rates_fall_block_by_block(make_model, make_task, make_data, make_trainer, name, depths):
    task = make_task(make_model(name), layer_decay=0.5, lr=8e-3)
    trainer = make_trainer(limit_val_batches=0)
    trainer.fit(task, make_data())
    rate_of = {id(p): g["lr"] for g in trainer.optimizers[0].param_groups for p in g["params"]}
    assert len(rate_of) == len(list(task.parameters()))
    found = {
        part.name.removeprefix("representation."): {rate_of[id(p)] for p in part.parameters}
        for part in model_parts(task.model)
    }
    for unit, depth in depths.items():
        assert found[unit] == {8e-3 * 0.5**depth}, unit
    assert found["output_modules.0"] == {8e-3}


def test_depths_in_a_representation_of_another_package():
    """The Equivariant Transformer: attention layers in a wrapped module, a norm at the end."""

    class Inner(nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding = nn.Embedding(9, 2)
            self.attention_layers = nn.ModuleList(nn.Linear(2, 2) for _ in range(3))
            self.out_norm = nn.LayerNorm(2)

    model = nn.Module()
    model.representation = nn.Module()
    model.representation.et = Inner()
    model.output_modules = nn.ModuleList([nn.Linear(2, 1)])
    depths = {unit.name.split(".", 2)[-1]: unit.depth for unit in model_parts(model)}
    assert depths["attention_layers.0"] == 3 and depths["attention_layers.2"] == 1
    by_parameter = {id(p): u.depth for u in model_parts(model) for p in u.parameters}
    inner = model.representation.et
    assert by_parameter[id(inner.embedding.weight)] == 4
    assert by_parameter[id(inner.out_norm.weight)] == 1
    assert by_parameter[id(model.output_modules[0].weight)] == 0


def test_frozen_batch_normalisation_keeps_its_statistics(make_task, make_model):
    model = nn.ModuleDict({"frozen": nn.BatchNorm1d(2), "free": nn.BatchNorm1d(2)})
    freeze(model, ["frozen"])
    model.train()
    keep_frozen_norms(model)
    for norm in model.values():
        norm(torch.randn(5, 2) + 3.0)
    assert torch.equal(model["frozen"].running_mean, torch.zeros(2))
    assert not torch.equal(model["free"].running_mean, torch.zeros(2))
    # The task does so whenever it is set to training mode.
    potential = make_model()
    potential.output_modules[0].norm = nn.BatchNorm1d(3)
    task = make_task(potential)
    freeze(potential, ["output_modules.0.norm"])
    assert task.train().model.output_modules[0].training
    assert not task.model.output_modules[0].norm.training


@pytest.mark.parametrize(
    ("patterns", "words"),
    [
        (
            ["represntation.embeding"],
            r"no module.*similar names are representation.embedding",
        ),
        (["representation.cutoff_fn"], r"only modules without parameters"),
        (["representation", "output_*"], r"freeze=\[representation,output_\*\] freezes every"),
    ],
)
def test_wrong_patterns_are_refused(make_model, patterns, words):
    model = make_model()
    with pytest.raises(InputError, match=words):
        freeze(model, patterns)
    assert all(p.requires_grad for p in model.parameters())


@pytest.mark.parametrize("factor", [0.0, -0.5, 1.5])
def test_factors_outside_their_range(make_task, factor):
    with pytest.raises(
        InputError, match=rf"layer_decay={factor} is not a number above 0 and of at most 1"
    ):
        make_task(layer_decay=factor)


def test_an_optimizer_without_groups(make_task, make_data, make_trainer):
    task = make_task(optimizer_cls=torch.optim.LBFGS, layer_decay=0.5)
    with pytest.raises(InputError, match=r"LBFGS takes no groups of parameters"):
        make_trainer().fit(task, make_data())


@pytest.mark.filterwarnings("ignore:Found .* module.* in eval mode:UserWarning")
@pytest.mark.filterwarnings("ignore:The number of training batches:UserWarning")
def test_a_run_is_not_resumed_with_other_parts_frozen(make_task, make_data, make_trainer, tmp_path):
    from gpip_plugins.train import SafeGlobals

    trainer = make_trainer(SafeGlobals())
    trainer.fit(make_task(freeze=["representation.embedding"]), make_data())
    trainer.save_checkpoint(tmp_path / "end.ckpt")
    for other in ({}, {"freeze": ["representation.embedding"], "layer_decay": 0.5}):
        with pytest.raises(InputError, match=r"are not those of the run that is resumed"):
            make_trainer(SafeGlobals(), max_epochs=2).fit(
                make_task(**other), make_data(), ckpt_path=str(tmp_path / "end.ckpt")
            )
