"""`gpip sample`: a Hydra program over the recipes of `data=classical_md`.

The configuration is the node `data` of `spktrain data=classical_md`, from the same files, so that
`spktrain` finds the sampled database. On this command line `data.`, `data/` and `data.system.` may
be left out: `system=smiles smiles=CCO` stands for `data/system=smiles data.system.smiles=CCO`.
"""

import sys
from collections.abc import Sequence
from dataclasses import fields

import hydra
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.plugins import Plugins
from hydra.plugins.search_path_plugin import SearchPathPlugin
from omegaconf import DictConfig, OmegaConf

from gpip_plugins._search_path import recipes_folder
from gpip_plugins.errors import InputError
from gpip_plugins.sampling.campaign.generate import generate
from gpip_plugins.sampling.systems import sources
from gpip_plugins.sampling.systems.choices import register_molecules

__all__ = ["TrainingRecipes", "run", "translate"]

#: Settings of the systems; all other settings belong to the sampling.
SYSTEM_KEYS = {field.name for source in sources.SOURCES for field in fields(source)}
#: Nodes of the configuration other than those in `data`, and `data` itself.
ROOT = ("size", "cluster", "run", "hydra", "data")


class TrainingRecipes(SearchPathPlugin):
    """Make the systems and sizes of `recipes/train` available to `gpip sample`."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Append the folder, for `gpip sample` only."""
        folder = recipes_folder()
        main = [element.path for element in search_path.get_path() if element.provider == "main"]
        if main == [str(folder / "sample")]:
            search_path.append(provider="gpip_plugins", path=f"file://{folder / 'train'}")


def translate(words: Sequence[str]) -> list[str]:
    """Return the arguments of the command line as Hydra needs them.

    Args:
        words: arguments of `gpip sample`.

    Example:
        >>> translate(["-m", "system=smiles", "smiles=CCO", "n_frames=100", "size=paper"])
        ['-m', 'data/system=smiles', 'data.system.smiles=CCO', 'data.n_frames=100', 'size=paper']
        >>> translate(["smiles=CC(=O)O"])  # Hydra wants quotes around these characters
        ["data.system.smiles='CC(=O)O'"]
    """
    return [_translated(word) for word in words]


def _translated(word: str) -> str:
    key, equals, value = word.partition("=")
    name = key.lstrip("+~")
    sign = key.removesuffix(name)
    head = name.split(".")[0].split("/")[0]
    if word.startswith("-") or not equals or head in ROOT:
        return word
    if name == "system":
        return f"{sign}data/system={value}"
    # Lists, several jobs (a SMILES has no comma) and quoted values are not changed.
    if name == "smiles" and not value.startswith(("[", "'", '"')) and "," not in value:
        value = f"'{value}'" if set(value) & set("=#()[]/\\@+") else value
        return f"{sign}data.system.smiles={value}"
    prefix = "data.system" if head in SYSTEM_KEYS else "data"
    return f"{sign}{prefix}.{name}={value}"


def job(config: DictConfig) -> None:
    """Sample a data set as described by a composed configuration.

    Args:
        config: its node `data` describes a `gpip_plugins.sampling.settings.SamplingSettings`.
    """
    missing = sorted(OmegaConf.missing_keys(config))
    if missing:
        key = missing[0].removeprefix("data.").removeprefix("system.")
        raise InputError(f"{key} is not given, but this system needs it; add {key}=...")
    try:
        settings = hydra.utils.instantiate(config.data)
    except hydra.errors.InstantiationException as error:
        if isinstance(error.__cause__, InputError):
            raise error.__cause__ from None
        raise
    generate(settings)


def run(words: Sequence[str]) -> None:
    """Run `gpip sample`.

    Args:
        words: arguments of `gpip sample`.

    Raises:
        SystemExit: with code 1 after a mistake of the user, which Hydra has printed.
    """
    register_molecules()
    if TrainingRecipes not in Plugins.instance().discover(SearchPathPlugin):
        Plugins.instance().register(TrainingRecipes)
    sys.argv = ["gpip sample", *translate(words)]
    folder = recipes_folder() / "sample"
    hydra.main(version_base="1.3", config_path=str(folder), config_name="config")(job)()
