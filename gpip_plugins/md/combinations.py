"""Settings of a simulation that depend on each other, checked together before anything is built.

Every rule looks at the composed configuration and the structures, and raises the sentence for the
first contradiction. A key that a configuration does not have is not checked.
"""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from ase import Atoms
from hydra.utils import get_class
from omegaconf import DictConfig, ListConfig, OmegaConf

from gpip_plugins.errors import InputError, check_choice, check_number, check_whole

__all__ = ["check_combinations", "check_values"]

select = OmegaConf.select

_NUMBER = partial(check_number, above=0, unit="fs")
_COUNT = partial(check_whole, least=1)
_KELVIN = partial(check_number, least=0.0, unit="K", example=500)


def _one_of(*choices: int) -> Callable[[str, object], object]:
    return lambda key, value: check_choice(key, str(value), [str(choice) for choice in choices])


#: Single values that are checked where a configuration has them.
VALUES = {
    "temperature": _KELVIN,
    "precision": _one_of(32, 64),
    "seed": partial(check_whole, least=0, most=2**32 - 1),
    "system.n_replicas": _COUNT,
    "dynamics.n_steps": _COUNT,
    "dynamics.integrator.time_step": partial(_NUMBER, example=0.5),
    "dynamics.integrator.temperature": partial(check_number, above=0, unit="K", example=300),
    "calculator.neighbor_list.cutoff_shell": partial(check_number, above=0, example=2.0),
    "callbacks.hdf5.every_n_steps": _COUNT,
    "callbacks.hdf5.buffer_size": _COUNT,
    "callbacks.hdf5.precision": _one_of(16, 32, 64),
    "callbacks.checkpoint.every_n_steps": _COUNT,
    "callbacks.finite.every_n_steps": _COUNT,
    "callbacks.finite.volume_factor": partial(check_number, above=1.0, example=8.0),
} | {
    f"dynamics.{part}.{key}": check
    for part in ("thermostat", "barostat")
    for key, check in {
        "temperature_bath": partial(check_number, above=0, unit="K", example=300),
        "time_constant": partial(_NUMBER, example=100),
        "time_constant_cell": partial(_NUMBER, example=100),
        "time_constant_barostat": partial(_NUMBER, example=1000),
        "target_pressure": partial(check_number, unit="bar", example=1.01325),
        "chain_length": partial(check_whole, least=2),
        "multi_step": _COUNT,
        "integration_order": _one_of(3, 5, 7),
    }.items()
}


def check_values(config: DictConfig) -> None:
    """Refuse single numbers that cannot be.

    Args:
        config: configuration of `spkmd`.

    Raises:
        InputError: for the first one found.
    """
    for key, check in VALUES.items():
        if (value := select(config, key)) is not None:
            check(key, value)
    temperatures = select(config, "system.initializer.temperature")
    listed = temperatures if isinstance(temperatures, ListConfig) else [temperatures]
    for value in listed:
        if value is not None:
            _KELVIN("system.initializer.temperature", value)


def check_combinations(config: DictConfig, structures: Sequence[Atoms]) -> None:
    """Refuse settings that contradict each other.

    Args:
        config: configuration of `spkmd`.
        structures: the structures that are simulated.

    Raises:
        InputError: for the first contradiction found.
    """
    check_values(config)
    _callbacks(config)
    if select(config, "dynamics.integrator") is None:
        return
    classes = {part: _class(config, part) for part in ("integrator", "thermostat", "barostat")}
    _ring_polymer(config, classes)
    _temperatures(config)
    _time_constants(config, classes)
    _cells(config, structures, classes["barostat"])


def _class(config: DictConfig, part: str) -> type | None:
    """Return the class of integrator, thermostat or barostat, None where there is none."""
    node = select(config, f"dynamics.{part}")
    if node is None:
        return None
    target = node.get("_target_")
    if target is None:
        raise InputError(
            f"dynamics.{part} has values but no _target_; choose one with dynamics/{part}=NAME "
            f"(with a plus sign where the preset has none: +dynamics/{part}=NAME)."
        )
    try:
        return get_class(target)
    except Exception:
        raise InputError(
            f"dynamics.{part}._target_={target} cannot be imported; give the full name of a class."
        ) from None


