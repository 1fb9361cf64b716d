"""A simulation that is killed: its file opens, and its continuation is the uninterrupted run."""

import shutil

import h5py
import numpy as np
import pytest
import torch
from schnetpack.md import Simulator
from schnetpack.md.data import HDF5Loader
from schnetpack.md.integrators import NPTVelocityVerlet, RingPolymer, VelocityVerlet
from schnetpack.md.simulation_hooks import LangevinThermostat, PILELocalThermostat, SimulationHook
from schnetpack.md.simulation_hooks.callback_hooks import MoleculeStream, PropertyStream

from gpip_plugins.errors import InputError
from gpip_plugins.md.barostats import AnisotropicBarostat
from gpip_plugins.md.checkpoints import load_state
from gpip_plugins.md.hooks import SafeCheckpoint, Trajectory
from gpip_plugins.md.thermostats import Berendsen, NoseHooverChain


class CopyAt(SimulationHook):
    """Copies the folder of the run in the middle of a step, which is what a kill would leave."""

    def __init__(self, step, target):
        super().__init__()
        self.at, self.target = step, target

    def on_step_middle(self, simulator):
        if simulator.step == self.at:
            shutil.copytree(".", self.target)


def run(folder, monkeypatch, system, calculator, n_steps, control=(), restart=None, more=(), **log):
    """Simulate in a folder in single precision, as spkmd does with its callbacks."""
    folder.mkdir(exist_ok=True)
    monkeypatch.chdir(folder)
    control, integrator = control if control else ([], VelocityVerlet(0.5))
    hooks = [
        *control,
        *more,
        SafeCheckpoint("checkpoint.chk", 20, restart and str(restart)),
        Trajectory(
            "simulation.hdf5",
            data_streams=[MoleculeStream(True), PropertyStream()],
            **{"buffer_size": 4, "every_n_steps": 3} | log,
        ),
    ]
    simulator = Simulator(system, integrator, calculator, hooks, progress=False)
    if restart is not None:
        simulator.restart_simulation(load_state(str(restart)))
    simulator.to(torch.float64).simulate(n_steps)
    return folder / "simulation.hdf5"


def frames(path):
    """All valid frames, as bytes and as the host's loader gives them."""
    with h5py.File(path, "r") as file:
        entries = {int(file[name].attrs["entries"]) for name in ("molecules", "properties")}
        (entries,) = entries
        tables = [file[name][:entries] for name in ("molecules", "properties")]
    loader = HDF5Loader(str(path))
    loader.database.close()
    assert loader.entries == entries
    return tables


CONTROLS = {
    "nve": lambda: ([], VelocityVerlet(0.5)),
    "chain": lambda: ([NoseHooverChain(500.0, 20.0)], VelocityVerlet(0.5)),
    "berendsen": lambda: ([Berendsen(500.0, 20.0)], VelocityVerlet(0.5)),
    "langevin": lambda: ([LangevinThermostat(500.0, 20.0)], VelocityVerlet(0.5)),
    "ring": lambda: ([PILELocalThermostat(300.0, 20.0)], RingPolymer(0.2, 4, 300.0)),
}


@pytest.mark.parametrize("control", CONTROLS)
def test_the_continued_trajectory_is_the_uninterrupted_one(
    tmp_path, monkeypatch, system_of, springs, control
):
    make = CONTROLS[control]
    system = lambda: system_of("CH3CH2OH", n_replicas=4).to(torch.float32)  # noqa: E731
    calculator = springs(2e4)
    calculator.calculate(system_of("CH3CH2OH", n_replicas=4))  # the distances at rest
    torch.manual_seed(5)
    kill = CopyAt(57, tmp_path / "killed")
    whole = run(tmp_path / "whole", monkeypatch, system(), calculator, 100, make(), more=[kill])
    expected = frames(whole)
    assert len(expected[0]) == 34, "the steps 0, 3, ... 99"
    # Frames of the steps 0 to 39 came with the checkpoint of 40 steps, then one chunk of four.
    left = frames(tmp_path / "killed" / "simulation.hdf5")
    assert len(left[0]) == 18
    np.testing.assert_array_equal(left[0], expected[0][:18])

    torch.manual_seed(99)
    checkpoint = tmp_path / "killed" / "checkpoint.chk"
    assert load_state(str(checkpoint))["step"] == 40
    again = run(
        tmp_path / "killed", monkeypatch, system(), calculator, 60, make(), restart=checkpoint
    )
    for found, right in zip(frames(again), expected, strict=True):
        np.testing.assert_array_equal(found, right)
    end = [load_state(str(path.parent / "checkpoint.chk")) for path in (whole, again)]
    assert end[0]["step"] == end[1]["step"] == 100
    torch.testing.assert_close(end[0]["system"], end[1]["system"], rtol=0, atol=0)


