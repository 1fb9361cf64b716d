"""Check whether labels can be in the given units, and whether forces and stress have their sign.

1. The distance of nearest neighbours is about the sum of their covalent radii.
2. No single frame is far off all others, and the mean force of structures off their minimum is
   between 0.15 and 15 eV/Å: thermal motion at 300 K gives 1 to 2.
3. Forces hold bonds together (`bond_evidence`): sign and size of the forces.
4. Energies change as the forces and the stress say (`work_evidence`): sign and size of one against
   the other.
5. A stress is below 100 GPa.

A check decides only if what it finds is at least four standard errors from chance; otherwise the
report says that it was not decided.
"""

import numpy as np
from ase import Atoms, units as ase_units

from gpip_plugins.analysis.distances import nearest_in_radii
from gpip_plugins.errors import InputError
from gpip_plugins.labels.bond_evidence import BondEvidence, bond_evidence
from gpip_plugins.labels.keys_and_units import Labels
from gpip_plugins.labels.outliers import Outliers
from gpip_plugins.labels.work_evidence import Labelled, Slope, slopes

__all__ = ["Plausibility"]

SAMPLE = 200
DISTANCE_RATIO = (0.6, 1.6)
MEAN_FORCE = (0.15, 15.0)  # eV/Å
STIFFNESS = (4.0, 250.0)  # eV/Å^2, bonds with hydrogen; real ones have 20 to 60
SLOPE = (0.5, 1.6)  # frames that are far apart give less than 1
SURE, CORRELATED = 4.0, 0.3
HIGHEST_STRESS = 100.0  # GPa
UNBALANCED = 0.05  # of the net force or torque of forces that have nothing to do with each other
ACCEPT = "accept_implausible=True"


class Plausibility:
    """Collect frames in eV, Å and eV/Å, then check them together.

    Args:
        name: of the file, for messages.

    Example:
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

    def check(self, units: dict[str, str], labels: Labels) -> list[str]:
        """Check the collected frames.

        Args:
            units: the units that were read, with the keys energy, forces, distance; without
                energy and forces only distances are checked.
            labels: which of the units were given, and which are those of the format.

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
            said += _check_forces(forceful, units, wrong)
        if any(frame.stress is not None for frame in frames):
            said += _check_stress(frames, labels)
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


def _check_forces(frames: list[Labelled], units: dict[str, str], wrong: str) -> list[str]:
    """Check sign and size of forces by bonds and by energies."""
    bonds = bond_evidence([(frame.atoms, frame.forces) for frame in frames])
    work, _ = slopes([frame for frame in frames if frame.energy is not None])
    by_bonds = _direction(bonds and -bonds.correlation, bonds and -bonds.z)
    by_work = _direction(work and work.correlation, work and work.z)
    if by_bonds >= 0 > by_work and by_bonds > 0:
        raise InputError(
            "The energies rise along the forces, although the forces hold the bonds together: the "
            f"energies have the wrong sign; multiply them by -1, or give {ACCEPT}."
        )
    if min(by_bonds, by_work) < 0:
        both = " The energies have the wrong sign, too." if by_work > 0 else ""
        raise InputError(
            f"The forces point uphill: {_uphill(bonds, work, by_bonds, by_work)}.{both} If the "
            f"file holds gradients, multiply them by -1, or give {ACCEPT}."
        )
    low, high = STIFFNESS
    if by_bonds > 0 and bonds.stiffness is not None and not low <= bonds.stiffness <= high:
        raise InputError(
            f"{wrong} looks wrong: bonds with hydrogen have a stiffness of {bonds.stiffness:.3g} "
            f"eV/Ang^2, outside {low:g} to {high:g}; name the right unit or give {ACCEPT}."
        )
    if by_work > 0 and (work.low > SLOPE[1] or work.high < SLOPE[0]):
        raise InputError(
            f"energy_unit={units['energy']} and forces_unit={units['forces']} do not belong "
            f"together: energies differ {np.sqrt(work.low * work.high):.3g} times as much as the "
            f"work of the forces says; name the right units or give {ACCEPT}."
        )
    return _confidence(bonds, work, by_bonds, by_work, frames) + _balance(frames)


def _direction(correlation: float | None, z: float | None) -> int:
    """Return 1 for right forces, -1 for inverted ones, 0 if it is not certain."""
    if correlation is None or abs(z) < SURE or abs(correlation) < CORRELATED:
        return 0
    return 1 if z > 0 else -1


