"""Check sign and size of forces, by the bonds that they hold and by the energies.

A finding counts only if it is at least four standard errors from chance.
"""

import numpy as np

from gpip_plugins.errors import InputError
from gpip_plugins.labels.bond_evidence import BondEvidence, bond_evidence
from gpip_plugins.labels.work_evidence import Labelled, Slope, slopes

__all__ = ["ACCEPT", "SLOPE", "check_forces", "direction"]

STIFFNESS = (4.0, 250.0)  # eV/Å^2, bonds with hydrogen; real ones have 20 to 60
SLOPE = (0.5, 1.6)  # frames that are far apart give less than 1
SURE, CORRELATED = 4.0, 0.3
UNBALANCED = 0.05  # of the net force or torque of forces that have nothing to do with each other
ACCEPT = "accept_implausible=True"


def check_forces(frames: list[Labelled], units: dict[str, str], wrong: str) -> list[str]:
    """Check sign and size of forces by bonds and by energies.

    Args:
        frames: frames with forces.
        units: units of the file, for messages.
        wrong: the setting from which the unit of the forces follows, for messages.

    Returns:
        Sentences on what was compared and how sure it is.

    Raises:
        InputError: if forces or energies have the wrong sign or unit.
    """
    bonds = bond_evidence([(frame.atoms, frame.forces) for frame in frames])
    work, _ = slopes([frame for frame in frames if frame.energy is not None])
    by_bonds = direction(bonds and -bonds.correlation, bonds and -bonds.z)
    by_work = direction(work and work.correlation, work and work.z)
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


def direction(correlation: float | None, z: float | None) -> int:
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
