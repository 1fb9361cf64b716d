"""Momenta at the start of a simulation, and the degrees of freedom that they leave.

An isolated body has three rotations, a line two, a point none. SchNetPack inverts the tensor of
inertia, which fails for lines and points, and removes a translation by subtracting the same
momentum from every atom, which makes light atoms too hot. Here the tensor is split into its
principal axes, and translation and rotation are removed as velocities of the whole body.
"""

import logging
from collections.abc import Sequence

import torch
from schnetpack import units
from schnetpack.md import System
from schnetpack.md.initial_conditions import MaxwellBoltzmannInit

from gpip_plugins.errors import InputError

__all__ = [
    "MaxwellBoltzmann",
    "moving_degrees_of_freedom",
    "remove_rotation",
    "remove_translation",
]

log = logging.getLogger(__name__)

#: Axes whose moment is smaller than this part of the largest one are those of a line; atoms are
#: then less than 0.001 of its length beside it.
_LINE = 1e-6


def _principal_axes(system: System) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return moments of inertia, their axes, and which of them a molecule can turn about.

    Returns:
        Moments in Da nm^2, shape (n_replicas, n_molecules, 3); axes in columns, shape (n_replicas,
        n_molecules, 3, 3); turns, bool, of the shape of the moments. All in double precision.
    """
    arms, masses = _arms(system), system.masses.double()
    square = (arms**2).sum(2, keepdim=True)[..., None] * torch.eye(3, device=arms.device).double()
    outer = arms[..., :, None] * arms[..., None, :]
    inertia = system.sum_atoms((square - outer) * masses[..., None])
    moments, axes = torch.linalg.eigh(inertia)
    turns = (moments > _LINE * moments[..., -1:]) & (moments > 1e-8)
    # The arms of a single atom are zero only up to rounding.
    return moments, axes, turns & (system.n_atoms > 1)[None, :, None]


def _arms(system: System) -> torch.Tensor:
    """Return positions relative to the centre of mass, in double precision."""
    positions, masses = system.positions.double(), system.masses.double()
    centre = system.sum_atoms(positions * masses) / system.sum_atoms(masses)
    return positions - system.expand_atoms(centre)


def remove_translation(system: System) -> None:
    """Set the total momentum of every molecule with more than one atom to zero.

    The velocity of the centre of mass is subtracted from all atoms: p_i - m_i P / M. A single atom
    keeps its momentum, because it has no other motion.

    Args:
        system: state of the simulation; its momenta are changed.
    """
    total = system.sum_atoms(system.momenta) / system.sum_atoms(system.masses)
    several = (system.n_atoms > 1)[None, :, None]
    system.momenta = system.momenta - system.masses * system.expand_atoms(total * several)


def remove_rotation(system: System) -> None:
    """Set the angular momentum of every isolated molecule to zero.

    The velocity w x r_i of a rigid rotation is subtracted from all atoms, with w = I^-1 L on the
    axes that the molecule can turn about: three of a body, two of a line, none of a point. A
    periodic system has no angular momentum that is conserved, and keeps its momenta.

    Args:
        system: state of the simulation; its momenta are changed.
    """
    moments, axes, turns = _principal_axes(system)
    arms = _arms(system)
    angular = system.sum_atoms(torch.linalg.cross(arms, system.momenta.double(), dim=2))
    along = torch.einsum("rmki,rmk->rmi", axes, angular)
    rates = torch.where(turns, along / moments.where(turns, 1.0), 0.0)
    rates = rates * ~system.pbc.any(dim=2, keepdim=True)
    turning = system.expand_atoms(torch.einsum("rmki,rmi->rmk", axes, rates))
    change = torch.linalg.cross(turning, arms, dim=2) * system.masses
    system.momenta = system.momenta - change.to(system.momenta.dtype)


def moving_degrees_of_freedom(system: System, tolerance: float = 1e-3) -> torch.Tensor:
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
    momenta = system.momenta
    n_atoms = system.n_atoms[None, :, None].to(momenta.dtype)
    count = (3 * n_atoms).repeat(system.n_replicas, 1, 1)

    size = system.sum_atoms(momenta.norm(dim=2, keepdim=True))
    total = system.sum_atoms(momenta).norm(dim=2, keepdim=True)
    at_rest = (total <= tolerance * size) & (size > 0)
    count = count - 3 * at_rest

    arms = _arms(system)
    angular = torch.linalg.cross(arms, momenta.double(), dim=2)
    # Not the size of the products: along a line they are zero up to rounding.
    size = system.sum_atoms(arms.norm(dim=2, keepdim=True) * momenta.norm(dim=2, keepdim=True))
    not_turning = system.sum_atoms(angular).norm(dim=2, keepdim=True) <= tolerance * size
    isolated = ~system.pbc.any(dim=2, keepdim=True)
    rotations = _principal_axes(system)[2].sum(dim=2, keepdim=True)
    count = count - rotations * (at_rest & not_turning & isolated)
    return count.clamp(min=1)


class MaxwellBoltzmann(MaxwellBoltzmannInit):
    """Momenta from the Maxwell-Boltzmann distribution, without motion of the whole molecule.

    The kinetic energy is that of the remaining degrees of freedom: (3N - 6)/2 kB T of a body,
    (3N - 5)/2 kB T of a line, 3/2 kB T of a single atom, on average.

    Args:
        temperature: K; one for all structures or one for each.
        remove_center_of_mass: move the centre of mass of every structure to the origin.
        remove_translation: see `gpip_plugins.md.motion.remove_translation`.
        remove_rotation: see `gpip_plugins.md.motion.remove_rotation`.
        wrap_positions: move atoms into the periodic cell.
        ring_polymer: the replicas are beads of a ring polymer. Their momenta are drawn at
            n_replicas times the temperature (Ceriotti, Parrinello, Markland, Manolopoulos, J.
            Chem. Phys. 133, 124104, 2010, eq. 2), so that those of the centroids have the
            temperature. Only the translation of the centroid is removed.

    Raises:
        InputError: if the number of temperatures is neither one nor that of the structures.
    """

    def __init__(
        self,
        temperature: float | Sequence[float],
        remove_center_of_mass: bool = True,
        remove_translation: bool = True,
        remove_rotation: bool = False,
        wrap_positions: bool = False,
        ring_polymer: bool = False,
    ):
        listed = [temperature] if isinstance(temperature, (int, float)) else list(temperature)
        super().__init__(
            listed, remove_center_of_mass, remove_translation, remove_rotation, wrap_positions
        )
        self.ring_polymer = ring_polymer

    def initialize_system(self, system: System) -> None:
        """Draw the momenta.

        Args:
            system: structures of the simulation; its momenta are replaced.
        """
        if len(self.temperature) not in (1, system.n_molecules):
            raise InputError(
                f"temperature={self.temperature.tolist()} are {len(self.temperature)} values for "
                f"{system.n_molecules} structures; give one, or one for each structure."
            )
        if self.remove_com:
            system.remove_center_of_mass()
        if self.wrap_positions:
            system.wrap_positions()
        self._setup_momenta(system)
        if self.ring_polymer:
            system.momenta *= system.n_replicas**0.5
            if self.remove_translation:
                centroid = system.sum_atoms(system.centroid_momenta)
                rate = system.expand_atoms(centroid / system.sum_atoms(system.masses))
                system.momenta -= system.masses * rate
            return
        # Twice: in single precision the first time leaves a rest, which counts where little moves.
        for _ in range(2):
            if self.remove_translation:
                remove_translation(system)
            if self.remove_rotation:
                remove_rotation(system)
        if self.remove_rotation and system.pbc.any():
            log.info("The rotation of periodic structures is not removed: it is not conserved.")

    def _setup_momenta(self, system: System) -> None:
        temperature = self.temperature.to(system.device).expand(system.n_molecules)
        temperature = system.expand_atoms(temperature[None, :, None])
        width = torch.sqrt(system.masses * units.kB * temperature)
        system.momenta = width * torch.randn_like(system.momenta)
