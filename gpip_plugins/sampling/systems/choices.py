"""The molecules of MD17 as choices of the recipes' group `data/system`, without a file for each.

Hydra's plugins import this module, so it depends only on Hydra and the standard library.
"""

from hydra.core.config_store import ConfigStore

from gpip_plugins.sampling.systems.presets import MOLECULES

__all__ = ["register_molecules"]


def register_molecules() -> None:
    """Register `data/system=aspirin` and the seven other molecules of MD17 with Hydra.

    Every choice sets `data.system` to `gpip_plugins.sampling.systems.sources.Presets` of that name.

    Example:
        >>> register_molecules()
        >>> "aspirin.yaml" in ConfigStore.instance().list("data/system")
        True
    """
    store = ConfigStore.instance()
    for name in MOLECULES:
        source = {"_target_": "gpip_plugins.sampling.systems.sources.Presets", "molecules": name}
        node = {"system": source}
        store.store(name, node, group="data/system", package="data", provider="gpip_plugins")
