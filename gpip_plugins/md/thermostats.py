"""Thermostats that count only the moving degrees of freedom."""

import torch
from schnetpack import units
from schnetpack.md import Simulator
from schnetpack.md.simulation_hooks import BerendsenThermostat, NHCThermostat

from gpip_plugins.md.motion import moving_degrees_of_freedom

__all__ = ["Berendsen", "NoseHooverChain"]


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


class Berendsen(BerendsenThermostat):
    r"""Berendsen thermostat that scales towards the temperature of the moving degrees of freedom.

    Momenta are multiplied by :math:`\sqrt{1 + \Delta t / \tau (T / T_f - 1)}` with the temperature
    :math:`T_f` of the f moving degrees of freedom (Berendsen et al., J. Chem. Phys. 81, 3684, 1984,
    eq. 11); SchNetPack takes all 3N. Molecules without kinetic energy stay at rest.

    Args:
        temperature_bath: temperature T of the bath in K.
        time_constant: time constant in fs, at least one time step.
    """

    def __init__(self, temperature_bath: float, time_constant: float):
        super().__init__(temperature_bath, time_constant)
        # Counted at the start, and part of the checkpoint.
        self.register_uninitialized_buffer("degrees_of_freedom")

    def _init_thermostat(self, simulator: Simulator) -> None:
        self.degrees_of_freedom = moving_degrees_of_freedom(simulator.system).to(simulator.dtype)

    def _apply_thermostat(self, simulator: Simulator) -> None:
        system = simulator.system
        present = 2 * system.kinetic_energy / (self.degrees_of_freedom * units.kB)
        moves = present > 0
        ratio = self.temperature_bath / present.where(moves, 1.0)
        strength = simulator.integrator.time_step / self.time_constant
        scale = torch.sqrt(1 + strength * (ratio - 1)).where(moves, 1.0)
        system.momenta = system.expand_atoms(scale) * system.momenta
