"""Sets up the network of a run like that of the pre-trained file, before anything is built.

`spktrain` builds the model from the composed configuration. Only a Hydra callback runs before that
and may still change it, so the file is read here: the `config.yaml` of the run then contains the
network that is really used. Hydra turns every `Exception` of a callback into a warning, so this one
ends the program with `SystemExit`: the message on stderr, exit code 1.
"""

import os
from collections.abc import Mapping, Sequence
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.experimental.callback import Callback
from hydra.utils import get_class
from omegaconf import DictConfig, OmegaConf, open_dict

from gpip_plugins.checkpoint import load
from gpip_plugins.errors import InputError, with_names
from gpip_plugins.potential.network import check_distance_unit, network_of
from gpip_plugins.train.resume import settings_of_run

__all__ = ["PretrainedNetwork", "adopt_network"]

NODE = "model.representation"
CUTOFF = "globals.cutoff"
#: Settings without which the weights of the file do not fit, so that they cannot differ.
SIZES = ("n_atom_basis", "n_interactions", "n_filters", "lmax", "n_rbf", "n_heads")
#: Parameters of the library to the keys of the recipe.
KEYS = {
    "path": "pretrained.path=",
    "trust": "pretrained.trust=",
    "distance_unit": "data.distance_unit=",
}


class PretrainedNetwork(Callback):
    """Hydra callback that takes the network from `pretrained.path`, except settings of the user.

    A resumed run takes it from its `config.yaml`. In a sweep (`-m`) Hydra does not call this
    method, so there the network has to be given.
    """

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Adopt the network, or end the program with one sentence and exit code 1."""
        if OmegaConf.select(config, "pretrained.path") is None:
            return
        # Hydra does this after the callback; here it is needed to find the folder of the run.
        HydraConfig.instance().set_config(config)
        try:
            network = _recorded(config)
            if network is None:
                checkpoint = load(config.pretrained.path, config.pretrained.trust, "path")
                check_distance_unit(checkpoint, OmegaConf.select(config, "data.distance_unit"))
                network = network_of(checkpoint)
            changed = adopt_network(config, network, list(config.hydra.overrides.task))
        except InputError as error:
            raise SystemExit(with_names(str(error), KEYS)) from None
        if changed and "LOCAL_RANK" not in os.environ:
            print(f"Network of {config.pretrained.path}: {', '.join(changed)}", flush=True)


def adopt_network(
    config: DictConfig, network: Mapping[str, Any], overrides: Sequence[str]
) -> list[str]:
    """Change the representation of a configuration into that of a pre-trained file.

    Args:
        config: composed configuration of `spktrain`; changed in place.
        network: result of `gpip_plugins.potential.network.network_of`.
        overrides: overrides of the command line.

    Returns:
        Changes, as `key=value`.

    Raises:
        InputError: the command line contradicts the file, and `pretrained.allow_differences` does
            not contain the setting.
    """
    allowed = set(config.pretrained.allow_differences)
    typed = [word for word in _typed_keys(overrides) if word.startswith(NODE) or word == CUTOFF]
    cutoff = (network.get("cutoff_fn") or {}).get("cutoff")
    meant = {}
    for key in typed:
        stated = cutoff if key == CUTOFF else _stated(network, key)
        given = _comparable(OmegaConf.select(config, key))
        names = {*key.split("."), "class" if key == NODE else key}
        name = "class" if key == NODE else key.rpartition(".")[2]
        if stated is None or _comparable(stated) == given:
            continue
        if not names & allowed:
            raise InputError(
                f"{_word(key)}={given} contradicts pretrained.path={config.pretrained.path}, whose "
                f"network has {_comparable(stated)}; leave {_word(key)} out"
                + (
                    "."
                    if name in SIZES
                    else f", or if this is meant add {name} to pretrained.allow_differences."
                )
            )
        if key not in (NODE, CUTOFF):
            meant[key] = OmegaConf.select(config, key)
    changed: list[str] = []
    with open_dict(config):
        if cutoff is not None and CUTOFF not in typed and config.globals.get("cutoff") != cutoff:
            config.globals.cutoff = cutoff
            changed.append(f"{CUTOFF}={cutoff}")
        _adopt(config, NODE, network, typed, changed)
        for key, value in meant.items():
            OmegaConf.update(config, key, value, merge=False, force_add=True)
    return changed


def _adopt(
    config: DictConfig,
    path: str,
    network: Mapping[str, Any],
    typed: Sequence[str],
    changed: list[str],
) -> None:
    """Write a node of the file's network, except settings on the command line."""
    here = OmegaConf.select(config, path)
    if not isinstance(here, DictConfig) or not _same_class(here, network):
        if path in typed:  # the user chose another class, which keeps its settings
            return
        OmegaConf.update(config, path, _bound(network), merge=False, force_add=True)
        changed.append(f"{path}={_comparable(network)}")
        return
    for name, value in network.items():
        key = f"{path}.{name}"
        if name == "_target_" or key in typed or (name == "cutoff" and CUTOFF in typed):
            continue
        if isinstance(value, Mapping):
            _adopt(config, key, value, typed, changed)
        elif name not in here or _comparable(here[name]) != value:
            OmegaConf.update(config, key, value, merge=False, force_add=True)
            changed.append(f"{key}={value}")


def _bound(network: Mapping[str, Any]) -> dict[str, Any]:
    """Return a node whose cut-offs refer to that of the recipe."""
    bound: dict[str, Any] = {}
    for name, value in network.items():
        if name == "cutoff":
            bound[name] = f"${{{CUTOFF}}}"
        else:
            bound[name] = _bound(value) if isinstance(value, Mapping) else value
    return bound


def _typed_keys(overrides: Sequence[str]) -> list[str]:
    """Return the keys of overrides, groups with dots."""
    parsed = OverridesParser.create().parse_overrides(list(overrides))
    return [override.key_or_group.replace("/", ".") for override in parsed]


def _stated(network: Mapping[str, Any], key: str) -> Any:
    """Return the value of a key below `model.representation` in a file's network."""
    value: Any = network
    for name in key.removeprefix(NODE).strip(".").split("."):
        if name:
            value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _comparable(value: Any) -> Any:
    """Return plain data; for a node with a class, the name of the class."""
    if isinstance(value, Mapping | DictConfig) and value.get("_target_"):
        return str(value["_target_"]).rsplit(".", 1)[-1]
    return OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value


def _word(key: str) -> str:
    """Return a key as on the command line: groups have slashes."""
    groups = (NODE, f"{NODE}.radial_basis")
    return key.replace(".", "/") if key in groups else key


def _same_class(here: DictConfig, network: Mapping[str, Any]) -> bool:
    """Return whether two nodes build the same class; a file of weights alone names no class."""
    if "_target_" not in network or "_target_" not in here:
        return "_target_" not in network
    try:
        return get_class(here["_target_"]) is get_class(network["_target_"])
    except ImportError as error:
        raise InputError(
            f"The network {network['_target_']} cannot be imported here ({error}); install the "
            "package that it comes from."
        ) from error


def _recorded(config: DictConfig) -> dict[str, Any] | None:
    """Return the network of a resumed run, from its `config.yaml`."""
    saved = settings_of_run(config.hydra.run.dir)
    if saved is None or OmegaConf.select(saved, "pretrained.path") != config.pretrained.path:
        return None
    network = OmegaConf.select(saved, NODE)
    return None if network is None else OmegaConf.to_container(network, resolve=True)
