import os
import subprocess
import sys

import pytest
from omegaconf import OmegaConf

from gpip_plugins.errors import InputError
from gpip_plugins.md.inputs import SimulationInputs, check_config, check_trajectory


def config_of(**values):
    """The checked part of `spkmd`'s configuration; `a__b` stands for `a.b`."""
    config = OmegaConf.create(
        {
            "calculator": {"model_file": "run/best_model"},
            "system": {"molecule_file": "ethanol.xyz", "load_system_state": None},
            "callbacks": {"hdf5": {"_target_": "any.Hook", "filename": "simulation.hdf5"}},
            "restart": None,
            "load_config": None,
            "overwrite": False,
            "simulation_dir": "here",
        }
    )
    for name, value in values.items():
        OmegaConf.update(config, name.replace("__", "."), value, force_add=True)
    return config


@pytest.fixture
def here(run_folder, monkeypatch, tmp_path):
    for name in ("run", "ethanol.xyz"):
        (tmp_path / name).symlink_to(run_folder / name)
    (tmp_path / "nan.xyz").write_text("2\n\nH 0 0 0\nH nan 0 0\n")
    (tmp_path / "flat.xyz").write_text('1\nLattice="9 0 0 0 9 0 0 0 0" pbc="T T T"\nH 0 0 0\n')
    slab = 'Lattice="9 0 0 0 9 0 0 0 0" pbc="T T F"'
    (tmp_path / "slab.xyz").write_text(f"1\n{slab}\nH 0 0 0\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_device_that_is_not_there(here, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(InputError, match=r"device=cuda:1, but torch finds no GPU; use device=cpu"):
        check_config(config_of(device="cuda:1"))
    check_config(config_of(device="cpu"))


def test_good_inputs_pass(here):
    check_config(config_of())
    check_config(config_of(calculator__model_file="run"))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"calculator__model_file": "???"}, "calculator.model_file is missing"),
        ({"calculator__model_file": "none"}, "calculator.model_file=none does not exist"),
        ({"calculator": {"model_files": "???"}}, "calculator.model_files is missing"),
        ({"calculator": {"model_files": ["run", "b"]}}, "calculator.model_files=b does not exist"),
        ({"system__molecule_file": "???"}, "system.molecule_file is missing"),
        ({"system__molecule_file": "none.xyz"}, "system.molecule_file=none.xyz does not exist"),
        ({"system__molecule_file": "nan.xyz"}, "structure 0 .* not finite, of atom 1"),
        ({"system__molecule_file": "flat.xyz"}, "structure 0 .* cell vectors span no volume"),
        ({"system__molecule_file": "slab.xyz"}, "structure 0 .* cell vectors span no volume"),
        ({"system__molecule_file": "run/best_model"}, "best_model cannot be read"),
        (
            {"temperature": -5},
            r"temperature=-5 is not a number .*; give for example",
        ),
        ({"temperature": float("nan")}, "temperature=nan is not a number"),
        ({"dynamics": {"n_steps": -1}}, "dynamics.n_steps=-1 is not a whole number of at least 1"),
        ({"dynamics": {"integrator": {"time_step": 0}}}, "time_step=0 is not a number above 0"),
        ({"precision": 16}, "precision='16' is unknown; choose from 32, 64"),
        ({"seed": -1}, "seed=-1 is not a whole number of at least 0"),
        ({"device": "gpu"}, "device=gpu is unknown; use device=cpu"),
        ({"callbacks": {"own": {"every_n_steps": 2}}}, "callbacks.own has values but no _target_"),
        ({"restart": "ethanol.xyz"}, "restart=.*ethanol.xyz is damaged or no checkpoint"),
        ({"system__load_system_state": "run/best_model"}, "system.load_system_state=.* was not lo"),
        ({"load_config": "ethanol.xyz"}, "load_config=ethanol.xyz is not a configuration"),
        ({"restart": "none.chk"}, "restart=none.chk does not exist"),
        ({"system__load_system_state": "n.chk"}, "load_system_state=n.chk does not exist"),
        ({"load_config": "none.yaml"}, "load_config=none.yaml does not exist"),
    ],
)
def test_bad_inputs_are_refused(here, values, message):
    if "calculator" in values:
        config = config_of()
        config.calculator = values["calculator"]
    else:
        config = config_of(**values)
    with pytest.raises(InputError, match=message):
        check_config(config)


def test_a_trajectory_is_not_overwritten_unasked(here):
    old = here / "simulation.hdf5"
    old.write_text("frames")
    with pytest.raises(InputError, match="simulation_dir=here already holds a trajectory"):
        check_config(config_of())
    assert old.read_text() == "frames"
    check_trajectory(config_of(restart="checkpoint.chk"))
    assert old.exists()
    check_config(config_of(overwrite=True))
    assert not old.exists()


def test_the_folder_is_locked_from_start_to_end(here):
    callback = SimulationInputs()
    with pytest.raises(SystemExit):
        callback.on_job_start(config_of(restart="none.chk"))
    callback.on_job_start(config_of())
    code = "from gpip_plugins.io.locks import lock_folder; lock_folder('.', 'go elsewhere')"
    second = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert f"Another run is going on in {here} (process {os.getpid()} on" in second.stderr
    callback.on_job_end(config_of())
    subprocess.run([sys.executable, "-c", code], check=True)


def test_hydra_cannot_turn_the_sentence_into_a_warning(here):
    with pytest.raises(SystemExit) as end:
        SimulationInputs().on_job_start(config_of(calculator__model_file="none"))
    assert "calculator.model_file=none does not exist" in str(end.value.code)
