"""The command `spkmd`, in a separate process: it cannot be imported beside `spktrain`."""

import importlib.util
import os
import shutil
import sys
import time

import numpy as np
import pytest
from ase.io import read
from schnetpack.md.data import HDF5Loader

MODEL = "calculator.model_file=run/best_model"
MOLECULE = "system.molecule_file=ethanol.xyz"


@pytest.fixture
def here(run_folder, tmp_path):
    shutil.copytree(run_folder, tmp_path / "elsewhere")
    return tmp_path / "elsewhere"


@pytest.fixture
def spkmd(here, run_program):
    """Return a function that simulates; it returns the text on stderr."""
    return lambda *words, code=0: run_program(here, "spkmd", *words, code=code)[1]


def trajectory(path):
    loader = HDF5Loader(str(path))
    loader.database.close()
    return loader


@pytest.mark.slow
def test_nvt_from_another_folder_with_relative_paths(here, spkmd):
    spkmd(
        "simulation=molecule_nvt",
        MODEL,
        MOLECULE,
        "simulation_dir=hot",
        "seed=1",
        "dynamics.n_steps=201",
    )
    found = trajectory(here / "hot" / "simulation.hdf5")
    assert found.entries == 3, "a frame every 100 steps"
    assert found.time_step == pytest.approx(50 * found_fs(), rel=1e-6), "of 0.5 fs"
    start = read(here / "ethanol.xyz")
    assert found.properties["_atomic_numbers"].tolist() == start.numbers.tolist()
    first = found.get_positions()[0] * 10
    start.positions -= start.get_center_of_mass()
    np.testing.assert_allclose(first, start.positions, atol=0.1)
    assert np.abs(found.get_positions()[2] * 10 - start.positions).max() > 0.05
    assert found.properties["forces"].shape[-2:] == (9, 3)
    assert (here / "hot" / "checkpoint.chk").is_file()
    assert not (here / "hot" / "checkpoint.chk.part").exists()

    again = spkmd("simulation=molecule_nvt", MODEL, MOLECULE, "simulation_dir=hot", code=1)
    assert "simulation_dir=hot already holds a trajectory" in again

    spkmd(
        "simulation=molecule_nvt",
        MODEL,
        MOLECULE,
        "simulation_dir=hot",
        "restart=hot/checkpoint.chk",
        "dynamics.n_steps=200",
    )
    assert trajectory(here / "hot" / "simulation.hdf5").entries == 5


def found_fs():
    from schnetpack import units

    return units.fs


@pytest.mark.slow
def test_nve_langevin_and_ensemble_run(here, spkmd):
    short = ["dynamics.n_steps=3", MOLECULE]
    spkmd("simulation=molecule_nve", MODEL, "simulation_dir=a", *short)
    spkmd(
        "simulation=molecule_nvt",
        "dynamics/thermostat=langevin",
        "calculator=gpip_ensemble",
        "calculator.model_files=[run/best_model,run]",
        "simulation_dir=b",
        *short,
    )
    assert "forces_var" in trajectory(here / "b" / "simulation.hdf5").properties


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "message"),
    [
        # Found by the callback of Hydra, and by the calculator.
        ([MOLECULE], "calculator.model_file is missing; give it"),
        ([MODEL, MOLECULE, "calculator.neighbor_list.cutoff=6"], "cutoff=6 contradicts the model"),
    ],
)
def test_mistakes_get_one_sentence(spkmd, words, message):
    assert message in spkmd("simulation=molecule_nvt", *words, code=1)


@pytest.mark.slow
def test_a_second_simulation_in_the_same_folder_is_refused(here, spkmd, start_program):
    words = ["simulation=molecule_nvt", MODEL, MOLECULE, "simulation_dir=one"]
    first = start_program(here, "spkmd", *words, "dynamics.n_steps=100000000")
    try:
        deadline = time.monotonic() + 120
        while not (here / "one" / "simulation.hdf5").exists() and time.monotonic() < deadline:
            time.sleep(0.2)
        second = spkmd(*words, "overwrite=true", code=1)
        assert first.poll() is None, "the first simulation has gone"
    finally:
        first.kill()
        first.communicate()
    assert f"Another run is going on in {here / 'one'} (process {first.pid} on" in second
    assert "simulation_dir=FOLDER" in second
    assert (here / "one" / "simulation.hdf5").exists(), "it replaced the trajectory of the first"


