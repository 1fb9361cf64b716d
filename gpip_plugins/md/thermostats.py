"""Nosé-Hoover chain that counts only the moving degrees of freedom."""

import torch
from schnetpack.md import Simulator
from schnetpack.md.simulation_hooks import NHCThermostat

__all__ = ["NoseHooverChain", "moving_degrees_of_freedom"]


def moving_degrees_of_freedom(system, tolerance: float = 1e-3) -> torch.Tensor:
    """Count the degrees of freedom of every replica and molecule that carry kinetic energy.

    A thermostat that scales all momenta of a molecule, and forces without an external field,
    conserve a total momentum of zero and an angular momentum of zero. If the initial momenta are of
    this kind, 3 (momentum) and up to 3 (angular momentum) of the 3N degrees of freedom are at rest:
    a linear molecule has 2 rotations, a single atom none, and a periodic system does not conserve
    its angular momentum.

    Args:
        system: `schnetpack.md.System` with momenta of shape (n_replicas, n_atoms, 3).
        tolerance: limit below which a value counts as zero, relative to the single terms.

    Returns:
        Numbers of degrees of freedom, shape (n_replicas, n_molecules, 1); at least 1.
    """
    momenta, masses = system.momenta, system.masses
    n_atoms = system.n_atoms[None, :, None].to(momenta.dtype)
    count = (3 * n_atoms).repeat(system.n_replicas, 1, 1)

    size = system.sum_atoms(momenta.norm(dim=2, keepdim=True))
    total = system.sum_atoms(momenta).norm(dim=2, keepdim=True)
    at_rest = (total <= tolerance * size) & (size > 0)
    count = count - 3 * at_rest

    arms = system.positions - system.expand_atoms(system.center_of_mass)
    angular = torch.linalg.cross(arms, momenta, dim=2)
    size = system.sum_atoms(angular.norm(dim=2, keepdim=True))
    not_turning = system.sum_atoms(angular).norm(dim=2, keepdim=True) <= tolerance * size
    isolated = ~system.pbc.any(dim=2, keepdim=True)
    # The rank of the (mass-weighted) gyration tensor distinguishes point, line and body: a line
    # has one direction of extension and two rotations, anything wider has three.
    gyration = system.sum_atoms(masses[..., None] * arms[..., :, None] * arms[..., None, :])
    extents = torch.linalg.eigvalsh(gyration)
    wide = (extents > 1e-6 * extents[..., -1:].clamp(min=1e-12)).sum(dim=2, keepdim=True)
    rotations = torch.where(wide >= 2, 3, torch.where(wide == 1, 2, 0))
    count = count - rotations * (at_rest & not_turning & isolated)
    return count.clamp(min=1)


class NoseHooverChain(NHCThermostat):
    r"""Nosé-Hoover chain whose target is the kinetic energy of the moving degrees of freedom.

    SchNetPack's `NHCThermostat` drives the kinetic energy to :math:`\tfrac{3N}{2} k_B T`. If
    translation and rotation have been removed, this deterministic thermostat does not restore
    them, and the :math:`3N-6` vibrations share that energy: ethanol (N = 9) at a nominal 500 K
    vibrates at 500 * 27/21 = 643 K. Here the target is :math:`\tfrac{f}{2} k_B T` with the number
    f of `moving_degrees_of_freedom` at the start (Martyna, Tuckerman, Tobias, Klein, Mol. Phys.
    87, 1117, 1996, section 2).

    SchNetPack's temperature (TensorBoard, `HDF5Loader`) divides by 3N and so shows T * f/3N.

    Args:
        temperature_bath: temperature T of the bath in K.
        time_constant: time constant of the thermostat in fs, about 100.
        chain_length: number of thermostats in the chain.
        massive: one chain for each degree of freedom. These do not conserve the total momentum,
            so then all 3N are counted.
        multi_step: sub-steps of the chain for one step of the simulation.
        integration_order: order of the Yoshida-Suzuki scheme: 3, 5 or 7.
    """

    def _init_thermostat(self, simulator: Simulator) -> None:
        """Set up the chain, then replace the number of degrees of freedom and the first mass."""
        super()._init_thermostat(simulator)
        if self.massive:
            return
        self.degrees_of_freedom = moving_degrees_of_freedom(simulator.system).to(simulator.dtype)
        self.masses[..., 0] = self.degrees_of_freedom * self.kb_temperature / self.frequency**2
