"""Adds the recipes of gpip_plugins to Hydra's search path; found by `hydra_plugins.gpip_plugins`.

Hydra imports this file at every start of every Hydra program, so it imports only Hydra and the
standard library. `spktrain` and `spkpredict` get the tree `recipes/train`, `spkmd` the tree
`recipes/md`: both programs use the same group names, so neither may see the other's tree. The tree
`recipes/hydra` gives `spkpredict` a callback that checks its model.
Values of overrides are taken as they are typed (`gpip_plugins.io.overrides`): Hydra parses them
after this file has been imported, so its parser is extended here, for these programs only.
The MD recipes contain `device: ${gpip_device:}`; a resolver cannot be registered from YAML, so it
is registered here, with the tree that uses it.
"""

import functools
import importlib.util
from pathlib import Path

from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.plugins.search_path_plugin import SearchPathPlugin
from omegaconf import OmegaConf

__all__ = ["GpipSearchPathPlugin"]

TREE_OF_MAIN = {
    "pkg://schnetpack/configs": "train",
    "pkg://schnetpack/md/md_configs": "md",
}


def recipes_folder() -> Path | None:
    """Return the folder of the recipes, from a wheel or from a checkout installed with `-e`."""
    spec = importlib.util.find_spec("gpip_plugins")
    if spec is None or not spec.submodule_search_locations:
        return None
    package = Path(next(iter(spec.submodule_search_locations)))
    for folder in (package / "recipes", package.parent / "recipes"):
        if folder.is_dir():
            return folder
    return None


def device() -> str:
    """Return `cuda` if torch finds a GPU, else `cpu`; imports torch only when called."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def read_values_as_typed() -> None:
    """Let Hydra's parser see the overrides in the form that `as_typed` gives them.

    Hydra has no hook between the command line and its parser, and the words of `sys.argv` are
    already taken when plugins are loaded; so the method is replaced, once.
    """
    parse = OverridesParser.parse_overrides
    if hasattr(parse, "__wrapped__"):
        return

    @functools.wraps(parse)
    def parse_as_typed(self, overrides):
        from gpip_plugins.io.overrides import as_typed

        return parse(self, as_typed(overrides))

    OverridesParser.parse_overrides = parse_as_typed


class GpipSearchPathPlugin(SearchPathPlugin):
    """Appends the matching tree of recipes after the configuration of SchNetPack."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Append the tree of the running program, once."""
        folder = recipes_folder()
        if folder is None:
            return
        present = {element.path for element in search_path.get_path()}
        for element in list(search_path.get_path()):
            if element.provider != "main" or element.path is None:
                continue
            tree = TREE_OF_MAIN.get(
                "pkg://" + element.path.removeprefix("pkg://").replace(".", "/")
            )
            if tree is None:
                continue
            # Hydra's file source needs a plain path after the scheme, not a percent-encoded URI.
            path = f"file://{folder / tree}"
            if path not in present:
                search_path.append(provider="gpip_plugins", path=path)
                present.add(path)
                read_values_as_typed()
                if tree == "train":
                    # In front of Hydra's own files: the callback that guards spkpredict.
                    search_path.prepend(provider="gpip_guard", path=f"file://{folder / 'hydra'}")
                    from gpip_plugins.sampling.systems.choices import register_molecules

                    register_molecules()
                if tree == "md":
                    OmegaConf.register_new_resolver("gpip_device", device, replace=True)