def _uphill(bonds: BondEvidence, work: Slope, by_bonds: int, by_work: int) -> str:
    """Return what shows that the forces have the wrong sign."""
    found = []
    if by_bonds < 0:
        found.append(
            f"they lengthen long bonds and shorten short ones ({bonds.n_bonds} bonds, "
            f"{bonds.z:.0f} standard errors)"
        )
    if by_work < 0:
        found.append(
            f"along them the energies rise ({work.n_pairs} pairs of frames, {-work.z:.0f} "
            "standard errors)"
        )
    return " and ".join(found)


def _confidence(
    bonds: BondEvidence | None,
    work: Slope | None,
    by_bonds: int,
    by_work: int,
    frames: list[Labelled],
) -> list[str]:
    """Return what was compared and how sure it is."""
    sure, unsure = [], []
    if by_bonds:
        sure.append(
            f"the forces hold the bonds together (correlation {bonds.correlation:.2f} of force and "
            f"length of {bonds.n_bonds} bonds)"
        )
    if by_work:
        sure.append(
            f"energies differ {work.low:.2g} to {work.high:.2g} times as much as the work of the "
            f"forces says ({work.n_pairs} pairs of similar frames)"
        )
    if not by_bonds and not by_work:
        unsure.append("sign of the forces")
    if not by_work and frames[0].energy is not None:
        unsure.append(
            "consistency of energies and forces, which needs about 20 similar frames of one "
            "composition"
        )
    said = [f"Checked: {'; '.join(sure)}."] if sure else []
    return said + ([f"Not checked: {'; '.join(unsure)}."] if unsure else [])


def _balance(frames: list[Labelled]) -> list[str]:
    """Return a sentence if forces do not sum to zero, or turn isolated molecules."""
    net, torque = [], []
    for frame in frames:
        if len(frame.atoms) > 1 and frame.forces.any():
            net.append(np.linalg.norm(frame.forces.sum(0)) / np.linalg.norm(frame.forces))
        if len(frame.atoms) > 2 and not frame.atoms.pbc.any():
            arms = frame.atoms.positions - frame.atoms.positions.mean(axis=0)
            single = np.cross(arms, frame.forces)
            if single.any():
                torque.append(np.linalg.norm(single.sum(0)) / np.linalg.norm(single))
    if net and np.median(net) > UNBALANCED:
        return [
            f"The forces of a frame do not sum to zero (in half of the frames by more than "
            f"{np.median(net):.2g} of their norm): atoms were held, or forces are missing."
        ]
    if torque and np.median(torque) > UNBALANCED:
        return [
            f"The forces turn the molecules (in half of the frames by more than "
            f"{np.median(torque):.2g} of the single torques): positions and forces may be in "
            "different orientations."
        ]
    return []


def _check_stress(frames: list[Labelled], labels: Labels) -> list[str]:
    """Check size and sign of the stress."""
    stressed = [frame for frame in frames if frame.stress is not None]
    largest = np.median([np.abs(frame.stress).max() for frame in stressed]) / ase_units.GPa
    unit = labels.stress_unit
    wrong = "The unit of the stress" if unit is None else f"stress_unit={unit}"
    remedy = f"give stress_unit, for example stress_unit=kbar, or {ACCEPT}"
    if largest > HIGHEST_STRESS:
        raise InputError(
            f"{wrong} looks wrong: half of the frames have a stress of more than {largest:.3g} "
            f"GPa; {remedy}."
        )
    both = [frame for frame in stressed if frame.energy is not None and frame.forces is not None]
    _, work = slopes(both)
    direction = _direction(work and work.correlation, work and work.z)
    size = f"a stress of about {largest:.2g} GPa"
    if direction == 0:
        return [
            f"Not checked: sign and unit of the stress ({size}), which needs about ten similar "
            "frames with different cells."
        ]
    if direction < 0:
        other = "tension" if labels.stress_sign == "pressure" else "pressure"
        raise InputError(
            f"The stress has the wrong sign: energies of strained cells change against it "
            f"({work.n_pairs} pairs of frames, {-work.z:.0f} standard errors); give "
            f"stress_sign={other}, or {ACCEPT}."
        )
    if work.low > SLOPE[1] or work.high < SLOPE[0]:
        raise InputError(
            f"{wrong} looks wrong: energies of strained cells differ "
            f"{np.sqrt(work.low * work.high):.3g} times as much as the stress says; {remedy}."
        )
    return [
        f"Checked: energies of strained cells differ {work.low:.2g} to {work.high:.2g} times as "
        f"much as the stress says ({work.n_pairs} pairs of frames; {size})."
    ]
