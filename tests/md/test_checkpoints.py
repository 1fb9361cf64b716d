"""Loading checkpoints of simulations: no code runs, damage is named."""

import os
import zipfile

import pytest
import torch
from schnetpack.md import Simulator
from schnetpack.md.integrators import VelocityVerlet

from gpip_plugins.errors import InputError
from gpip_plugins.md.checkpoints import load_state, save_state
from gpip_plugins.md.thermostats import NoseHooverChain


@pytest.fixture
def written(tmp_path, system_of, springs):
    hook = NoseHooverChain(300.0, 20.0)
    system = system_of("H2O")
    simulator = Simulator(system, VelocityVerlet(0.5), springs(1e4), [hook], progress=False)
    simulator.to(torch.float64).simulate(3)
    save_state(simulator, 3, str(tmp_path / "a.chk"))
    return tmp_path / "a.chk"


class Planted:
    def __reduce__(self):
        return os.mkdir, ("planted",)


class Instance:
    """An object of a class that may only be named."""

    def __reduce__(self):
        return NoseHooverChain, (300.0, 20.0)


def test_planted_code_does_not_run(written, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    state = load_state(str(written))
    assert state["step"] == 3 and NoseHooverChain in state["simulator_hooks"]
    for planted, name in ((Planted(), "mkdir"), (Instance(), "NoseHooverChain")):
        torch.save(state | {"more": planted}, tmp_path / "b.chk")
        with pytest.raises(InputError, match=rf"restart=.*b.chk was not loaded .*{name}"):
            load_state(str(tmp_path / "b.chk"))
    assert not (tmp_path / "planted").exists()


def test_what_is_no_checkpoint_gets_one_sentence(written, tmp_path):
    data = written.read_bytes()
    state = load_state(str(written))
    bad = {
        "empty": b"",
        "half": data[: len(data) // 2],
        "flipped": data[:700] + bytes([data[700] ^ 255]) + data[701:],
        "text": b"restart me",
    }
    for name, content in bad.items():
        (tmp_path / name).write_bytes(content)
    with zipfile.ZipFile(tmp_path / "zip", "w") as archive:
        archive.writestr("other.txt", "nothing")
    system = state["system"]
    contents = {
        "list": [1, 2],
        "model": torch.nn.Linear(2, 2).state_dict(),
        "step": state | {"step": -1},
        "system": state | {"system": {}},
        "nan": state | {"system": system | {"momenta": system["momenta"] * float("nan")}},
        "shape": state | {"system": system | {"atom_types": system["atom_types"][:1]}},
    }
    for name, content in contents.items():
        torch.save(content, tmp_path / name)
    for name in [*bad, "zip", *contents]:
        with pytest.raises(InputError, match=rf"restart=.*{name} is damaged or no checkpoint of"):
            load_state(str(tmp_path / name))
    with pytest.raises(InputError, match=r"cannot be read \(Is a directory\)"):
        load_state(str(tmp_path))
