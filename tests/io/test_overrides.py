"""Values of overrides arrive as they were typed."""

import random
import string
import sys

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from gpip_plugins.errors import InputError
from gpip_plugins.io.overrides import as_typed, quoted

PARSER = OverridesParser.create()


@pytest.fixture(autouse=True)
def one_job(monkeypatch):
    """Hide the words of pytest: with its option -m, commas would separate jobs."""
    monkeypatch.setattr(sys, "argv", ["spktrain"])


def value_of(word):
    """Return what Hydra makes of an override in the form that we give it."""
    return PARSER.parse_override(as_typed([word])[0]).value()


@pytest.mark.parametrize(
    "path",
    [
        "runs/a b/epoch=01.ckpt",
        "runs/a (1)/epoch=01.ckpt",
        "runs/[1]/x",
        "[a]b",
        "{x}y",
        "a,b",
        "a,b=c",
        "~/runs/x",
        "müller/#1;2&3!.db",
        "it's",
        'a"b',
        "1e5",
        "2024",
        "true",
        "C:\\runs\\x",
    ],
)
@pytest.mark.parametrize("key", ["pretrained.path", "data.datapath", "+run.id"])
def test_paths(key, path):
    assert value_of(f"{key}={path}") == path


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("task.freeze=[a,b]", ["a", "b"]),
        ("data.system.charges={Cl: -1}", {"Cl": -1}),
        ("data.num_train=10", 10),
        ("globals.lr=1e-3", 1e-3),
        ("pretrained.path=null", None),
        ("pretrained.path=", ""),
        ("pretrained.path='a=b'", "a=b"),
        ("calculator.model_file=[a,b]", ["a", "b"]),
        ("pretrained.path=${oc.env:HOME}/x", "${oc.env:HOME}/x"),
    ],
)
def test_what_hydra_reads_as_it_was_meant_is_not_changed(word, value):
    assert as_typed([word]) == [word] and value_of(word) == value


def test_a_file_of_this_name_is_meant(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert value_of("pretrained.path=[run]") == ["run"]
    (tmp_path / "[run]").mkdir()
    assert value_of("pretrained.path=[run]") == "[run]"


def test_choices_of_a_sweep_are_kept(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["spktrain", "-m"])
    assert as_typed(["pretrained.path=a,b", "-m", "~data"]) == [
        "pretrained.path=a,b",
        "-m",
        "~data",
    ]


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("labels.db", r"'labels\.db' is no setting; type it as KEY=VALUE\."),
        ("=x", "'=x' is no setting"),
        ("task.freeze=[a=b,c]", r"cannot be read; .* such as \"task\.freeze=\['a=b','c'\]\"\."),
        ("data.system.charges={a=1}", "cannot be read; put texts with special characters in quot"),
    ],
)
def test_what_cannot_be_read_is_told(word, told):
    with pytest.raises(InputError, match=told):
        as_typed([word])


def test_any_text_survives_its_quotes():
    random.seed(0)
    characters = string.printable.replace("$", "") + "éß\\\\\\'\"=[](){}"
    for _ in range(500):
        text = "".join(random.choices(characters, k=random.randint(1, 9)))
        assert PARSER.parse_override(f"a={quoted(text)}").value() == text


@pytest.mark.parametrize(
    ("value", "found"),
    [("[NH3+]CC(=O)[O-]", "[NH3+]CC(=O)[O-]"), ("[C]", "[C]"), ("[CC=O,CCO]", ["CC=O", "CCO"])],
)
def test_smiles_are_taken_as_they_are_typed(value, found):
    assert value_of(f"data.system.smiles={value}") == found
