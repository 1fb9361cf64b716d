"""NVT molecular dynamics of one isolated molecule with OpenMM."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import openmm
from ase import units
from openmm import unit

from gpip_plugins.errors import InputError
from gpip_plugins.sampling.forcefield import ForceField
from gpip_plugins.sampling.system import MolecularSystem

__all__ = ["LangevinEngine", "Trajectory"]

KJ_MOL = units.kJ / units.mol  # eV in one kJ/mol, in the constants that SchNetPack uses
MAX_STRETCH = 2.0  # a bond this many times longer than at the minimum is broken
MAX_HEATING = 10.0  # kinetic temperature over the thermostat's; a 2-atom molecule never gets there


@dataclass(frozen=True)
class Trajectory:
    """Frames of one molecule at one temperature.

    Args:
        positions: Å, centre of mass at the origin, shape (n_frames, n_atoms, 3).
        energy: potential energy of the force field in eV, shape (n_frames,).
        forces: eV/Å, shape (n_frames, n_atoms, 3).
        kinetic_temperature: 2 E_kin / (3 n_atoms k_B) in K, shape (n_frames,).
    """

    positions: np.ndarray
    energy: np.ndarray
    forces: np.ndarray
    kinetic_temperature: np.ndarray

    def __len__(self) -> int:
        """Return the number of frames."""
        return len(self.energy)


class LangevinEngine:
    """Langevin dynamics, middle scheme, all bonds flexible, double precision.

    Zhang, Liu, Yan, Tuckerman, Liu, J. Phys. Chem. A 123, 6056 (2019). The platform is OpenMM's
    `Reference`: for 9 to 21 atoms it is the fastest, and it repeats bit for bit.

    The thermostat acts on all 3 n_atoms degrees of freedom, the centre of mass included: under
    Langevin dynamics with one friction for all atoms the motion of the centre of mass separates
    exactly, so nothing has to be removed during the run. The stored positions have it at the
    origin. Rotation is sampled too.

    `Reference` draws random numbers from one generator per process. A trajectory is therefore run
    in one go, and two engines must not run in threads of one process; processes are fine.

    Args:
        system: the molecule.
        force_field: what gives its energy.
        time_step: fs; at most 1 fs with flexible bonds to hydrogen up to 1000 K.
        friction: 1/ps; the total energy forgets its value within about 1/friction.

    Raises:
        InputError: when a number is not positive or the force field does not cover the molecule.

    Example:
        >>> from gpip_plugins.sampling.forcefield import force_field
        >>> water = MolecularSystem.from_smiles("O", name="water")
        >>> engine = LangevinEngine(water, force_field("mmff94"))
        >>> frames = engine.run(300.0, n_frames=2, interval=0.01, equilibration=0.0, seed=1)
        >>> frames.forces.shape
        (2, 3, 3)
    """

    def __init__(
        self,
        system: MolecularSystem,
        force_field: ForceField,
        time_step: float = 1.0,
        friction: float = 2.0,
    ):
        for key, value, example in (("time_step", time_step, 1.0), ("friction", friction, 2.0)):
            if not value > 0 or not np.isfinite(value):
                raise InputError(
                    f"{key}={value} must be positive; give for example {key}={example}."
                )
        self.system = system
        self.time_step = time_step
        self.friction = friction
        self.openmm_system = force_field.create(system)
        self.bonds = system.bonds
        self.weights = (system.masses / system.masses.sum())[:, None]

    def n_steps(self, key: str, duration: float) -> int:
        """Return a duration in ps as a number of time steps.

        Args:
            key: name of the duration for the message.
            duration: ps.

        Raises:
            InputError: when it is no whole number of steps.
        """
        steps = duration * 1000.0 / self.time_step
        if abs(steps - round(steps)) > 1e-6 * max(steps, 1.0):
            raise InputError(
                f"{key}={duration} ps is not a multiple of time_step={self.time_step} fs; change "
                "one of them."
            )
        return round(steps)

    def minimum(self) -> np.ndarray:
        """Return the local minimum next to the starting geometry in Å, shape (n_atoms, 3)."""
        context = self._context(openmm.VerletIntegrator(0.001))
        context.setPositions(self.system.positions * 0.1)
        openmm.LocalEnergyMinimizer.minimize(context, tolerance=1.0)
        return _array(context.getState(positions=True).getPositions(asNumpy=True)) * 10.0

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
            InputError: when the molecule explodes or a duration is no multiple of the time step.
        """
        if not 0 < seed < 2**31:  # OpenMM takes 0 for "draw a seed"
            raise ValueError(f"seed={seed} is outside 1..2^31-1")
        stride = self.n_steps("sampling_interval", interval)
        start = self.minimum()
        lengths = self._bond_lengths(start)
        integrator = openmm.LangevinMiddleIntegrator(
            temperature, self.friction, self.time_step * 0.001
        )
        integrator.setRandomNumberSeed(seed)
        context = self._context(integrator)
        context.setPositions(start * 0.1)
        context.setVelocitiesToTemperature(temperature, seed)
        frames = []
        try:
            integrator.step(self.n_steps("equilibration", equilibration))
            for _ in range(n_frames):
                integrator.step(stride)
                frames.append(self._frame(context))
                self._refuse_explosion(frames[-1], temperature, lengths)
                on_frame()
        except openmm.OpenMMException as error:
            raise self._explosion(temperature, str(error)) from error
        return Trajectory(*map(np.array, zip(*frames, strict=True)))

    def _context(self, integrator: openmm.Integrator) -> openmm.Context:
        platform = openmm.Platform.getPlatformByName("Reference")
        return openmm.Context(self.openmm_system, integrator, platform)

    def _frame(self, context: openmm.Context) -> tuple[np.ndarray, float, np.ndarray, float]:
        state = context.getState(positions=True, energy=True, forces=True)
        positions = _array(state.getPositions(asNumpy=True)) * 10.0
        positions -= (self.weights * positions).sum(axis=0)
        energy = _array(state.getPotentialEnergy()) * KJ_MOL
        forces = _array(state.getForces(asNumpy=True)) * 0.1 * KJ_MOL
        kinetic = _array(state.getKineticEnergy()) * KJ_MOL
        return positions, energy, forces, 2.0 * kinetic / (positions.size * units.kB)

    def _bond_lengths(self, positions: np.ndarray) -> np.ndarray:
        return np.linalg.norm(positions[self.bonds[:, 0]] - positions[self.bonds[:, 1]], axis=1)

    def _refuse_explosion(self, frame, temperature: float, lengths: np.ndarray) -> None:
        positions, energy, forces, kinetic_temperature = frame
        if not (np.isfinite(positions).all() and np.isfinite(forces).all() and np.isfinite(energy)):
            raise self._explosion(temperature, "positions, energy or forces are not finite")
        if not kinetic_temperature < MAX_HEATING * temperature:
            raise self._explosion(temperature, f"it heated up to {kinetic_temperature:.0f} K")
        stretch = self._bond_lengths(positions) / lengths
        if stretch.max() > MAX_STRETCH:
            i, j = self.bonds[stretch.argmax()]
            raise self._explosion(
                temperature, f"bond {i}-{j} is {stretch.max():.1f} times longer than at the minimum"
            )

    def _explosion(self, temperature: float, what: str) -> InputError:
        return InputError(
            f"the trajectory of {self.system.name} at {temperature:g} K exploded with "
            f"time_step={self.time_step} fs ({what}); nothing of it is stored: choose a smaller "
            "time_step or a lower temperature."
        )


def _array(quantity: unit.Quantity):
    """Return the numbers of a quantity in OpenMM's units (nm, kJ/mol, ps)."""
    return quantity.value_in_unit_system(unit.md_unit_system)
