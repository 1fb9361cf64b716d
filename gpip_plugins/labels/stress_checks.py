"""Check size and sign of a stress."""

import numpy as np
from ase import Atoms, units
from ase.data import covalent_radii

from gpip_plugins.analysis.distances import nearest_in_radii
from gpip_plugins.errors import InputError
from gpip_plugins.labels.force_checks import ACCEPT, SLOPE, direction
from gpip_plugins.labels.keys_and_units import Labels
from gpip_plugins.labels.work_evidence import Labelled, slopes

__all__ = ["check_stress"]

HIGHEST_STRESS = 100.0  # GPa
#: Changes of V times the stress between frames of one cell, over those of as many independent
#: forces times the distance of neighbours. It is 0.04 to 0.12 for metals and molecules.
FLUCTUATION = (0.002, 3.0)
FEWEST_FRAMES = 5


def check_stress(frames: list[Labelled], labels: Labels, sign: str) -> list[str]:
    """Check size and sign of the stress.

    Args:
        frames: the frames of the file; those without stress are not used.
        labels: the unit that was given.
        sign: the sign that was read.

    Returns:
        Sentences on what was compared and how sure it is.

    Raises:
        InputError: if the stress has the wrong sign or unit.
    """
    stressed = [frame for frame in frames if frame.stress is not None]
    largest = np.median([np.abs(frame.stress).max() for frame in stressed]) / units.GPa
    if not largest:
        return [
            "The stress of half of the frames is zero: some programs write zeros for a stress that "
            "they did not compute; if so, leave it out with stress=False."
        ]
    unit = labels.stress_unit
    wrong = "The unit of the stress" if unit is None else f"stress_unit={unit}"
    remedy = f"give stress_unit, for example stress_unit=kbar, or {ACCEPT}"
    if largest > HIGHEST_STRESS:
        raise InputError(
            f"{wrong} looks wrong: half of the frames have a stress of more than {largest:.3g} "
            f"GPa; {remedy}."
        )
    ratio = _fluctuation([frame for frame in stressed if frame.forces is not None])
    if ratio is not None and not FLUCTUATION[0] <= ratio <= FLUCTUATION[1]:
        size = "large" if ratio > FLUCTUATION[1] else "small"
        raise InputError(
            f"{wrong} looks wrong: the stress changes between frames of one cell by {ratio:.2g} "
            f"of what independent forces would give, which is too {size}; {remedy}."
        )
    both = [frame for frame in stressed if frame.energy is not None and frame.forces is not None]
    _, work = slopes(both)
    found = direction(work and work.correlation, work and work.z)
    size = f"a stress of about {largest:.2g} GPa"
    if found == 0:
        return [
            f"Not checked: sign and unit of the stress ({size}), which needs about ten similar "
            "frames with different cells."
        ]
    if found < 0:
        other = "tension" if sign == "pressure" else "pressure"
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


def _fluctuation(frames: list[Labelled]) -> float | None:
    """Return how much the stress changes in a cell, in units of forces times distances."""
    if not frames:
        return None
    first = frames[0].atoms
    frames = [
        frame
        for frame in frames
        if np.array_equal(frame.atoms.numbers, first.numbers)
        and np.allclose(frame.atoms.cell.array, first.cell.array, atol=1e-4)
    ]
    if len(frames) < FEWEST_FRAMES or not first.get_volume():
        return None
    stress = np.array([frame.stress for frame in frames])
    change = stress.std(axis=0).mean() * first.get_volume()
    force = np.sqrt(np.mean([(frame.forces**2).sum(axis=1).mean() for frame in frames]))
    nearest = nearest_in_radii(first)
    constant = np.ptp(stress, axis=0).max() <= 1e-6 * np.abs(stress).max()
    if constant or not force or not np.isfinite(nearest).any():
        return None
    distance = float(np.median(nearest[np.isfinite(nearest)])) * 2 * _mean_radius(first)
    return float(change / (force * distance * np.sqrt(len(first))))


def _mean_radius(atoms: Atoms) -> float:
    """Return the mean covalent radius of a structure, Å."""
    return float(covalent_radii[atoms.numbers].mean())
