"""The Hydra search-path plugin: each program sees its own tree of recipes, once."""

import ast
import sys
from pathlib import Path

import pytest
from hydra._internal.config_search_path_impl import ConfigSearchPathImpl
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from gpip_plugins import _search_path
from gpip_plugins._search_path import GpipSearchPathPlugin, recipes_folder

# How each program names its main element; `spkmd` mixes dots and slashes.
SPKTRAIN = "pkg://schnetpack/configs"
SPKMD = "pkg://schnetpack.md/md_configs"


def search_path(main, provider="main"):
    path = ConfigSearchPathImpl()
    path.append("hydra", "pkg://hydra.conf")
    if main is not None:
        path.append(provider, main)
    path.append("schema", "structured://")
    return path


def ours(path):
    return [element.path for element in path.get_path() if element.provider == "gpip_plugins"]


@pytest.mark.parametrize(
    ("main", "tree"),
    [
        (SPKTRAIN, "train"),
        ("pkg://schnetpack.configs", "train"),
        (SPKMD, "md"),
        ("pkg://schnetpack/md/md_configs", "md"),
    ],
)
def test_program_gets_its_own_tree_and_no_other(main, tree):
    path = search_path(main)
    GpipSearchPathPlugin().manipulate_search_path(path)
    assert ours(path) == [f"file://{recipes_folder() / tree}"]
    assert Path(ours(path)[0].removeprefix("file://")).is_dir()


@pytest.mark.parametrize("main", [SPKTRAIN, SPKMD])
def test_tree_is_appended_once_and_after_schnetpack(main):
    path = search_path(main)
    for _ in range(3):
        GpipSearchPathPlugin().manipulate_search_path(path)
    elements = [element.path for element in path.get_path()]
    assert len(ours(path)) == 1
    assert elements.index(ours(path)[0]) > elements.index(main)


@pytest.mark.parametrize(
    ("main", "provider"),
    [
        ("pkg://other_program/configs", "main"),
        ("file:///somewhere/schnetpack/configs", "main"),
        ("pkg://schnetpack/configs/model", "main"),
        (SPKTRAIN, "command-line"),
        (None, "main"),
    ],
)
def test_other_programs_get_no_tree(main, provider):
    path = search_path(main, provider)
    before = [element.path for element in path.get_path()]
    GpipSearchPathPlugin().manipulate_search_path(path)
    assert [element.path for element in path.get_path()] == before


def test_element_without_a_path_is_skipped():
    path = search_path(None)
    path.append("main", None)
    GpipSearchPathPlugin().manipulate_search_path(path)
    assert ours(path) == []


def test_recipes_inside_the_package_come_before_those_of_a_checkout(tmp_path, monkeypatch):
    package = tmp_path / "site" / "gpip_plugins"
    checkout = tmp_path / "site" / "recipes"
    spec = type("Spec", (), {"submodule_search_locations": [str(package)]})
    monkeypatch.setattr(_search_path.importlib.util, "find_spec", lambda name: spec)
    package.mkdir(parents=True)
    assert recipes_folder() is None
    checkout.mkdir()
    assert recipes_folder() == checkout
    (package / "recipes").mkdir()
    assert recipes_folder() == package / "recipes"


def test_missing_package_or_recipes_do_not_change_the_path(monkeypatch):
    monkeypatch.setattr(_search_path.importlib.util, "find_spec", lambda name: None)
    path = search_path(SPKTRAIN)
    GpipSearchPathPlugin().manipulate_search_path(path)
    assert recipes_folder() is None and ours(path) == []


def test_spaces_and_percent_signs_in_the_folder_are_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(_search_path, "recipes_folder", lambda: tmp_path / "my 100% recipes")
    path = search_path(SPKTRAIN)
    GpipSearchPathPlugin().manipulate_search_path(path)
    assert ours(path) == [f"file://{tmp_path}/my 100% recipes/train"]


def test_plugin_loads_only_hydra_and_the_standard_library():
    """Every Hydra program on the machine loads this file, so it must be light.

    Imports inside of functions are left out: those run only when they are asked for.
    """
    imported = set()
    for node in ast.parse(Path(_search_path.__file__).read_text()).body:
        if isinstance(node, ast.Import):
            imported |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add(node.module.split(".")[0])
    assert imported <= {"hydra", "omegaconf"} | sys.stdlib_module_names


def test_device_of_the_md_recipes_is_one_that_torch_has(monkeypatch):
    GpipSearchPathPlugin().manipulate_search_path(search_path(SPKMD))
    config = OmegaConf.create({"device": "${gpip_device:}"})
    for available, expected in ((True, "cuda"), (False, "cpu")):
        monkeypatch.setattr("torch.cuda.is_available", lambda available=available: available)
        assert config.device == expected


@pytest.mark.parametrize("main", [SPKTRAIN, SPKMD])
def test_our_programs_read_values_as_they_are_typed(main):
    for _ in range(2):
        GpipSearchPathPlugin().manipulate_search_path(search_path(main))
    (word,) = OverridesParser.create().parse_overrides(["pretrained.path=a b/epoch=01.ckpt"])
    assert word.value() == "a b/epoch=01.ckpt"
