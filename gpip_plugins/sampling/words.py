"""The words of `gpip sample`, checked and completed before Hydra reads them.

`data.`, `data/` and `data.system.` may be left out: `system=smiles smiles=CCO` stands for
`data/system=smiles data.system.smiles=CCO`. Unknown systems and settings are named here, because
Hydra would name its own keys.
"""

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import fields
from typing import Final

from hydra.core.override_parser.types import ChoiceSweep
from omegaconf import OmegaConf

from gpip_plugins._search_path import recipes_folder
from gpip_plugins.errors import InputError
from gpip_plugins.io.overrides import parsed, quoted
from gpip_plugins.io.smiles_values import typed_smiles
from gpip_plugins.sampling.settings import KEYWORDS, Preparation
from gpip_plugins.sampling.systems import sources
from gpip_plugins.sampling.systems.presets import MOLECULES

__all__ = ["SYSTEM_KEYS", "translate"]

#: Settings of the systems; all other settings belong to the sampling.
SYSTEM_KEYS: Final = {field.name for source in sources.SOURCES for field in fields(source)}
#: Nodes of the configuration other than those in `data`, and `data` itself.
ROOT: Final = ("size", "cluster", "run", "hydra", "data")
SWEEPS: Final = ("-m", "--multirun", "hydra.mode=MULTIRUN")
SETTINGS: Final = KEYWORDS | {"datapath"} | {f"preparation.{f.name}" for f in fields(Preparation)}


def translate(words: Sequence[str]) -> list[str]:
    """Return the arguments of the command line as Hydra needs them.

    Args:
        words: arguments of `gpip sample`.

    Raises:
        InputError: for unknown systems and settings, and values that cannot be read.

    Example:
        >>> translate(["-m", "system=smiles", "smiles=CCO", "n_frames=100", "size=paper"])
        ['-m', 'data/system=smiles', 'data.system.smiles=CCO', 'data.n_frames=100', 'size=paper']
        >>> translate(["system=smiles", "smiles=CC(=O)O"])[1]  # Hydra wants quotes here
        "data.system.smiles='CC(=O)O'"
    """
    sweep = bool(set(SWEEPS) & set(words)) or any(w.startswith("cluster=") for w in words)
    chosen = [word.partition("=")[2] for word in words if word.startswith("system=")]
    systems = (chosen[-1] if chosen else "ethanol").split(",")
    before = ["", *words]
    return [
        # A word after an option, such as `--cfg job`, belongs to it.
        word
        if word.startswith("-") or (option.startswith("-") and "=" not in word)
        else _translated(word, systems, sweep)
        for option, word in zip(before, words, strict=False)
    ]


def _translated(word: str, systems: Sequence[str], sweep: bool) -> str:
    key, equals, value = word.partition("=")
    name = key.lstrip("+~")
    sign = key.removesuffix(name)
    head = name.split(".")[0].split("/")[0]
    full = name if head in ROOT else _full(name)
    if sign.startswith("~"):
        return f"{sign}{full}{equals}{value}"
    if not equals:
        raise InputError(f"{word!r} is no setting; type it as KEY=VALUE, for example n_frames=100.")
    if head in ("size", "cluster", "system") and name == head:
        _check_choices(head, value.split(",") if sweep else [value])
        return f"{sign}{'data/' * (head == 'system')}{name}={value}"
    if head not in ROOT and not sign:
        _check_name(name, systems)
    if name.rpartition(".")[2] == "smiles":
        value = typed_smiles(value, sweep)
    return _readable(f"{sign}{full}", value, sweep, name)


def _full(name: str) -> str:
    """Return the key of a setting below `data`."""
    prefix = "data.system" if name.split(".")[0] in SYSTEM_KEYS else "data"
    return f"{prefix}.{name}"


def _check_choices(group: str, values: Sequence[str]) -> None:
    """Raise `InputError` for a choice that does not exist."""
    folder = {"system": "train/data/system", "size": "train/size", "cluster": "sample/cluster"}
    names = {path.stem for path in (recipes_folder() / folder[group]).glob("*.yaml")}
    names |= set(MOLECULES) if group == "system" else set()
    for value in values:
        if value not in names | {"null"}:
            raise InputError(
                f"{group}={value} is unknown{_meant(value, names)}; choose from "
                f"{', '.join(sorted(names))}."
            )


def _check_name(name: str, systems: Sequence[str]) -> None:
    """Raise `InputError` for a setting that the sampling and the chosen systems do not have."""
    head = name.split(".")[0]
    own = [_settings_of(system) for system in systems]
    if name in SETTINGS or (own and all(head in keys for keys in own)):
        return
    known = SETTINGS.union(*own)
    if head in SYSTEM_KEYS:
        raise InputError(
            f"{name} is no setting of system={','.join(systems)}{_meant(name, known)}; its own are "
            f"{', '.join(sorted(set().union(*own)))}. Choose another system, for example "
            "system=smiles or system=file."
        )
    raise InputError(
        f"{name} is no setting{_meant(name, known)}; gpip sample --help lists all, below the "
        "examples."
    )


def _settings_of(system: str) -> set[str]:
    """Return the names of the settings of a choice of `system`."""
    if system in MOLECULES:
        return {field.name for field in fields(sources.Presets)}
    path = recipes_folder() / "train" / "data" / "system" / f"{system}.yaml"
    if not path.exists():
        return set()
    recipe = OmegaConf.load(path)
    own = {str(key) for key in recipe.data.system if key != "_target_"}
    for base in recipe.get("defaults", []):
        own |= _settings_of(base) if isinstance(base, str) else set()
    return own


def _meant(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, sorted(known), 1)
    return f" (did you mean {close[0]}?)" if close else ""


def _readable(key: str, value: str, sweep: bool, name: str) -> str:
    """Return the override in a form that Hydra can parse."""
    override = parsed(f"{key}={value}")
    if override is None and not value.startswith(("[", "{")):
        return f"{key}={quoted(value)}"
    if override is None:
        raise InputError(
            f"{name}={value} cannot be read; put entries with special characters in quotes, such "
            f'as "{name}=[\'A=B.xyz\',C.xyz]" or "{name}={{Cl: -1}}".'
        )
    if isinstance(override.value(), ChoiceSweep) and override.value().simple_form and not sweep:
        raise InputError(
            f"{name}={value} holds a comma; write {name}=[{value}] for a list, \"{name}='{value}'\""
            " for one text, or add -m for several jobs."
        )
    return f"{key}={value}"
