"""NVT molecular dynamics of a periodic box with OpenMM."""

import numpy as np
import openmm

from gpip_plugins.errors import InputError
from gpip_plugins.sampling.dynamics.engine import Engine, LangevinEngine
from gpip_plugins.sampling.forcefield import ForceField
from gpip_plugins.sampling.systems.box import Box
from gpip_plugins.sampling.systems.molecule import MolecularSystem

__all__ = ["PeriodicEngine", "engine_for", "fastest_platform", "set_cell"]


class PeriodicEngine(Engine):
    """Langevin dynamics of a periodic box in its cell.

    Electrostatics, cutoffs and their switching are the force field's. Molecules of the stored
    frames are whole; the centre of mass stays where the box has it.

    A trajectory repeats bit for bit on `Reference`, and on `CPU` with the same number of threads
    on the same machine. It starts from the box as it is prepared, after a short minimisation that
    only takes out contacts.

    Args:
        system: the box.
        force_field: what gives its energy.
        time_step: fs; at most 1 fs with flexible bonds to hydrogen up to 1000 K.
        friction: 1/ps.
        platform: OpenMM's name of a platform; None takes `CUDA` where there is one, else `CPU`.
        threads: threads of the `CPU` platform, 1 where trajectories run side by side; None leaves
            it to OpenMM, which takes all cores.
        cutoff: Å; None takes the force field's, shortened to what the cell allows.

    Raises:
        InputError: when a number is not positive, the platform is missing, the cutoff does not fit
            the cell, or the force field does not cover the box.
    """

    tolerance = 10.0
    max_iterations = 500

    def __init__(
        self,
        system: Box,
        force_field: ForceField,
        time_step: float = 1.0,
        friction: float = 2.0,
        platform: str | None = None,
        threads: int | None = None,
        cutoff: float | None = None,
    ):
        self.platform, self.properties = _platform(platform or fastest_platform(), threads)
        super().__init__(system, force_field.create(system, cutoff=cutoff), time_step, friction)
        self._centre = (self.weights * system.positions).sum(axis=0)

    @property
    def centre(self) -> np.ndarray:
        """Centre of mass of the box, Å, shape (3,)."""
        return self._centre

    def context(self, integrator: openmm.Integrator) -> openmm.Context:
        """Return a context on the engine's platform.

        Args:
            integrator: moves the atoms.
        """
        context = openmm.Context(self.openmm_system, integrator, self.platform, self.properties)
        set_cell(context, self.system.cell)
        return context


def engine_for(
    system: MolecularSystem | Box,
    force_field: ForceField,
    time_step: float = 1.0,
    friction: float = 2.0,
    **box_settings,
) -> Engine:
    """Return the engine that fits the system: periodic for a box, else isolated.

    Args:
        system: molecule or box.
        force_field: what gives its energy.
        time_step: fs.
        friction: 1/ps.
        **box_settings: `platform`, `threads` and `cutoff` of `PeriodicEngine`; they have no meaning
            for a molecule.
    """
    if system.cell is None:
        return LangevinEngine(system, force_field, time_step, friction)
    return PeriodicEngine(system, force_field, time_step, friction, **box_settings)


def fastest_platform() -> str:
    """Return the name of the platform that boxes run on unless another one is named.

    Example:
        >>> fastest_platform() in ("CUDA", "CPU")
        True
    """
    n_platforms = openmm.Platform.getNumPlatforms()
    names = [openmm.Platform.getPlatform(i).getName() for i in range(n_platforms)]
    return "CUDA" if "CUDA" in names else "CPU"


def set_cell(context: openmm.Context, cell: np.ndarray) -> None:
    """Give a context its cell.

    Args:
        context: of a periodic system.
        cell: cell vectors in rows, Å, shape (3, 3).
    """
    context.setPeriodicBoxVectors(*(openmm.Vec3(*map(float, row)) for row in 0.1 * cell))


def _platform(name: str, threads: int | None) -> tuple[openmm.Platform, dict[str, str]]:
    """Return a platform and its properties; with those of `CPU` a trajectory repeats."""
    if threads is not None and (isinstance(threads, bool) or not 0 < threads < 1024):
        raise InputError(f"threads={threads!r} is not a number of threads; give threads=1 or more.")
    try:
        platform = openmm.Platform.getPlatformByName(name)
    except openmm.OpenMMException as error:
        number = openmm.Platform.getNumPlatforms()
        names = [openmm.Platform.getPlatform(i).getName() for i in range(number)]
        raise InputError(
            f"platform={name!r} is not available to OpenMM here; choose from {', '.join(names)}."
        ) from error
    properties = {}
    if name == "CUDA":
        properties["Precision"] = "mixed"
    if name == "CPU":
        properties["DeterministicForces"] = "true"
        if threads is not None:
            properties["Threads"] = str(threads)
    return platform, properties