def test_constant_pressure_continues_exactly(
    tmp_path, monkeypatch, system_of, argon, lennard_jones
):
    """With neighbour lists of two boxes that are renewed at different steps."""

    def control():
        barostat = AnisotropicBarostat(
            500.0, 300.0, 50.0, chain_length=2, multi_step=1, integration_order=3
        )
        return [barostat], NPTVelocityVerlet(4.0, barostat)

    class Stream(MoleculeStream):
        """The stress of SchNetPack's own calculators is not in one piece."""

        def update_buffer(self, place, simulator):
            simulator.system.stress = simulator.system.stress.contiguous()
            super().update_buffer(place, simulator)

    monkeypatch.setitem(globals(), "MoleculeStream", Stream)
    boxes = [argon(), argon(skewed=True)]
    torch.manual_seed(5)
    kill = CopyAt(22, tmp_path / "killed")
    start = system_of(boxes, temperature=300.0)
    whole = run(tmp_path / "whole", monkeypatch, start, lennard_jones(), 25, control(), more=[kill])
    again = run(
        tmp_path / "killed",
        monkeypatch,
        system_of(boxes, temperature=300.0),
        lennard_jones(),
        5,
        control(),
        restart=tmp_path / "killed" / "checkpoint.chk",
    )
    for found, right in zip(frames(again), frames(whole), strict=True):
        np.testing.assert_array_equal(found, right)


def test_a_file_of_another_simulation_is_not_continued(tmp_path, monkeypatch, system_of, springs):
    calculator = springs(2e4)
    run(tmp_path / "a", monkeypatch, system_of("H2O"), calculator, 30)
    checkpoint = tmp_path / "a" / "checkpoint.chk"
    kept = (tmp_path / "a" / "simulation.hdf5").read_bytes()
    with pytest.raises(InputError, match=r"holds frames of other structures or settings; continue"):
        run(
            tmp_path / "a", monkeypatch, system_of("H2O"), calculator, 9, restart=checkpoint,
            every_n_steps=2,
        )  # fmt: skip
    (tmp_path / "a" / "simulation.hdf5").write_bytes(kept[:100])
    with pytest.raises(InputError, match=r"is damaged or was written in another way"):
        run(tmp_path / "a", monkeypatch, system_of("H2O"), calculator, 9, restart=checkpoint)
    with pytest.raises(InputError, match=r"exists already; name another file, or continue"):
        run(tmp_path / "a", monkeypatch, system_of("H2O"), calculator, 9)
    fresh = run(tmp_path / "b", monkeypatch, system_of("H2O"), calculator, 9, restart=checkpoint)
    assert len(frames(fresh)[0]) == 3, "the steps 30, 33, 36"


def test_a_full_disk_leaves_the_chunks_before(tmp_path, monkeypatch, system_of, springs, full_disk):
    """A file may not grow, but its blocks are laid out: the limit acts on the checkpoint first."""
    with full_disk(2000), pytest.raises(InputError, match=r"^Writing .*\(File too large\); free"):
        run(tmp_path / "a", monkeypatch, system_of("H2O"), springs(2e4), 30)
    assert [path.name for path in (tmp_path / "a").iterdir()] == []

    from gpip_plugins.md import frame_file

    n_writes = 0

    def full(file, data, write=frame_file._write_all):
        nonlocal n_writes
        n_writes += 1
        if n_writes == 9:  # data of the third chunk; each takes two tables and two numbers
            file.write(data[: len(data) // 2])
            raise OSError(28, "No space left on device")
        write(file, data)

    monkeypatch.setattr(frame_file, "_write_all", full)
    with pytest.raises(InputError, match=r"simulation.hdf5 failed \(No space left on device\)"):
        run(tmp_path / "b", monkeypatch, system_of("H2O"), springs(2e4), 60)
    left = frames(tmp_path / "b" / "simulation.hdf5")
    assert np.isfinite(left[0]).all() and len(left[0]) == 7, "four, and three with a checkpoint"
