"""Errors found after the start name the keys of the recipe."""

from pathlib import Path

import pytest
from omegaconf import OmegaConf

import gpip_plugins
from gpip_plugins.errors import InputError
from gpip_plugins.sampling.settings import KEYWORDS
from gpip_plugins.train import RecipeKeys

RECIPE = Path(gpip_plugins.__file__).parents[1] / "recipes/train/callbacks/recipe_keys.yaml"


@pytest.mark.parametrize(
    ("sentence", "told"),
    [
        ("freeze=nose matches no module", "task.freeze=nose matches no module"),
        ("num_train=8 asks for 8", "data.num_train=8 asks for 8"),
        ("set load_properties and property_units", "set data.load_properties and data.property_u"),
        ("property_units.energy=x", "data.property_units.energy=x"),
        ("members.qm9.num_val=0 leaves", "data.members.qm9.num_val=0 leaves"),
        ("such as lr=0.1, or", "such as globals.lr=0.1, or"),
        # A key that is already complete, and English words.
        ("lower data.num_train=8 and freeze the head", "lower data.num_train=8 and freeze the he"),
    ],
)
def test_keys_as_they_are_typed(sentence, told):
    callback = RecipeKeys(OmegaConf.load(RECIPE).recipe_keys["keys"])
    error = InputError(sentence)
    callback.on_exception(None, None, error)
    assert str(error).startswith(told)


def test_other_exceptions_are_not_changed():
    error = ValueError("freeze=nose")
    RecipeKeys(["task.freeze"]).on_exception(None, None, error)
    assert str(error) == "freeze=nose"


def test_all_settings_of_a_sampling_are_known():
    keys = set(OmegaConf.load(RECIPE).recipe_keys["keys"])
    assert {f"data.{name}" for name in KEYWORDS} <= keys
