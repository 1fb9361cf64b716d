"""A configuration that comes from a file (`load_config=FILE`), checked before it is obeyed.

Hydra calls whatever stands under a key `_target_`, and SchNetPack imports classes by name. So a
foreign file could run any function. Here it may name only SchNetPack's and our own classes for
simulations, and only files inside of the folder of the run.
"""

import os
from collections.abc import Iterator, Sequence

from hydra.core.hydra_config import HydraConfig
from hydra.utils import get_object
from omegaconf import DictConfig, ListConfig, OmegaConf

from gpip_plugins.errors import InputError
from gpip_plugins.io.paths import existing

__all__ = ["loaded_config"]

#: Keys under which a file is written, by the callbacks.
_WRITTEN = ("filename", "checkpoint_file", "log_file")


def loaded_config(config: DictConfig) -> DictConfig:
    """Return the configuration that SchNetPack makes of the typed and the loaded one.

    Args:
        config: configuration with `load_config`.

    Raises:
        InputError: if the file is no configuration, names other classes or functions than those of
            simulations, names files outside of the folder of the run, or if a preset is typed too.
    """
    from schnetpack.md.utils import MDConfigMerger

    name = config.load_config
    path = existing("load_config", name, "name a config.yaml of an earlier simulation")
    try:
        loaded = OmegaConf.load(path)
    except Exception:
        loaded = None
    parts = {"calculator", "system", "dynamics"}
    if not isinstance(loaded, DictConfig) or not parts & set(loaded):
        raise InputError(
            f"load_config={name} is not a configuration in YAML; name the .hydra/config.yaml of an "
            "earlier simulation."
        )
    words = list(HydraConfig.get().overrides.task) if HydraConfig.initialized() else []
    if any(word.lstrip("+").startswith("simulation=") for word in words):
        raise InputError(
            "simulation=NAME and load_config=FILE exclude each other: the loaded configuration "
            "contains its preset; leave simulation out."
        )
    _check(loaded, name, list(OmegaConf.select(config, "calculator.trust") or ()))
    try:
        merged = MDConfigMerger().merge_configs(config, loaded, words)
        merged.load_config = None
        OmegaConf.to_container(merged, resolve=True)
    except Exception:
        raise InputError(
            f"load_config={name} does not fit the configuration of spkmd; name the "
            ".hydra/config.yaml of an earlier simulation of this version."
        ) from None
    return merged


def _check(loaded: DictConfig, name: str, trust: Sequence[str]) -> None:
    more = set(OmegaConf.select(loaded, "calculator.trust") or ()) - set(trust)
    if more:
        raise InputError(
            f"load_config={name} trusts the packages {', '.join(sorted(more))}; if they are yours, "
            f"give calculator.trust=[{','.join(sorted(more))}] yourself."
        )
    for key, value in _leaves(OmegaConf.to_container(loaded, resolve=False)):
        last = key.rpartition(".")[2]
        if last in ("_target_", "base_nbl", "collate_fn") and not _harmless(last, value, trust):
            raise InputError(
                f"load_config={name} was not loaded because {key}={value} is no class of a "
                "simulation of SchNetPack or gpip_plugins; remove that line."
            )
        if last in _WRITTEN and os.path.basename(str(value)) != str(value):
            raise InputError(
                f"load_config={name} was not loaded because {key}={value} is not in the folder of "
                "the run; leave only the name of the file."
            )


def _leaves(node: object, key: str = "") -> Iterator[tuple[str, object]]:
    """Yield all keys of a nested configuration with their values."""
    if isinstance(node, dict):
        for name, value in node.items():
            yield from _leaves(value, f"{key}.{name}" if key else str(name))
    elif isinstance(node, (list, ListConfig)):
        for number, value in enumerate(node):
            yield from _leaves(value, f"{key}.{number}")
    else:
        yield key, node


def _harmless(last: str, value: object, trust: Sequence[str]) -> bool:
    """Return whether a name in a loaded configuration is one of simulations."""
    from schnetpack import transform
    from schnetpack.md import calculators, initial_conditions, integrators
    from schnetpack.md.neighborlist_md import NeighborListMD
    from schnetpack.md.simulation_hooks import SimulationHook
    from schnetpack.md.simulation_hooks.callback_hooks import DataStream

    if last == "collate_fn":
        return value == "schnetpack.data.loader._atoms_collate_fn"
    packages = tuple(f"{package}." for package in ("schnetpack", "gpip_plugins", *trust))
    if not str(value).startswith(packages):
        return False
    try:
        found = get_object(str(value))
    except Exception:
        return False
    if last == "base_nbl":
        allowed = (transform.ASENeighborList, transform.MatScipyNeighborList)
        return found in (*allowed, transform.TorchNeighborList)
    kinds = (
        calculators.SchNetPackCalculator,
        initial_conditions.Initializer,
        integrators.Integrator,
        NeighborListMD,
        SimulationHook,
        DataStream,
    )
    return isinstance(found, type) and issubclass(found, kinds)
