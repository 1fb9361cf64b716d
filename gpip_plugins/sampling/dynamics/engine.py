"""NVT molecular dynamics with OpenMM: common to all systems, and for isolated molecules."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import numpy as np
import openmm
from ase import units
from openmm import unit

from gpip_plugins.errors import InputError
from gpip_plugins.sampling.dynamics.trajectory import Explosion, Trajectory
from gpip_plugins.sampling.forcefield import ForceField
from gpip_plugins.sampling.settings import Dynamics
from gpip_plugins.sampling.systems.molecule import MolecularSystem
from gpip_plugins.units import ANGSTROM, KJ_MOL, NM

if TYPE_CHECKING:
    from gpip_plugins.sampling.systems.box import Box

__all__ = ["Engine", "Explosion", "LangevinEngine", "Trajectory"]

MAX_STRETCH: Final = 2.0  # a bond is broken when it is this many times longer than at the minimum
# Limits of kinetic over thermostat temperature: molecules fluctuate, packed boxes release heat.
MAX_HEATING: Final = 3.0  # the limit is at least this
MAX_FLUCTUATION: Final = 15.0  # standard deviations


class Engine(ABC):
    """Langevin dynamics, middle scheme, all bonds flexible.

    Zhang, Liu, Yan, Tuckerman, Liu, J. Phys. Chem. A 123, 6056 (2019). The thermostat acts on all
    3 n_atoms degrees of freedom, including the centre of mass: under Langevin dynamics with one
    friction for all atoms the motion of the centre of mass separates exactly, so it need not be
    removed during the run; it is removed from the stored positions.

    Subclasses define the platform that evaluates the energy, and the position of the centre of
    mass.

    Args:
        system: molecule or box.
        openmm_system: its masses and forces.
        dynamics: how the equations of motion are integrated.
    """

    tolerance: float = 1.0  # rms force in kJ/mol/nm at which the minimiser stops
    max_iterations: int = 0  # of the minimiser; 0 means no limit

    def __init__(
        self,
        system: "MolecularSystem | Box",
        openmm_system: openmm.System,
        dynamics: Dynamics,
    ):
        self.system = system
        self.openmm_system = openmm_system
        self.time_step = dynamics.time_step
        self.friction = dynamics.friction
        self.bonds = system.bonds
        self.weights = (system.masses / system.masses.sum())[:, None]
        self.degrees_of_freedom = system.positions.size

    @abstractmethod
    def context(self, integrator: openmm.Integrator) -> openmm.Context:
        """Return a context of the system on this engine's platform, with its cell."""

    @property
    @abstractmethod
    def centre(self) -> np.ndarray:
        """Centre of mass of the stored positions in Å, shape (3,)."""

    @property
    def cell(self) -> np.ndarray:
        """Cell vectors in rows, Å, zeros for an isolated molecule, shape (3, 3)."""
        return np.zeros((3, 3)) if self.system.cell is None else self.system.cell

    def n_steps(self, name: str, duration: float) -> int:
        """Return a duration in ps as a number of time steps.

        Args:
            name: name of the parameter of the duration.
            duration: ps.

        Raises:
            InputError: when the duration is not a whole number of steps.
        """
        steps = duration * 1000.0 / self.time_step
        if abs(steps - round(steps)) > 1e-6 * max(steps, 1.0):
            raise InputError(
                f"{name}={duration} ps is not a multiple of time_step={self.time_step} fs; change "
                "one of them."
            )
        return round(steps)

    def thermostat(self, temperature: float, seed: int) -> openmm.LangevinMiddleIntegrator:
        """Return the integrator of a Langevin trajectory.

        Args:
            temperature: K.
            seed: 1 to 2^31 - 1.
        """
        if not 0 < seed < 2**31:  # OpenMM takes 0 for "draw a seed"
            raise ValueError(f"seed={seed} is outside 1..2^31-1")
        integrator = openmm.LangevinMiddleIntegrator(
            temperature, self.friction, self.time_step * 0.001
        )
        integrator.setRandomNumberSeed(seed)
        return integrator

    def minimum(self) -> np.ndarray:
        """Return the local minimum next to the starting geometry in Å, shape (n_atoms, 3)."""
        context = self.context(openmm.VerletIntegrator(0.001))
        context.setPositions(ANGSTROM * self.system.positions)
        openmm.LocalEnergyMinimizer.minimize(context, self.tolerance, self.max_iterations)
        return _array(context.getState(positions=True).getPositions(asNumpy=True)) * NM

    def run(
        self,
        temperature: float,
        n_frames: int,
        interval: float,
        equilibration: float,
        seed: int,
        on_frame: Callable[[], None] = lambda: None,
    ) -> Trajectory:
        """Minimise, draw velocities, equilibrate and take frames.

        Args:
            temperature: temperature of the thermostat in K.
            n_frames: number of frames.
            interval: ps between two frames.
            equilibration: ps before the first frame.
            seed: seed of velocities and noise, 1 to 2^31 - 1; equal seeds give equal frames.
            on_frame: called after every frame, for a progress bar.

        Raises:
            InputError: when a duration is not a multiple of the time step.
            Explosion: when the system explodes.
        """
        stride = self.n_steps("sampling_interval", interval)
        integrator = self.thermostat(temperature, seed)
        start = self.minimum()
        lengths = self.bond_lengths(start)
        context = self.context(integrator)
        context.setPositions(ANGSTROM * start)
        context.setVelocitiesToTemperature(temperature, seed)
        frames = []
        try:
            integrator.step(self.n_steps("equilibration", equilibration))
            for _ in range(n_frames):
                integrator.step(stride)
                frames.append(self.checked_frame(context, temperature, lengths))
                on_frame()
        except openmm.OpenMMException as error:
            raise self.explosion(temperature, str(error)) from error
        return Trajectory(*map(np.array, zip(*frames, strict=True)), cell=self.cell)

    def checked_frame(
        self, context: openmm.Context, temperature: float, lengths: np.ndarray
    ) -> tuple[np.ndarray, float, np.ndarray, float]:
        """Return positions in Å, energy in eV, forces in eV/Å and kinetic temperature in K.

        Args:
            context: of a running trajectory.
            temperature: temperature of the thermostat in K.
            lengths: bond lengths at the minimum in Å, shape (n_bonds,).

        Raises:
            Explosion: when the frame cannot result from thermal motion.
        """
        frame = self._frame(context)
        self.refuse_explosion(frame, temperature, lengths)
        return frame

    def _frame(self, context: openmm.Context) -> tuple[np.ndarray, float, np.ndarray, float]:
        state = context.getState(positions=True, energy=True, forces=True)
        positions = _array(state.getPositions(asNumpy=True)) * NM
        positions += self.centre - (self.weights * positions).sum(axis=0)
        energy = _array(state.getPotentialEnergy()) * KJ_MOL
        forces = _array(state.getForces(asNumpy=True)) * ANGSTROM * KJ_MOL
        kinetic = _array(state.getKineticEnergy()) * KJ_MOL
        return positions, energy, forces, 2.0 * kinetic / (self.degrees_of_freedom * units.kB)

    def bond_lengths(self, positions: np.ndarray) -> np.ndarray:
        """Return the lengths of all bonds in Å, shape (n_bonds,).

        Args:
            positions: positions of whole molecules in Å, shape (n_atoms, 3).
        """
        return np.linalg.norm(positions[self.bonds[:, 0]] - positions[self.bonds[:, 1]], axis=1)

    def refuse_explosion(self, frame, temperature: float, lengths: np.ndarray) -> None:
        """Raise `Explosion` for a frame that cannot result from thermal motion.

        Args:
            frame: positions in Å, energy in eV, forces in eV/Å and kinetic temperature in K.
            temperature: temperature of the thermostat in K.
            lengths: bond lengths at the minimum in Å, shape (n_bonds,).
        """
        positions, energy, forces, kinetic_temperature = frame
        if not (np.isfinite(positions).all() and np.isfinite(forces).all() and np.isfinite(energy)):
            raise self.explosion(temperature, "positions, energy or forces are not finite")
        spread = math.sqrt(2.0 / self.degrees_of_freedom)  # of the kinetic temperature, relative
        heating = max(MAX_HEATING, 1.0 + MAX_FLUCTUATION * spread)
        if not kinetic_temperature < heating * temperature:
            raise self.explosion(temperature, f"it heated up to {kinetic_temperature:.0f} K")
        stretch = self.bond_lengths(positions) / lengths
        if len(stretch) and stretch.max() > MAX_STRETCH:
            i, j = self.bonds[stretch.argmax()]
            raise self.explosion(
                temperature, f"bond {i}-{j} is {stretch.max():.1f} times longer than at the minimum"
            )

    def explosion(self, temperature: float, what: str) -> Explosion:
        """Return the exception for a trajectory that cannot be used.

        Args:
            temperature: temperature of the thermostat in K.
            what: the observation, for the message.
        """
        return Explosion(
            f"the trajectory of {self.system.name} at {temperature:g} K exploded with "
            f"time_step={self.time_step} fs ({what}); nothing of it is stored: choose a smaller "
            "time_step or a lower temperature."
        )


