"""Hooks for `spkmd`: trajectory, checkpoint, end of unstable simulations."""

import os

import h5py
import numpy as np
import torch
from schnetpack.md import Simulator
from schnetpack.md.simulation_hooks import Checkpoint, FileLogger, SimulationHook
from schnetpack.md.simulation_hooks.callback_hooks import DataStream

from gpip_plugins.errors import InputError
from gpip_plugins.io.paths import resolve
from gpip_plugins.md.checkpoints import load_state, restore, save_state
from gpip_plugins.md.frame_file import FrameFile, Table, Tables
from gpip_plugins.md.interruption import Interruption

__all__ = ["SafeCheckpoint", "StopWhenNotFinite", "Trajectory"]


class StopWhenNotFinite(SimulationHook):
    """Ends a simulation that has become unstable, before its frames are stored.

    Args:
        every_n_steps: number of steps between two checks; that of the trajectory's frames, or less.
        volume_factor: largest change of the volume of a cell since the start, in both directions.

    Raises:
        InputError: at the first check after positions or a cell are not finite, or the volume of a
            cell has changed more.
    """

    def __init__(self, every_n_steps: int = 100, volume_factor: float = 8.0):
        super().__init__()
        self.every_n_steps = every_n_steps
        self.volume_factor = volume_factor
        self._start: torch.Tensor | None = None

    def on_simulation_start(self, simulator: Simulator) -> None:
        """Remember the volumes."""
        self._start = simulator.system.volume.clone()

    def on_step_end(self, simulator: Simulator) -> None:
        """Check the positions and cells of all molecules and replicas."""
        if simulator.step % self.every_n_steps:
            return
        system = simulator.system
        if not (torch.isfinite(system.positions).all() and torch.isfinite(system.cells).all()):
            _store_frames(simulator)
            raise InputError(
                f"The simulation broke down before step {simulator.step}: positions are not finite;"
                " start nearer to a minimum, use a shorter time_step, or a better "
                "model."
            )
        change = (system.volume / self._start).where(self._start != 0, 1.0)
        if change.max() > self.volume_factor or change.min() < 1 / self.volume_factor:
            _store_frames(simulator)
            worst = change.flatten()[change.log().abs().argmax()].item()
            raise InputError(
                f"The volume of a cell is {worst:.3g} times that of the start at step "
                f"{simulator.step}: at this temperature and pressure it evaporates, or the model's "
                "stress is wrong; change target_pressure or temperature, use a better model, or "
                "allow more with callbacks.finite.volume_factor."
            )


def _store_frames(simulator: Simulator) -> None:
    """Write the frames that the trajectories of a simulation still keep in memory."""
    for hook in simulator.simulator_hooks:
        if isinstance(hook, Trajectory):
            hook.write()


class SafeCheckpoint(Checkpoint):
    """SchNetPack's checkpoint, from which a simulation goes on exactly, and which is always whole.

    SchNetPack overwrites the old checkpoint, so a run that is stopped while it writes loses both;
    it counts the last step twice, and keeps no random generators. Here a checkpoint is written at
    the start, then after every `every_n_steps` steps, together with all frames up to it. When the
    program is told to stop (SIGTERM, SIGINT), it is written after the present step.

    Args:
        checkpoint_file: name of the file, in the folder of the run.
        every_n_steps: number of steps between two checkpoints.
        restart: checkpoint from which the simulation goes on, relative to the folder of the
            command.

    Raises:
        InputError: if the disk is full or the folder cannot be written.
    """

    def __init__(self, checkpoint_file: str, every_n_steps: int, restart: str | None = None):
        super().__init__(os.path.abspath(checkpoint_file), every_n_steps)
        self._restart = restart
        self._end = 0

    def on_simulation_start(self, simulator: Simulator) -> None:
        """Restore the state of `restart`; write the first checkpoint."""
        if self._restart is not None:
            restore(simulator, load_state(resolve(self._restart)))
            self._restart = None
        self._end = simulator.step + simulator.n_steps
        save_state(simulator, simulator.step, self.checkpoint_file)
        Interruption.waited_for = True

    def on_step_finalize(self, simulator: Simulator) -> None:
        """Write the state of the simulation every `every_n_steps` steps, and when told to stop."""
        step = simulator.step + 1
        n_left = self._end - step
        stop = Interruption.signal is not None and n_left > 0
        if not stop and step % self.every_n_steps:
            return
        for hook in simulator.simulator_hooks:
            if isinstance(hook, Trajectory):
                hook.record(simulator)
                hook.write()
        save_state(simulator, step, self.checkpoint_file)
        if stop:
            Interruption.leave(n_left, self.checkpoint_file)

    def on_simulation_end(self, simulator: Simulator) -> None:
        """Write the final state of the simulation."""
        _store_frames(simulator)
        save_state(simulator, simulator.step, self.checkpoint_file)


