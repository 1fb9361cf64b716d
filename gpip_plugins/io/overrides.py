"""Overrides `key=value` of the command line, whose values are taken as they are typed.

Hydra reads a value by a grammar of its own: `=`, brackets, parentheses, `~`, `#` and letters such
as ä end in an error, and a folder `1e5` becomes a number. A path may hold all of these; the
checkpoints of our runs are named `epoch=01.ckpt`. So such values are put in Hydra's quotes before
they are parsed. What Hydra reads as it was meant (lists, mappings, numbers, choices of a sweep) is
not changed.
"""

import os
import re
import shlex
import sys
from collections.abc import Sequence
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep
from hydra.errors import HydraException

from gpip_plugins.errors import InputError
from gpip_plugins.io.smiles_values import typed_smiles

__all__ = ["as_override_value", "as_typed", "parsed", "quoted"]

#: Last parts of keys whose values are names, never numbers.
TEXT = (
    "ckpt_path", "data_dir", "data_workdir", "datapath", "file", "id", "level_of_theory",
    "load_config", "load_system_state", "model_file", "model_path", "molecule_file", "path",
    "restart", "simulation_dir", "source", "split_file", "work_dir",
)  # fmt: skip


def quoted(value: str, mark: str = "'") -> str:
    r"""Return a text in the quotes of Hydra.

    Args:
        value: any text.
        mark: the quote, single or double.

    Example:
        >>> print(quoted("runs/epoch=01.ckpt"), quoted("it's"))
        'runs/epoch=01.ckpt' 'it\'s'
    """
    # Backslashes count as such, except before a quote.
    inside = re.sub(
        rf"(\\*)({mark}|$)", lambda m: m[1] * 2 + m[2].replace(mark, f"\\{mark}"), value
    )
    return f"{mark}{inside}{mark}"


def as_override_value(path: str) -> str:
    """Quote a value for the shell and for Hydra, if it needs it.

    Args:
        path: right-hand side of an override `key=value`.

    Example:
        >>> as_override_value("/runs/1/best_model"), as_override_value("/my runs/best_model")
        ('/runs/1/best_model', '\\'"/my runs/best_model"\\'')
    """
    if re.fullmatch(r"[\w./+~-]+", path):
        return path
    return shlex.quote(quoted(path, '"'))


def as_typed(words: Sequence[str]) -> list[str]:
    """Return overrides in such a form that Hydra takes each value as it was typed.

    Args:
        words: overrides.

    Raises:
        InputError: a word is no override, or a list or mapping cannot be read.

    Example:
        >>> as_typed(["pretrained.path=runs/a b/epoch=01.ckpt", "run.id=1e5", "task.freeze=[a,b]"])
        ["pretrained.path='runs/a b/epoch=01.ckpt'", "run.id='1e5'", 'task.freeze=[a,b]']
    """
    return [_as_typed(word) for word in words]


def _as_typed(word: str) -> str:
    key, equals, value = word.partition("=")
    if word.startswith(("-", "~")):
        return word
    if not equals or not key.strip("+ "):
        raise InputError(f"{word!r} is no setting; type it as KEY=VALUE.")
    if key.endswith(".smiles"):
        value = typed_smiles(value, _several_jobs())
        word = f"{key}={value}"
    found = parsed(word)
    text = re.split(r"[./]", key)[-1] in TEXT and _misread(found, value)
    if text or (found is None and not value.startswith(("[", "{"))):
        word = f"{key}={quoted(value)}"
        found = parsed(word)
    if found is None:
        example = f"{key}={_example(value)}"
        example = shlex.quote(example) if '"' in example else f'"{example}"'
        raise InputError(
            f"{key}={value} cannot be read; put texts with special characters in quotes, such as "
            f"{example}."
        )
    return word


def parsed(word: str) -> Any:
    """Return an override as Hydra reads it; None if it cannot.

    Args:
        word: the override.

    Example:
        >>> parsed("a=[1,2]").value(), parsed("a=(")
        ([1, 2], None)
    """
    try:
        return OverridesParser.create().parse_override(word)
    except HydraException:
        return None


def _misread(override: Any, value: str) -> bool:
    """Return whether Hydra takes the name of a file for something else."""
    if override is None or (not value.startswith(("'", '"')) and os.path.exists(value)):
        return True
    found = override.value()
    if isinstance(found, ChoiceSweep):
        return found.simple_form and not _several_jobs()
    return isinstance(found, bool | int | float)


def _several_jobs() -> bool:
    """Return whether commas separate jobs."""
    return bool({"-m", "--multirun", "hydra.mode=MULTIRUN"} & set(sys.argv))


def _example(value: str) -> str:
    """Return a list with quotes around its entries; a mapping with quotes around its values."""
    opening, closing = value[:1], value[-1:]
    if opening != "[" or closing != "]":
        return quoted(value) if opening != "{" else "{KEY: 'VALUE'}"
    return "[" + ",".join(quoted(part.strip()) for part in value[1:-1].split(",")) + "]"