class LangevinEngine(Engine):
    """Langevin dynamics of one isolated molecule, in double precision.

    The platform is OpenMM's `Reference`: it is the fastest for 9 to 21 atoms, and its results are
    reproducible bit for bit. The centre of mass of the stored positions is at the origin, so that
    all frames of a single atom are equal. Rotation is sampled too.

    `Reference` draws random numbers from one generator per process. A trajectory must therefore be
    run without interruption, and two engines must not run in threads of one process; separate
    processes are safe.

    Args:
        system: the molecule.
        force_field: force field of the molecule.
        dynamics: time step and friction; platform and threads are not used.

    Raises:
        InputError: when the force field does not cover the molecule.

    Example:
        >>> from gpip_plugins.sampling.forcefield import force_field
        >>> water = MolecularSystem.from_smiles("O", name="water")
        >>> engine = LangevinEngine(water, force_field("mmff94"), Dynamics())
        >>> frames = engine.run(300.0, n_frames=2, interval=0.01, equilibration=0.0, seed=1)
        >>> frames.forces.shape
        (2, 3, 3)
    """

    def __init__(self, system: MolecularSystem, force_field: ForceField, dynamics: Dynamics):
        super().__init__(system, force_field.create(system), dynamics)

    @property
    def centre(self) -> np.ndarray:
        """The origin."""
        return np.zeros(3)

    def context(self, integrator: openmm.Integrator) -> openmm.Context:
        """Return a context on the `Reference` platform.

        Args:
            integrator: moves the atoms.
        """
        platform = openmm.Platform.getPlatformByName("Reference")
        return openmm.Context(self.openmm_system, integrator, platform)


def _array(quantity: unit.Quantity):
    """Return the numbers of a quantity in OpenMM's units (nm, kJ/mol, ps)."""
    return quantity.value_in_unit_system(unit.md_unit_system)