class Trajectory(FileLogger):
    """SchNetPack's `FileLogger`, whose file opens after any interruption.

    A frame is stored after every step whose number, counted from 0, is a multiple of
    `every_n_steps`. A simulation that goes on from a checkpoint drops the frames after it and
    continues the file, so that each frame is there once.

    Args:
        filename: name of the HDF5 file, in the folder of the run.
        buffer_size: number of frames in a chunk.
        data_streams: what is stored, see `schnetpack.md.simulation_hooks`.
        every_n_steps: number of steps between two frames.
        precision: bits of the stored numbers: 16, 32 or 64.

    Raises:
        InputError: if the disk is full, if the file exists at the start of a new simulation, or if
            it is continued and holds other frames.
    """

    def __init__(
        self,
        filename: str,
        buffer_size: int = 10,
        data_streams: list[DataStream] | None = None,
        every_n_steps: int = 100,
        precision: int = 32,
    ):
        streams = list(data_streams or [])
        super().__init__(filename, buffer_size, streams, every_n_steps, precision)
        self._recorded: int | None = None

    def _count(self, start: int, stop: int) -> int:
        """Return the number of frames from step `start` to the one before step `stop`."""
        return -(-stop // self.every_n_steps) - -(-start // self.every_n_steps)

    def on_simulation_start(self, simulator: Simulator) -> None:
        """Make the file, or cut the present one to the frames before this step."""
        tables = Tables()
        for stream in self.data_steams:
            settings = {"every_n_steps": self.every_n_steps, "precision": self.precision}
            stream.init_data_stream(simulator, tables, self.buffer_size, False, **settings)
        first, keep = simulator.step, 0
        self.file = FrameFile(self.filename)
        if os.path.exists(self.filename):
            if not simulator.restart and not simulator.effective_steps:
                raise InputError(
                    f"filename={self.filename} exists already; name another file, or continue with "
                    "restart."
                )
            first, keep = self._present(simulator.step, tables)
        for table in tables.values():
            table.attrs["first_step"] = first
        n_new = self._count(simulator.step, simulator.step + simulator.n_steps)
        self.file.create(keep + n_new, tables, keep)
        self.buffer_position, self._recorded = 0, None
        Interruption.waited_for = True

    def _present(self, step: int, tables: dict[str, Table]) -> tuple[int, int]:
        """Return first step and number of frames before a step, of the present file."""
        try:
            with h5py.File(self.filename, "r") as old:
                parts = {name: old[name] for name in tables}
                first = min(int(part.attrs["first_step"]) for part in parts.values())
                n_frames = min(int(part.attrs["entries"]) for part in parts.values())
                same = all(_same(part, tables[name]) for name, part in parts.items())
        except (OSError, KeyError, ValueError, RuntimeError):
            raise InputError(
                f"filename={self.filename} is damaged or was written in another way, and cannot be "
                "continued; choose another simulation_dir, the checkpoint is valid there too."
            ) from None
        keep = self._count(first, step)
        if not same or not 0 <= keep <= n_frames:
            why = "of other structures or settings" if not same else f"that end before step {step}"
            raise InputError(
                f"filename={self.filename} holds frames {why}; continue in another simulation_dir, "
                "the checkpoint is valid there too."
            )
        return first, keep

    def record(self, simulator: Simulator) -> None:
        """Take the frame of the present step, once."""
        if simulator.step % self.every_n_steps or simulator.step == self._recorded:
            return
        for stream in self.data_steams:
            stream.update_buffer(self.buffer_position, simulator)
        self.buffer_position += 1
        self._recorded = simulator.step
        if self.buffer_position == self.buffer_size:
            self.write()

    def write(self) -> None:
        """Write the frames that are in memory."""
        n_frames, self.buffer_position = self.buffer_position, 0
        if n_frames:
            frames = {}
            for stream in self.data_steams:
                values = stream.buffer[:n_frames].detach().cpu().numpy()
                frames[stream.group_name] = values.astype(stream.data_group.dtype)
            self.file.append(frames)

    def on_step_finalize(self, simulator: Simulator) -> None:
        """Take a frame; end the program if it was told to stop and no checkpoint ends it."""
        self.record(simulator)
        hooks = simulator.simulator_hooks
        if Interruption.signal and not any(isinstance(hook, SafeCheckpoint) for hook in hooks):
            self.write()
            Interruption.leave(simulator.n_steps - simulator.effective_steps - 1, None)

    def on_simulation_end(self, simulator: Simulator) -> None:
        """Write the last frames."""
        self.write()


def _same(part: h5py.Dataset, table: Table) -> bool:
    """Return whether a stored table has the rows and attributes of one to be continued."""
    if part.shape[1:] != table.row or part.dtype != table.dtype:
        return False
    for key, value in table.attrs.items():
        if key in ("entries", "first_step"):
            continue
        stored = part.attrs[key]
        if isinstance(value, str):
            if stored != value:
                return False
        elif not np.allclose(stored, np.asarray(value), rtol=1e-6):
            return False
    return True