def _callbacks(config: DictConfig) -> None:
    for name, node in (select(config, "callbacks") or {}).items():
        if not isinstance(node, DictConfig) or node.get("_target_") is None:
            raise InputError(
                f"callbacks.{name} has values but no _target_; choose it too, for example "
                f"'callbacks=[finite,checkpoint,{name}]'."
            )
    if select(config, "restart") is not None and select(config, "callbacks.checkpoint") is None:
        raise InputError(
            "restart needs the callback checkpoint, which restores the state; choose for example "
            "'callbacks=[finite,checkpoint,hdf5]'."
        )


def _ring_polymer(config: DictConfig, classes: dict[str, type | None]) -> None:
    beads = select(config, "system.n_replicas") or 1
    ring = getattr(classes["integrator"], "ring_polymer", False)
    if ring and beads < 2 and select(config, "system.load_system_state") is None:
        raise InputError(
            f"system.n_replicas={beads}: a ring polymer of one bead is a classical simulation; "
            "give for example system.n_replicas=16, or choose dynamics/integrator=verlet."
        )
    for part, remedy in (
        ("thermostat", "choose dynamics/thermostat=pile"),
        ("barostat", "leave it out, or choose dynamics/integrator=verlet"),
    ):
        found = classes[part]
        if found is None:
            continue
        fits = getattr(found, "ring_polymer", False)
        if ring and not fits:
            raise InputError(
                f"dynamics.{part}._target_={found.__name__} is not for ring polymers; {remedy}."
            )
        if fits and not ring:
            raise InputError(
                f"dynamics.{part}._target_={found.__name__} is only for ring polymers; choose "
                "dynamics/integrator=ring_polymer too, or another one."
            )
    if ring and select(config, "system.initializer.ring_polymer") is False:
        raise InputError(
            "system.initializer.ring_polymer=False draws the momenta of the beads at a too low "
            "temperature; set it to true."
        )


def _temperatures(config: DictConfig) -> None:
    keys = [f"dynamics.{part}.temperature_bath" for part in ("thermostat", "barostat")]
    keys.append("dynamics.integrator.temperature")
    found = {key: float(value) for key in keys if (value := select(config, key)) is not None}
    if len(set(found.values())) > 1:
        listed = " and ".join(f"{key}={value:g}" for key, value in found.items())
        raise InputError(f"{listed} contradict each other; set temperature=NUMBER for all.")


def _time_constants(config: DictConfig, classes: dict[str, type | None]) -> None:
    step = select(config, "dynamics.integrator.time_step")
    for part in ("thermostat", "barostat"):
        for key in ("time_constant", "time_constant_cell", "time_constant_barostat"):
            value = select(config, f"dynamics.{part}.{key}")
            if value is None or step is None or float(value) == 0.0:
                continue
            # A Nosé-Hoover chain oscillates with this period; others relax with this time.
            least = (
                10 if hasattr(classes[part], "_propagate_thermostat") or part == "barostat" else 1
            )
            if float(value) < least * float(step):
                raise InputError(
                    f"dynamics.{part}.{key}={value:g} fs is too short for steps of "
                    f"dynamics.integrator.time_step={step:g} fs; give at least "
                    f"dynamics.{part}.{key}={least * float(step):g}, commonly 100."
                )


def _cells(config: DictConfig, structures: Sequence[Atoms], barostat: type | None) -> None:
    periodic = [bool(atoms.pbc.any()) for atoms in structures]
    if len(set(periodic)) > 1:
        raise InputError(
            f"system.molecule_file: structure {periodic.index(True)} is periodic and structure "
            f"{periodic.index(False)} is not (counted from 0), so that no cells would be stored; "
            "simulate them separately."
        )
    stress = select(config, "calculator.stress_key")
    if barostat is not None and stress is None:
        raise InputError(
            "calculator.stress_key=null with a barostat: without stress the cell grows without "
            "limit; give calculator.stress_key=stress."
        )
    for number, atoms in enumerate(structures):
        where = f"system.molecule_file: structure {number} (counted from 0)"
        if (barostat is not None or stress is not None) and not atoms.pbc.all():
            raise InputError(
                f"{where} is not periodic in all three directions (pbc={atoms.pbc.tolist()}) and "
                "has no pressure; give a periodic cell, or leave barostat and "
                "calculator.stress_key out."
            )
        if stress is not None and np.linalg.det(atoms.cell.array) < 0:
            raise InputError(
                f"{where} has left-handed cell vectors, for which SchNetPack's volume and pressure "
                "are negative; exchange two of the vectors."
            )
