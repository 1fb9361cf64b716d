"""NVT molecular dynamics of a periodic box with OpenMM."""

import numpy as np
import openmm

from gpip_plugins.errors import InputError
from gpip_plugins.sampling.dynamics.engine import Engine, LangevinEngine
from gpip_plugins.sampling.forcefield import ForceField
from gpip_plugins.sampling.settings import Dynamics
from gpip_plugins.sampling.systems.box import Box
from gpip_plugins.sampling.systems.molecule import MolecularSystem
from gpip_plugins.units import ANGSTROM

__all__ = ["PeriodicEngine", "engine_for", "fastest_platform", "set_cell"]


class PeriodicEngine(Engine):
    """Langevin dynamics of a periodic box in its cell.

    The force field defines electrostatics, cutoffs and switching. Molecules of the stored frames
    are whole; the centre of mass stays at its position in the box.

    A trajectory is reproducible bit for bit on `Reference`, and on `CPU` with the same number of
    threads on the same machine. It starts from the prepared box, after a short minimisation that
    only removes close contacts.

    Args:
        system: the box.
        force_field: force field of the box.
        dynamics: time step, friction, platform and threads.
        cutoff: Å; None takes the cutoff of the force field, or a shorter one that fits the cell.

    Raises:
        InputError: when the platform is missing, the cutoff does not fit the cell, or the force
            field does not cover the box.
    """

    tolerance = 10.0
    max_iterations = 500

    def __init__(
        self,
        system: Box,
        force_field: ForceField,
        dynamics: Dynamics,
        cutoff: float | None = None,
    ):
        name = dynamics.platform or fastest_platform()
        self.platform, self.properties = _platform(name, dynamics.threads)
        super().__init__(system, force_field.create(system, cutoff=cutoff), dynamics)
        self._centre = (self.weights * system.positions).sum(axis=0)

    @property
    def centre(self) -> np.ndarray:
        """Centre of mass of the box, Å, shape (3,)."""
        return self._centre

    @property
    def cutoff(self) -> float | None:
        """Cutoff of the forces in Å, None without one."""
        forces = self.openmm_system.getForces()
        found = [f.getCutoffDistance()._value for f in forces if hasattr(f, "getCutoffDistance")]
        return max(found) / ANGSTROM if found else None

    def context(self, integrator: openmm.Integrator) -> openmm.Context:
        """Return a context on the engine's platform.

        Args:
            integrator: moves the atoms.
        """
        context = openmm.Context(self.openmm_system, integrator, self.platform, self.properties)
        set_cell(context, self.system.cell)
        return context


def engine_for(
    system: MolecularSystem | Box, force_field: ForceField, dynamics: Dynamics
) -> Engine:
    """Return the engine for a system: periodic for a box, else isolated.

    Args:
        system: molecule or box.
        force_field: force field of the system.
        dynamics: how the equations of motion are integrated.
    """
    engine = LangevinEngine if system.cell is None else PeriodicEngine
    return engine(system, force_field, dynamics)


def fastest_platform() -> str:
    """Return the name of the default platform for boxes.

    Example:
        >>> fastest_platform() in ("CUDA", "CPU")
        True
    """
    n_platforms = openmm.Platform.getNumPlatforms()
    names = [openmm.Platform.getPlatform(i).getName() for i in range(n_platforms)]
    return "CUDA" if "CUDA" in names else "CPU"


def set_cell(context: openmm.Context, cell: np.ndarray) -> None:
    """Set the cell of a context.

    Args:
        context: context of a periodic system.
        cell: cell vectors in rows, Å, shape (3, 3).
    """
    context.setPeriodicBoxVectors(*(openmm.Vec3(*map(float, row)) for row in ANGSTROM * cell))


def _platform(name: str, threads: int | None) -> tuple[openmm.Platform, dict[str, str]]:
    """Return a platform and its properties; on `CPU` they make trajectories reproducible."""
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
