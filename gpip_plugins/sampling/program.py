"""`gpip sample`: a Hydra program over the recipes of `data=classical_md`.

The configuration is the node `data` of `spktrain data=classical_md`, from the same files, so that
`spktrain` finds the sampled database. Its words are completed by `.words`.
"""

import sys
from collections.abc import Sequence

import hydra
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.hydra_config import HydraConfig
from hydra.core.plugins import Plugins
from hydra.plugins.search_path_plugin import SearchPathPlugin
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from gpip_plugins._search_path import recipes_folder
from gpip_plugins.errors import InputError
from gpip_plugins.sampling.campaign.generate import generate
from gpip_plugins.sampling.settings import SamplingSettings
from gpip_plugins.sampling.systems.choices import register_molecules
from gpip_plugins.sampling.words import translate

__all__ = ["TrainingRecipes", "run"]


class TrainingRecipes(SearchPathPlugin):
    """Make the systems and sizes of `recipes/train` available to `gpip sample`."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Append the folder, for `gpip sample` only."""
        folder = recipes_folder()
        main = [element.path for element in search_path.get_path() if element.provider == "main"]
        if main == [str(folder / "sample")]:
            search_path.append(provider="gpip_plugins", path=f"file://{folder / 'train'}")


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
    _generate(settings)


def _generate(settings: SamplingSettings) -> None:
    """Sample; a mistake ends a single run with its sentence, without the frame of Hydra."""
    try:
        generate(settings)
    except InputError as error:
        if HydraConfig.get().mode == RunMode.MULTIRUN:
            raise
        print(f"gpip: {error}", file=sys.stderr)
        raise SystemExit(1) from None


def run(words: Sequence[str]) -> None:
    """Run `gpip sample`.

    Args:
        words: arguments of `gpip sample`.

    Raises:
        InputError: for words that cannot be understood, before Hydra starts.
        SystemExit: with code 1 after a mistake of the user, which Hydra has printed.
    """
    register_molecules()
    if TrainingRecipes not in Plugins.instance().discover(SearchPathPlugin):
        Plugins.instance().register(TrainingRecipes)
    sys.argv = ["gpip sample", *translate(words)]
    folder = recipes_folder() / "sample"
    hydra.main(version_base="1.3", config_path=str(folder), config_name="config")(job)()
