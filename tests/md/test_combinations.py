"""Settings that depend on each other."""

import pytest
from ase import Atoms
from ase.build import molecule
from omegaconf import OmegaConf

from gpip_plugins.errors import InputError
from gpip_plugins.md.combinations import check_combinations

HOOKS = "schnetpack.md.simulation_hooks"
VERLET = {"_target_": "schnetpack.md.integrators.VelocityVerlet", "time_step": 0.5}
RING = {"_target_": "schnetpack.md.integrators.RingPolymer", "time_step": 0.2, "temperature": 300}
CHAIN = {
    "_target_": "gpip_plugins.md.thermostats.NoseHooverChain",
    "temperature_bath": 300,
    "time_constant": 100.0,
}
PILE = CHAIN | {"_target_": f"{HOOKS}.PILELocalThermostat"}
LANGEVIN = CHAIN | {"_target_": f"{HOOKS}.LangevinThermostat"}
PRESSURE = CHAIN | {"_target_": "gpip_plugins.md.barostats.IsotropicBarostat"}
FREE = [molecule("H2O")]
BOX = [Atoms("Ar", cell=[5, 5, 5], pbc=True)]
SLAB = [Atoms("Ar", cell=[5, 5, 5], pbc=[True, True, False])]
LEFT = [Atoms("Ar", cell=[[0, 5, 0], [5, 0, 0], [0, 0, 5]], pbc=True)]


def config_of(integrator=VERLET, thermostat=None, barostat=None, **values):
    config = {
        "calculator": {"stress_key": "stress" if barostat else None},
        "system": {"n_replicas": 1, "initializer": {"temperature": 300, "ring_polymer": False}},
        "dynamics": {"integrator": integrator, "thermostat": thermostat, "barostat": barostat},
        "callbacks": {},
        "restart": None,
    }
    config = OmegaConf.create(config)
    for name, value in values.items():
        OmegaConf.update(config, name.replace("__", "."), value, force_add=True)
    return config


BEADS = {"system__n_replicas": 8, "system__initializer__ring_polymer": True}


@pytest.mark.parametrize(
    ("settings", "structures"),
    [
        ({}, FREE),
        ({"thermostat": CHAIN}, FREE * 3),
        ({"barostat": PRESSURE, "thermostat": CHAIN}, BOX),
        ({"integrator": RING, "thermostat": PILE} | BEADS, FREE),
        ({"thermostat": LANGEVIN | {"time_constant": 2.0}}, SLAB),
        ({}, LEFT),
    ],
)
def test_what_fits_passes(settings, structures):
    check_combinations(config_of(**settings), structures)


@pytest.mark.parametrize(
    ("settings", "structures", "message"),
    [
        ({"barostat": PRESSURE, "calculator__stress_key": None}, BOX, "give calculator.stress_key"),
        ({"barostat": PRESSURE}, FREE, "structure 0 .* is not periodic in all three directions"),
        ({"barostat": PRESSURE}, BOX + SLAB, "structure 1 .* is not periodic in all three"),
        ({"calculator__stress_key": "stress"}, FREE, "has no pressure"),
        ({"barostat": PRESSURE}, LEFT, "structure 0 .* left-handed cell vectors"),
        ({}, BOX + FREE, "structure 0 is periodic and structure 1 is not"),
        ({"integrator": RING, "thermostat": PILE}, FREE, "one bead is a classical simulation"),
        (
            {"integrator": RING, "thermostat": CHAIN} | BEADS,
            FREE,
            "dynamics/thermostat=pile",
        ),
        ({"integrator": RING, "barostat": PRESSURE} | BEADS, BOX, "IsotropicBarostat is not for"),
        ({"thermostat": PILE}, FREE, "PILELocalThermostat is only for ring polymers"),
        (
            {"integrator": RING, "system__n_replicas": 8},
            FREE,
            "system.initializer.ring_polymer=False draws",
        ),
        (
            {"integrator": RING, "thermostat": PILE | {"temperature_bath": 500}} | BEADS,
            FREE,
            "temperature_bath=500 and dynamics.integrator.temperature=300 contradict each other",
        ),
        ({"thermostat": CHAIN | {"time_constant": 2}}, FREE, "time_constant=2 fs is too short"),
        ({"thermostat": LANGEVIN | {"time_constant": 0.1}}, FREE, "time_constant=0.1 fs is too"),
        ({"barostat": PRESSURE | {"time_constant_cell": 1}}, BOX, "time_constant_cell=1 fs is too"),
        (
            {"thermostat": CHAIN | {"temperature_bath": 0}},
            FREE,
            "temperature_bath=0 is not a",
        ),
        ({"thermostat": CHAIN | {"integration_order": 4}}, FREE, "choose from 3, 5, 7"),
        ({"thermostat": {"time_constant": 9}}, FREE, "dynamics.thermostat has values but no _targ"),
        ({"thermostat": {"_target_": "no.Such"}}, FREE, "_target_=no.Such cannot be imported"),
        ({"system__n_replicas": 0}, FREE, "system.n_replicas=0 is not a whole number"),
        ({"callbacks__hdf5__every_n_steps": 0}, FREE, "callbacks.hdf5.every_n_steps=0 is not"),
        ({"restart": "a.chk"}, FREE, "restart needs the callback checkpoint"),
        ({"system__initializer__temperature": [300, -1]}, FREE * 2, "initializer.temperature=-1"),
    ],
)
def test_contradictions_are_refused(settings, structures, message):
    with pytest.raises(InputError, match=message):
        check_combinations(config_of(**settings), structures)
