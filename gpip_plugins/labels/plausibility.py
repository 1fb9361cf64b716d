r"""Check whether labels can be in the given units.

Three tests, on all frames or on an even sample of them. (1) The distance of nearest neighbours is
about the sum of their covalent radii. (2) The mean force of structures off their minimum is between
0.15 and 15 eV/Å: thermal motion at 300 K gives 1 to 2. (3) Energies and forces are consistent:
between two similar frames a and b, superimposed on each other,

.. math:: E_b - E_a \approx -\tfrac12 (F_a + F_b) \cdot (R_b - R_a),

the trapezoidal rule, which is exact for a quadratic energy. A slope of 23 between the two sides
means kcal/mol taken for eV, a negative slope means a gradient taken for a force. The third test
is used only if both sides correlate well.
"""

import numpy as np
from ase import Atoms

from gpip_plugins.analysis.distances import nearest_in_radii
from gpip_plugins.analysis.superposition import best_rotations
from gpip_plugins.errors import InputError

__all__ = ["Plausibility"]

SAMPLE = 200
DISTANCE_RATIO = (0.6, 1.6)
MEAN_FORCE = (0.15, 15.0)  # eV/Å
MIN_PAIRS, MIN_CORRELATION, SLOPE = 20, 0.9, (0.5, 2.0)
ACCEPT = "accept_implausible=True"


class Plausibility:
    """Collect frames in eV, Å and eV/Å, then check them together.

    Example:
        >>> judge = Plausibility()
        >>> judge.add(0, Atoms("H2", [[0, 0, 0], [0, 0, 1.4]]), None, None)  # in Bohr
        >>> judge.check({"distance": "Ang"})  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        gpip_plugins.errors.InputError: distance_unit=Ang looks wrong: nearest neighbours are ...
    """

    def __init__(self):
        self.sample: list[tuple[int, Atoms, float, np.ndarray]] = []
        self.stride = 1
        self.n_frames = 0
        self.force_sum, self.n_atoms = 0.0, 0

    def add(
        self, number: int, atoms: Atoms, energy: float | None, forces: np.ndarray | None
    ) -> None:
        """Add one frame.

        Args:
            number: its number in the file.
            atoms: structure in Å.
            energy: in eV; None for frames without labels.
            forces: in eV/Å, shape (n_atoms, 3); None for frames without labels.
        """
        if forces is None:
            forces = np.zeros((len(atoms), 3))
        self.force_sum += np.linalg.norm(forces, axis=1).sum()
        self.n_atoms += len(atoms)
        if self.n_frames % self.stride == 0:
            self.sample.append((number, atoms, energy, forces))
            if len(self.sample) > SAMPLE:
                # Dropping every second frame keeps the sample even for files of unknown length.
                self.sample = self.sample[::2]
                self.stride *= 2
        self.n_frames += 1

    def check(self, units: dict[str, str]) -> bool:
        """Check the collected frames.

        Args:
            units: the units that were read, with the keys energy, forces, distance; without
                energy and forces only distances are checked.

        Returns:
            Whether energies could be compared with the work of the forces.

        Raises:
            InputError: naming the unit that looks wrong and the remedy.
        """
        if not self.sample:
            return False
        self._check_distances(units["distance"])
        if "forces" not in units:
            return False
        self._check_forces(units["forces"])
        return self._check_work(units)

    def _check_distances(self, unit: str) -> None:
        examined = self.sample[:: max(1, len(self.sample) // 50)]
        ratios = [nearest_in_radii(atoms) for _, atoms, _, _ in examined if len(atoms) > 1]
        ratio = float(np.median(np.concatenate(ratios))) if ratios else 1.0
        if not DISTANCE_RATIO[0] <= ratio <= DISTANCE_RATIO[1]:
            found = f"{ratio:.2f}" if np.isfinite(ratio) else "many"
            raise InputError(
                f"distance_unit={unit} looks wrong: nearest neighbours are {found} times a sum of "
                f"covalent radii apart; name the right unit or give {ACCEPT}."
            )

    def _check_forces(self, unit: str) -> None:
        mean = self.force_sum / self.n_atoms
        low, high = MEAN_FORCE
        if not low <= mean <= high:
            raise InputError(
                f"forces_unit={unit} looks wrong: the mean force is {mean:.3g} eV/Ang, outside "
                f"{low:g} to {high:g}; name the right unit or, for example for relaxed "
                f"structures, give {ACCEPT}."
            )

    def _check_work(self, units: dict[str, str]) -> bool:
        difference, work = self._energy_and_work()
        if len(work) < MIN_PAIRS or not work.std() or not difference.std():
            return False
        if abs(np.corrcoef(difference, work)[0, 1]) < MIN_CORRELATION:
            return False
        slope = float(difference @ work / (work @ work))
        if slope < 0:
            raise InputError(
                "The forces point uphill: along them the energies rise; if the file holds "
                f"gradients, multiply them by -1, or give {ACCEPT}."
            )
        if not SLOPE[0] <= slope <= SLOPE[1]:
            raise InputError(
                f"energy_unit={units['energy']} and forces_unit={units['forces']} do not belong "
                f"together: energies differ {slope:.3g} times as much as the work of the forces "
                f"says; name the right units or give {ACCEPT}."
            )
        return True

    def _energy_and_work(self) -> tuple[np.ndarray, np.ndarray]:
        """Return energy difference and work in eV, from each sampled frame to its nearest."""
        first = self.sample[0][1]
        frames = [
            entry
            for entry in self.sample
            if len(entry[1]) == len(first)
            and (entry[1].numbers == first.numbers).all()
            and not entry[1].pbc.any()
        ]
        if len(frames) < MIN_PAIRS or len(first) < 2:
            return np.zeros(0), np.zeros(0)
        positions = np.array([a.positions - a.positions.mean(0) for _, a, _, _ in frames])
        energies = np.array([energy for _, _, energy, _ in frames])
        forces = np.array([f for _, _, _, f in frames])
        difference, work = np.zeros(len(frames)), np.zeros(len(frames))
        for k in range(len(frames)):
            rotations = best_rotations(positions, positions[k])
            moved = positions @ rotations.swapaxes(1, 2)
            distance = ((moved - positions[k]) ** 2).sum((1, 2))
            distance[k] = np.inf
            m = int(distance.argmin())
            mean_force = 0.5 * (forces[k] + forces[m] @ rotations[m].T)
            difference[k] = energies[m] - energies[k]
            work[k] = -(mean_force * (moved[m] - positions[k])).sum()
        return difference, work