HOST_CONFIG = """
defaults:
  - _self_
  - calculator: spk
  - system: host
  - dynamics: host
  - callbacks: [hdf5]
device: cuda
precision: 32
seed: null
simulation_dir: ???
overwrite: false
restart: null
load_config: null
hydra: {job: {chdir: true}, run: {dir: "${simulation_dir}"}}
"""
HOST = {
    "config.yaml": HOST_CONFIG,
    "calculator/spk.yaml": "_target_: schnetpack.md.calculators.SchNetPackCalculator\n"
    "model_file: ???\nneighbor_list: {cutoff: 5.0}\n",
    "system/host.yaml": "molecule_file: ???\nload_system_state: null\nn_replicas: 1\n"
    "position_unit_input: Angstrom\nmass_unit_input: 1.0\n"
    "initializer: {_target_: schnetpack.md.UniformInit, temperature: 300}\n",
    "dynamics/host.yaml": "n_steps: 1000000\nthermostat: null\nbarostat: null\nprogress: true\n"
    "simulation_hooks: []\n"
    "integrator: {_target_: schnetpack.md.integrators.VelocityVerlet, time_step: 1.0}\n",
    "callbacks/hdf5.yaml": "hdf5:\n  _target_: schnetpack.md.simulation_hooks.FileLogger\n"
    "  filename: simulation.hdf5\n  buffer_size: 100\n  every_n_steps: 1\n  data_streams:\n"
    "  - {_target_: schnetpack.md.simulation_hooks.MoleculeStream, store_velocities: true}\n"
    "  - {_target_: schnetpack.md.simulation_hooks.PropertyStream}\n",
    "callbacks/checkpoint.yaml": "checkpoint:\n  checkpoint_file: simulation.chk\n"
    "  _target_: schnetpack.md.simulation_hooks.Checkpoint\n  every_n_steps: 10\n",
}


@pytest.mark.slow
@pytest.mark.parametrize("simulation", ["molecule_nvt", "molecule_nve"])
def test_presets_work_on_a_tree_of_schnetpack_itself(here, run_program, simulation):
    """A tree before ours with the same group names, as in a SchNetPack with MD recipes."""
    for name, text in HOST.items():
        (here / "host" / name).parent.mkdir(parents=True, exist_ok=True)
        (here / "host" / name).write_text(text)
    # Served as the package of the main tree, which the search path plugin recognises as spkmd's.
    package = importlib.util.find_spec("schnetpack.md.md_configs")
    assert not os.path.exists(os.path.join(os.path.dirname(package.origin), "config.yaml")), (
        "SchNetPack brings its own MD tree now: run the presets on that one instead."
    )
    (here / "host" / "__init__.py").touch()
    code = (
        "import sys; from importlib.util import module_from_spec, spec_from_file_location;"
        "name = 'schnetpack.md.md_configs'; import schnetpack.md;"
        "spec = spec_from_file_location(name, sys.argv.pop(1) + '/__init__.py');"
        "sys.modules[name] = module_from_spec(spec);"
        "from schnetpack.md.cli import simulate; simulate()"
    )
    run_program(
        here,
        sys.executable,
        "-c",
        code,
        str(here / "host"),
        f"+simulation={simulation}",
        MODEL,
        MOLECULE,
        "dynamics.n_steps=3",
        "simulation_dir=out",
    )
    assert trajectory(here / "out" / "simulation.hdf5").entries == 1
    composed = (here / "out" / ".hydra" / "config.yaml").read_text()
    assert "gpip_plugins.md.calculator.PotentialCalculator" in composed
    assert ("NoseHooverChain" in composed) == (simulation == "molecule_nvt")
    assert "position_unit_input" in composed, "the host's own part has gone"
