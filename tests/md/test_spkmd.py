"""The command `spkmd`, in a separate process: it cannot be imported beside `spktrain`."""

import importlib.util
import os
import re
import shlex
import shutil
import signal
import sys
import time

import numpy as np
import pytest
from ase.build import bulk
from ase.io import read, write
from schnetpack.md.data import HDF5Loader

from gpip_plugins.md.checkpoints import load_state

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


@pytest.mark.slow
def test_six_kills_at_random_times_leave_the_uninterrupted_trajectory(
    here, spkmd, start_program, run_program
):
    words = ["simulation=molecule_nvt", "dynamics/thermostat=langevin", MODEL, MOLECULE, "seed=4"]
    words += ["callbacks.hdf5.every_n_steps=3", "callbacks.checkpoint.every_n_steps=50"]
    spkmd(*words, "dynamics.n_steps=3000", "simulation_dir=whole")
    whole = trajectory(here / "whole" / "simulation.hdf5")
    rng, path = np.random.default_rng(), here / "killed" / "simulation.hdf5"
    checkpoint = here / "killed" / "checkpoint.chk"
    for kill in range(7):
        more = ["restart=killed/checkpoint.chk"] if kill else []
        before = path.stat().st_ino if kill else None
        program = start_program(
            here, "spkmd", *words, *more, "dynamics.n_steps=100000", "simulation_dir=killed"
        )
        while not path.exists() or path.stat().st_ino == before:
            assert program.poll() is None, program.communicate()
            time.sleep(0.05)
        time.sleep(rng.uniform(0.0, 2.0))
        # The last one is told to stop, as by a queue.
        program.send_signal(signal.SIGTERM if kill == 6 else signal.SIGKILL)
        _, err = program.communicate(timeout=120)
        left = trajectory(path)
        n_frames = min(left.entries, whole.entries)
        for key in ("_positions", "velocities", "forces"):
            same = left.properties[key][:n_frames] == whole.properties[key][:n_frames]
            assert same.all(), (kill, key)
    assert program.returncode == 128 + signal.SIGTERM and "Traceback" not in err
    step = load_state(str(checkpoint))["step"]
    assert left.entries == -(-step // 3)
    command = shlex.split(re.search(r"go on with\n  (.*)", err)[1])
    command = [word for word in command if not word.startswith("dynamics.n_steps=")]
    run_program(here, *command, "dynamics.n_steps=30")
    assert trajectory(path).entries == -(-(step + 30) // 3)


@pytest.mark.slow
def test_constant_pressure_runs_and_continues(here, spkmd):
    box = bulk("C", "diamond", cubic=True) * (2, 2, 2)
    write(here / "box.xyz", box)
    words = ["simulation=box_npt", MODEL, "system.molecule_file=box.xyz", "simulation_dir=npt"]
    words += ["callbacks.hdf5.every_n_steps=2"]
    spkmd(*words, "dynamics.n_steps=6")
    spkmd(*words, "dynamics.n_steps=4", "restart=npt/checkpoint.chk")
    found = trajectory(here / "npt" / "simulation.hdf5")
    volumes = found.get_volume()
    assert found.entries == 5 and len(set(volumes.tolist())) == 5
    assert volumes == pytest.approx(box.get_volume() * 1e-3, rel=0.05)
    assert np.abs(found.get_stress()).max() > 0


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
