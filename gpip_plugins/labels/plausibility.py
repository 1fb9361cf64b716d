"""Check whether labels can be in the given units, and whether forces and stress have their sign.

1. The distance of nearest neighbours is about the sum of their covalent radii.
2. No single frame is far off all others, and the mean force of structures off their minimum is
   between 0.15 and 15 eV/Å: thermal motion at 300 K gives 1 to 2.
3. Forces hold bonds together (`bond_evidence`): sign and size of the forces.
4. Energies change as the forces and the stress say (`work_evidence`): sign and size of one against
   the other.
5. A stress is below 100 GPa, and changes between frames of one cell as forces on its atoms let
   expect.

A check decides only if what it finds is at least four standard errors from chance; otherwise the
report says that it was not decided.
"""

import numpy as np

from gpip_plugins.analysis.distances import nearest_in_radii
from gpip_plugins.errors import InputError
from gpip_plugins.labels.force_checks import ACCEPT, check_forces
from gpip_plugins.labels.keys_and_units import Labels
from gpip_plugins.labels.outliers import Outliers
from gpip_plugins.labels.stress_checks import check_stress
from gpip_plugins.labels.work_evidence import Labelled

__all__ = ["Plausibility"]

SAMPLE = 200
DISTANCE_RATIO = (0.6, 1.6)
MEAN_FORCE = (0.15, 15.0)  # eV/Å


class Plausibility:
    """Collect frames in eV, Å and eV/Å, then check them together.

    Args:
        name: of the file, for messages.

    Example:
        >>> from ase import Atoms
        >>> judge = Plausibility("bohr.xyz")
        >>> judge.add(Labelled(0, Atoms("H2", [[0, 0, 0], [0, 0, 1.4]])))
        >>> judge.check({"distance": "Ang"}, Labels(None, None))  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        gpip_plugins.errors.InputError: distance_unit=Ang looks wrong: nearest neighbours are ...
    """

    def __init__(self, name: str):
        self.sample: list[tuple[int, Labelled]] = []
        self.stride = 1
        self.n_frames = 0
        self.outliers = Outliers(name)

    def add(self, frame: Labelled) -> None:
        """Add one frame, in eV and Å."""
        self.outliers.add(frame)
        # Pairs of neighbouring frames: those of a trajectory are similar.
        if (self.n_frames // 2) % self.stride == 0:
            self.sample.append((self.n_frames, frame))
            if len(self.sample) > SAMPLE:
                # Dropping every second pair keeps the sample even for files of unknown length.
                self.stride *= 2
                kept = [entry for entry in self.sample if (entry[0] // 2) % self.stride == 0]
                self.sample = kept
        self.n_frames += 1

    def check(
        self, units: dict[str, str], labels: Labels, stress_sign: str = "tension"
    ) -> list[str]:
        """Check the collected frames.

        Args:
            units: the units that were read, with the keys energy, forces, distance; without
                energy and forces only distances are checked.
            labels: which of the units were given, and which are those of the format.
            stress_sign: the sign that was read, of a stress.

        Returns:
            Sentences on how sure the result is.

        Raises:
            InputError: naming the unit that looks wrong and the remedy.
        """
        frames = [frame for _, frame in self.sample]
        if not frames:
            return []
        _check_distances(frames, units["distance"])
        self.outliers.check()
        said: list[str] = []
        forceful = [frame for frame in frames if frame.forces is not None]
        if forceful:
            wrong = _suspect(units, labels)
            self._check_mean_force(wrong)
            said += check_forces(forceful, units, wrong)
        if any(frame.stress is not None for frame in frames):
            said += check_stress(frames, labels, stress_sign)
        return said + self.outliers.sentences()

    def _check_mean_force(self, wrong: str) -> None:
        mean = self.outliers.mean_force
        low, high = MEAN_FORCE
        if not low <= mean <= high:
            raise InputError(
                f"{wrong} looks wrong: the mean force is {mean:.3g} eV/Ang, outside "
                f"{low:g} to {high:g}; name the right unit or, for example for relaxed "
                f"structures, give {ACCEPT}."
            )


def _suspect(units: dict[str, str], labels: Labels) -> str:
    """Return the setting from which the unit of the forces follows, as the user gave it."""
    if labels.forces_unit is not None:
        return f"forces_unit={units['forces']}"
    if labels.energy_unit is not None:
        return f"energy_unit={units['energy']}"
    return f"The unit of the forces ({units['forces']})"


def _check_distances(frames: list[Labelled], unit: str) -> None:
    examined = frames[:: max(1, len(frames) // 50)]
    ratios = [nearest_in_radii(frame.atoms) for frame in examined if len(frame.atoms) > 1]
    ratio = float(np.median(np.concatenate(ratios))) if ratios else 1.0
    if not DISTANCE_RATIO[0] <= ratio <= DISTANCE_RATIO[1]:
        found = f"{ratio:.2f}" if np.isfinite(ratio) else "many"
        raise InputError(
            f"distance_unit={unit} looks wrong: nearest neighbours are {found} times a sum of "
            f"covalent radii apart; name the right unit or give {ACCEPT}."
        )
