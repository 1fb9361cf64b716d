"""The frames of a simulation, and the exception of an unstable one."""

from dataclasses import dataclass, replace

import numpy as np

from gpip_plugins.errors import InputError

__all__ = ["Explosion", "Trajectory"]


@dataclass(frozen=True)
class Trajectory:
    """Frames of one system at one temperature.

    Args:
        positions: Å, shape (n_frames, n_atoms, 3). The centre of mass does not move: in an isolated
            molecule it is at the origin, in a box at its initial position. Molecules of a box are
            whole and not wrapped into the cell.
        energy: potential energy of the force field in eV, shape (n_frames,).
        forces: eV/Å, shape (n_frames, n_atoms, 3).
        kinetic_temperature: 2 E_kin / (3 n_atoms k_B) in K, shape (n_frames,).
        cell: cell vectors in rows, Å, the same in all frames, shape (3, 3); zeros for an isolated
            molecule.
    """

    positions: np.ndarray
    energy: np.ndarray
    forces: np.ndarray
    kinetic_temperature: np.ndarray
    cell: np.ndarray

    def __len__(self) -> int:
        """Return the number of frames."""
        return len(self.energy)

    def only(self, kept: np.ndarray) -> "Trajectory":
        """Return some of the frames.

        Args:
            kept: True for the frames to keep, shape (n_frames,).
        """
        names = ("positions", "energy", "forces", "kinetic_temperature")
        return replace(self, **{name: getattr(self, name)[kept] for name in names})


class Explosion(InputError):
    """A trajectory is unstable: the time step is too long or the temperature too high."""
