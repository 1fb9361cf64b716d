"""Every element needs a row of the embedding, and [MASK] a separate trained row."""

import copy
import io
from types import SimpleNamespace

import pytest
import torch
from schnetpack.nn.embedding import NuclearEmbedding
from torch import nn

from gpip_plugins.errors import InputError
from gpip_plugins.train import CheckEmbedding
from gpip_plugins.transform import GaussianNoise, MaskAtoms


class Normalised(nn.Module):
    """A user's embedding: rows of unit length with zero mean."""

    def __init__(self):
        super().__init__()
        self.table = nn.Parameter(torch.randn(30, 4))

    def forward(self, numbers):
        return nn.functional.layer_norm(self.table[numbers], (4,))


EMBEDDINGS = {
    "torch": lambda: nn.Embedding(100, 4),
    "padded": lambda: nn.Embedding(100, 4, padding_idx=0),
    "zeros": lambda: NuclearEmbedding(101, 4),
    "own": Normalised,
}


def check(embedding, elements=(1, 6), transforms=(), stage="fit"):
    trainer = SimpleNamespace(
        datamodule=SimpleNamespace(elements=list(elements), train_transforms=list(transforms))
    )
    task = SimpleNamespace(model=SimpleNamespace(representation=SimpleNamespace()))
    task.model.representation.embedding = embedding
    CheckEmbedding().setup(trainer, task, stage)


def test_elements_that_are_only_tested_are_told(capsys):
    data = SimpleNamespace(elements=[1, 6, 35], train_elements=[1, 6], train_transforms=[])
    data.val_dataset, data.test_dataset = (SimpleNamespace(elements=e) for e in ([1, 35], [6]))
    task = SimpleNamespace(model=SimpleNamespace(representation=SimpleNamespace()))
    task.model.representation.embedding = EMBEDDINGS["torch"]()
    CheckEmbedding().setup(SimpleNamespace(datamodule=data), task, "fit")
    assert "test configurations contain Br, which no training" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("kind", "token"), [("torch", 0), ("torch", 99), ("padded", 99), ("zeros", 0), ("own", 29)]
)
def test_good_tokens_pass_and_change_nothing(kind, token):
    torch.manual_seed(0)
    embedding = EMBEDDINGS[kind]()
    before = {k: v.clone() for k, v in embedding.state_dict().items()}
    state = torch.get_rng_state()
    check(embedding, transforms=[GaussianNoise(), MaskAtoms(mask_token=token)])
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(before[k], v) for k, v in embedding.state_dict().items())
    assert all(parameter.grad is None for parameter in embedding.parameters())
    # A tensor with a graph could be neither copied nor saved.
    torch.save(copy.deepcopy(embedding), io.BytesIO())


@pytest.mark.parametrize(
    ("kind", "elements", "message"),
    [
        ("torch", [1, 100], r"The data contain Fm \(Z = 100\), for which the embedding"),
        ("zeros", [1, 79, 101, 102], r"contain Md \(Z = 101\), No \(Z = 102\), .*nuclear_emb"),
        ("own", [35, 53], r"contain Br \(Z = 35\), I \(Z = 53\), for which"),
    ],
)
def test_elements_without_a_row(kind, elements, message):
    with pytest.raises(InputError, match=message):
        check(EMBEDDINGS[kind](), elements)


@pytest.mark.parametrize(
    ("kind", "token", "message"),
    [
        ("torch", 100, r"mask_token=100 is no row .* set mask_token=0\."),
        ("zeros", -1, r"mask_token=-1 is no row .* set mask_token=0\."),
        ("torch", 6, r"mask_token=6 is C, an element of the data, .* set mask_token=0\."),
        ("padded", 0, r"mask_token=0 .* is never trained, .* set mask_token=99\."),
    ],
)
def test_tokens_that_cannot_stand_for_mask(kind, token, message):
    with pytest.raises(InputError, match=message):
        check(EMBEDDINGS[kind](), transforms=[MaskAtoms(mask_token=token)])


def test_a_frozen_embedding_cannot_learn_a_token():
    embedding = nn.Embedding(100, 4).requires_grad_(False)
    check(embedding)
    with pytest.raises(InputError, match=r"mask_token=0 .* is never trained, .*; unfreeze the emb"):
        check(embedding, transforms=[MaskAtoms()])


def test_a_token_that_is_not_used_is_not_checked():
    check(EMBEDDINGS["padded"](), transforms=[MaskAtoms(mask_rate=0.0)])
    check(EMBEDDINGS["padded"](), [200], [MaskAtoms()], stage="test")


def test_a_fit_is_refused_before_it_starts(make_task, make_model, make_data, make_trainer):
    """The order of the hooks is Lightning's: the data module is set up before the callback."""
    from gpip_plugins.data import GpipDataModule

    stock = make_data()
    stock.train_transforms.append(MaskAtoms(0.3, 0.0))
    with pytest.raises(InputError, match="mask_token=0"):
        make_trainer(CheckEmbedding()).fit(make_task(make_model("FieldSchNet")), datamodule=stock)
    ours = GpipDataModule(stock.datapath, 4, num_train=8, num_val=2)
    trainer = make_trainer(CheckEmbedding())
    small = make_model("PaiNN", nuclear_embedding=nn.Embedding(7, 8))
    with pytest.raises(InputError, match="contain O"):
        trainer.fit(make_task(small), datamodule=ours)
    assert trainer.global_step == 0
