"""The card is kept with the model and read in every use of it."""

import dataclasses
import io
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch
from ase.build import molecule
from schnetpack.transform import Transform

from gpip_plugins.checkpoint import load, load_model
from gpip_plugins.errors import InputError
from gpip_plugins.potential import Card, Potential, check_elements
from gpip_plugins.testing import make_batch

FILES = Path(__file__).parent / "files"
UNITS = {"energy_unit": "kcal/mol", "distance_unit": "Ang"}


@pytest.mark.parametrize("name", ["best_model", "last.ckpt"])
def test_a_file_with_a_card_needs_nothing_else(name):
    card = Card.from_model(load(FILES / name).module)
    assert card.units == {"energy": "kcal/mol", "forces": "kcal/mol/Ang"}
    assert (card.elements, card.n_train, card.epoch) == ({"H": 20, "O": 10}, 10, 3)
    energies, forces = Potential(FILES / name).predict([molecule("H2O")])
    expected, _ = Potential(FILES / "stock_best_model", **UNITS).predict([molecule("H2O")])
    assert energies == pytest.approx(expected)
    assert forces[0].shape == (3, 3)


def test_a_model_of_stock_schnetpack_needs_the_units():
    with pytest.raises(InputError, match=r"^energy_unit is not given, and the model has no card"):
        Potential(FILES / "stock_best_model")
    with pytest.raises(InputError, match=r"^distance_unit is not given"):
        Potential(FILES / "stock_best_model", energy_unit="eV")


def test_a_state_dict_is_weights_without_a_model():
    assert load(FILES / "state_dict.pt").kind == "state_dict"
    with pytest.raises(InputError, match="weights without a model"):
        Potential(FILES / "state_dict.pt")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"energy_unit": "eV"}, "energy_unit=eV contradicts the card .* says kcal/mol; leave"),
        ({"distance_unit": "nm"}, "distance_unit=nm contradicts the card .* says Ang; leave"),
        ({"cutoff": 5.0}, "cutoff=5 contradicts the model, .* cut-off of 3; leave"),
    ],
)
def test_given_values_must_agree_with_the_card(given, message):
    with pytest.raises(InputError, match=message):
        Potential(FILES / "best_model", **given)
    assert Potential(FILES / "best_model", **UNITS, cutoff=3.0).cutoff == 3.0


def test_elements_that_were_not_in_the_training_are_refused():
    with pytest.raises(
        InputError,
        match=r"contains C \(Z = 6\), Cl \(Z = 17\), but the model knows only H, O; train",
    ):
        Potential(FILES / "best_model").predict([molecule("CH3Cl")])
    # Without a card the embedding decides.
    model = load_model(FILES / "stock_best_model")
    check_elements(model, [1, 99])
    with pytest.raises(InputError, match=r"Fm \(Z = 100\), but the model has no row"):
        check_elements(model, [100])


@pytest.mark.filterwarnings("ignore:.*torch.jit")
def test_the_card_survives_saving_and_changes_of_the_model():
    model = load_model(FILES / "best_model")
    card = Card.from_model(model)
    model.load_state_dict(load(FILES / "state_dict.pt").state_dict)
    buffer = io.BytesIO()
    torch.save(model.double(), buffer)
    buffer.seek(0)
    again = torch.load(buffer, weights_only=False)
    assert Card.from_model(again) == card
    batch = make_batch([molecule("H2O")], 3.0, torch.float64)
    again.postprocessors = torch.nn.ModuleList()  # SchNetPack's casts are not for TorchScript
    scripted = torch.jit.script(again)
    assert scripted(dict(batch))["energy"] == again(dict(batch))["energy"]
    assert scripted.gpip_card == card.to_json()


def test_a_card_of_another_format_is_refused():
    card = Card.from_model(load_model(FILES / "best_model"))
    newer = dataclasses.replace(card, format=2).to_json()
    with pytest.raises(InputError, match=r"of format 2, and this .* reads format 1; .*\(0\.1\.0\)"):
        Card.from_json(newer)
    content = json.loads(card.to_json())
    del content["units"]
    for text in ("{", "[]", "{}", json.dumps(content)):
        with pytest.raises(InputError, match="damaged card"):
            Card.from_json(text)


def test_a_file_with_classes_of_another_version_is_refused(tmp_path, monkeypatch):
    """Such as the models that stored their elements in a transform."""
    old = ModuleType("gpip_plugins.transform.elements")
    old.KnownElements = type("KnownElements", (Transform,), {"__module__": old.__name__})
    monkeypatch.setitem(sys.modules, old.__name__, old)
    model = load_model(FILES / "stock_best_model")
    model.postprocessors.append(old.KnownElements())
    torch.save(model, tmp_path / "best_model")
    monkeypatch.delitem(sys.modules, old.__name__)
    with pytest.raises(InputError, match=r"another version of gpip_plugins: .*KnownElements"):
        load(tmp_path / "best_model")


def test_unknown_entries_are_marked():
    text = Card(units={"energy": "eV"}, elements={"O": 3}).markdown()
    assert "| Energies and other labels | energy in eV |" in text
    assert "| Elements (atoms in the training data) | O (3) |" in text
    assert "| Level of theory | not known |" in text


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda m: setattr(m, "representation", torch.nn.Linear(1, 1)), "cannot be evaluated for"),
        (lambda m: setattr(m.output_modules[0], "output_key", "e"), "cannot be evaluated for"),
        (lambda m: m.representation.radial_basis.offsets.fill_(torch.nan), "are not finite"),
    ],
)
def test_modules_that_do_not_fit_together_are_told(tmp_path, change, words):
    model = load_model(FILES / "best_model")
    change(model)
    torch.save(model, tmp_path / "best_model")
    with pytest.raises(InputError, match=words):
        Potential(tmp_path / "best_model")
