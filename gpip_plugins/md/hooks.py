"""Hooks for `spkmd`."""

import io
from pathlib import Path

import torch
from schnetpack.md import Simulator
from schnetpack.md.simulation_hooks import Checkpoint, SimulationHook

from gpip_plugins.errors import InputError
from gpip_plugins.io.paths import whole_file

__all__ = ["SafeCheckpoint"]


class StopWhenNotFinite(SimulationHook):
    """Ends a simulation when positions are not finite any more, before they are stored.

    Args:
        every_n_steps: number of steps between two checks; that of the trajectory's frames, or less.

    Raises:
        InputError: at the first check after the simulation became unstable.
    """

    def __init__(self, every_n_steps: int = 100):
        super().__init__()
        self.every_n_steps = every_n_steps

    def on_step_end(self, simulator: Simulator) -> None:
        """Check the positions of all molecules and replicas."""
        if simulator.step % self.every_n_steps:
            return
        if not torch.isfinite(simulator.system.positions).all():
            raise InputError(
                f"The simulation broke down before step {simulator.step}: positions are not finite;"
                " start nearer to a minimum, use a shorter time_step, or a better "
                "model."
            )


class SafeCheckpoint(Checkpoint):
    """SchNetPack's checkpoint, written completely or not at all.

    SchNetPack overwrites the old checkpoint, so a run that is stopped while it writes loses both.
    Here the old one is kept until the new one is complete.

    Args:
        checkpoint_file: name of the file, in the folder of the run.
        every_n_steps: number of steps between two checkpoints.

    Raises:
        InputError: if the disk is full or the folder cannot be written.
    """

    def _write(self, simulator: Simulator) -> None:
        # Through memory: on a full disk torch.save raises an error that does not name the cause.
        state = io.BytesIO()
        torch.save(simulator.state_dict, state)
        with whole_file(self.checkpoint_file) as partial:
            Path(partial).write_bytes(state.getvalue())

    def on_step_finalize(self, simulator: Simulator) -> None:
        """Write the state of the simulation every `every_n_steps` steps."""
        if simulator.step % self.every_n_steps == 0:
            self._write(simulator)

    def on_simulation_end(self, simulator: Simulator) -> None:
        """Write the final state of the simulation."""
        self._write(simulator)
