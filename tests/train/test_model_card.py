"""A training writes the card of its model."""

import hashlib
from pathlib import Path

import pytest
import torch
from schnetpack.transform import CastTo32

from gpip_plugins.checkpoint import load
from gpip_plugins.data import GpipDataModule
from gpip_plugins.potential import Card
from gpip_plugins.train import ModelCard, PretrainedRepresentation
from gpip_plugins.transform import NeighborList

NODE = {"_target_": "schnetpack.representation.PaiNN", "n_atom_basis": 8}


@pytest.fixture
def data(database):
    """Return our data module on the twelve configurations."""
    return GpipDataModule(
        str(database), 4, num_train=8, num_val=2, num_test=2,
        transforms=[NeighborList(4.0), CastTo32()],
        property_units={"energy": "kcal/mol"},
    )  # fmt: skip


def card_in(path):
    return Card.from_model(load(path).module)


def test_every_file_of_a_run_has_the_card(make_task, make_trainer, data, database, tmp_path):
    trainer = make_trainer(ModelCard(NODE, level_of_theory="random"), max_epochs=3)
    trainer.fit(make_task(), data)
    best, checkpoint = tmp_path / "best_model", trainer.checkpoint_callback
    card = card_in(best)
    # Energies are converted; forces are not listed and keep the unit of the database.
    assert card.units == {"energy": "kcal/mol", "forces": "eV/Ang"}
    assert (card.distance_unit, card.cutoff, card.representation) == ("Ang", 4.0, NODE)
    assert card.elements == {"H": 6 * 8, "C": 2 * 8, "O": 8}
    assert (card.n_train, card.n_val, card.level_of_theory) == (8, 2, "random")
    assert card.data == {"ethanol.db": hashlib.sha256(Path(database).read_bytes()).hexdigest()}
    assert card.errors["val_loss"] == pytest.approx(float(checkpoint.best_model_score))
    assert card == card_in(checkpoint.best_model_path)
    assert card.pretrained == {}
    assert (tmp_path / "card.md").read_text() == card.markdown()
    assert card.versions.keys() == {"gpip_plugins", "schnetpack", "torch", "ase"}


def test_a_checkpoint_between_validations_has_no_errors(
    make_task, make_trainer, make_data, tmp_path
):
    trainer = make_trainer(ModelCard(NODE), max_epochs=3, check_val_every_n_epoch=2)
    task = make_task()
    task.scheduler_cls = None  # it would ask for a validation in every epoch
    trainer.fit(task, make_data())
    last, best = card_in(tmp_path / "checkpoints" / "last.ckpt"), card_in(tmp_path / "best_model")
    assert (last.errors, last.epoch) == ({}, None)
    assert best.errors and best.epoch == 1


@pytest.mark.filterwarnings("ignore:Checkpoint directory:UserWarning")
def test_the_start_of_a_run_is_remembered_when_it_resumes(
    make_model, make_task, make_trainer, make_data, tmp_path
):
    torch.save(make_model(), tmp_path / "source")
    start = PretrainedRepresentation(tmp_path / "source")
    trainer = make_trainer(start, ModelCard(NODE))
    trainer.fit(make_task(), make_data())
    origin = card_in(tmp_path / "best_model").pretrained
    assert origin == {"file": str(tmp_path / "source"), "sha256": load(tmp_path / "source").sha256}
    start = PretrainedRepresentation(tmp_path / "source")
    trainer = make_trainer(start, ModelCard(NODE), max_epochs=3)
    last = str(tmp_path / "checkpoints" / "last.ckpt")
    trainer.fit(make_task(), make_data(), ckpt_path=last, weights_only=False)
    again = card_in(last)
    assert (again.pretrained, again.epoch) == (origin, 2)
