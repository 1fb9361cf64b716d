"""Nosé-Hoover barostats: SchNetPack's, with the degrees of freedom that move."""

import torch
from schnetpack.md import Simulator, System
from schnetpack.md.simulation_hooks import NHCBarostatAnisotropic, NHCBarostatIsotropic

from gpip_plugins.md.motion import moving_degrees_of_freedom

__all__ = ["AnisotropicBarostat", "IsotropicBarostat"]


class _Counted:
    """Counts only moving degrees of freedom, as `gpip_plugins.md.thermostats` does."""

    def _init_barostat_variables(self, simulator: Simulator) -> None:
        degrees = moving_degrees_of_freedom(simulator.system).to(simulator.dtype)
        self.degrees_of_freedom = degrees
        if not self.massive:
            self.degrees_of_freedom_particles = degrees
        super()._init_barostat_variables(simulator)
        # SchNetPack declares these but never sets them, and then they cannot be stored.
        self.t_positions = self.t_positions_cell = self.b_positions_cell = torch.zeros(1)


class IsotropicBarostat(_Counted, NHCBarostatIsotropic):
    r"""Nosé-Hoover chains on atoms and volume; the shape of the cell, of any kind, is kept.

    Equations of Martyna, Tuckerman, Tobias, Klein (Mol. Phys. 87, 1117, 1996), section 2.2, with
    the number f of moving degrees of freedom: 3N - 3 if the total momentum is zero. SchNetPack
    counts 3N, so that a box of 32 atoms is 3 % too hot.

    Args:
        target_pressure: bar.
        temperature_bath: temperature of the bath in K; no other thermostat is needed.
        time_constant: time constant of the thermostat of the atoms in fs.
        time_constant_cell: that of the thermostat of the cell; None takes `time_constant`.
        time_constant_barostat: that of the volume; None takes `time_constant`.
        chain_length: number of thermostats in a chain.
        multi_step: sub-steps of the chains for one step of the simulation.
        integration_order: order of the Yoshida-Suzuki scheme: 3, 5 or 7.
        massive: one chain for each degree of freedom of the atoms.
    """


class AnisotropicBarostat(_Counted, NHCBarostatAnisotropic):
    r"""Nosé-Hoover chains on atoms and on all lengths and angles of the cell.

    As `IsotropicBarostat`, with a symmetric 3 x 3 matrix of cell velocities (section 2.3 there):
    positions, momenta and cell are multiplied by functions of this matrix, which are computed on
    its eigenvectors. SchNetPack's class calls a function that PyTorch 2 does not have any more.
    """

    def __init__(self, *args, **settings):
        super().__init__(*args, **settings)
        # SchNetPack registers it at the first step, too late for continuing from a checkpoint.
        self.register_buffer("aux_eye", torch.eye(3)[None, None])

    def _functions(self, rates: torch.Tensor, vectors: torch.Tensor, time: float):
        """Return exp(v t) and exp(v t / 2) sinh(v t / 2) / (v t / 2) of the matrix v."""
        half = 0.5 * time * rates
        whole = torch.exp(2 * half)
        mean = torch.exp(half) * torch.sinh(half).div(half).where(half.abs() > 1e-6, 1.0)
        return (
            torch.einsum("rmia,rma,rmja->rmij", vectors, whole, vectors),
            torch.einsum("rmia,rma,rmja->rmij", vectors, mean, vectors),
        )

    @staticmethod
    def _on_atoms(system: System, matrix: torch.Tensor, vectors: torch.Tensor) -> torch.Tensor:
        """Multiply the vector of every atom by the matrix of its molecule."""
        return torch.einsum("raij,raj->rai", system.expand_atoms(matrix), vectors)

    def propagate_main_step(self, system: System) -> None:
        """Move atoms and cell by one step."""
        rates, vectors = torch.linalg.eigh(self.b_velocities_cell)
        stretch, drift = self._functions(rates, vectors, self.time_step)
        moved = self._on_atoms(system, drift, system.momenta / system.masses) * self.time_step
        system.positions = self._on_atoms(system, stretch, system.positions) + moved
        system.cells = torch.matmul(system.cells, stretch)

    def propagate_half_step(self, system: System) -> None:
        """Change the momenta by forces and cell velocities of half a step."""
        rates, vectors = torch.linalg.eigh(self.b_velocities_cell)
        rates = rates + rates.sum(2, keepdim=True) / self.degrees_of_freedom
        half = 0.5 * self.time_step
        stretch, drift = self._functions(-rates, vectors, half)
        kicked = self._on_atoms(system, drift, system.forces) * half
        system.momenta = self._on_atoms(system, stretch, system.momenta) + kicked
