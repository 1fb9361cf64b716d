"""The labels of one frame, converted to eV and Å."""

from collections.abc import Collection
from typing import Final

import numpy as np
from ase import Atoms

from gpip_plugins.labels.keys_and_units import Labels
from gpip_plugins.labels.lookup import label_of
from gpip_plugins.labels.readers import FAULT
from gpip_plugins.labels.stress import stress_of

__all__ = ["OPTIONAL", "WHOLE", "number_of", "values_of"]

#: Names under which files have the total charge and the spin multiplicity; SchNetPack's are first.
WHOLE: Final = {
    "total_charge": ("total_charge", "charge"),
    "spin_multiplicity": ("spin_multiplicity", "multiplicity", "spin"),
}
#: Properties that are stored if every frame has them.
OPTIONAL: Final = ("stress", *WHOLE)


def values_of(
    frame: Atoms, labels: Labels, units: dict[str, str], sizes: dict[str, float]
) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Return all labels of a frame that are read.

    Args:
        frame: the frame as it was read.
        labels: names and units.
        units: units of the file, see `Labels.units`.
        sizes: their sizes in eV and Å.

    Returns:
        `energy` (1,) in eV, `forces` (n_atoms, 3) in eV/Å, `stress` (1, 3, 3) in eV/Å^3,
        `total_charge` (1,) in e, `spin_multiplicity` (1,), scalars (1,), as far as the frame has
        them; and for labels that cannot be used what is wrong, such as `no energy`.
    """
    values: dict[str, np.ndarray] = {}
    faults = {}
    if FAULT in frame.info:
        return {}, {FAULT: frame.info[FAULT]}
    for name in labels.scalars:
        values[name], fault = number_of(frame, name, name)
        faults |= {name: fault} if fault else {}
    for name, key in labels.wanted.items():
        if name == "energy":
            value, fault = number_of(frame, key, name)
        else:
            value, fault = _forces(frame, key)
        if fault:
            faults[name] = fault
        else:
            values[name] = value * sizes[name]
    if labels.wanted:
        found, fault = stress_of(frame, labels, units.get("energy", "eV"), sizes["distance"])
        faults |= {"stress": fault} if fault else {}
        values |= {} if found is None else {"stress": found}
        values |= _charge_and_spin(frame, labels.scalars)
    return values, faults


def number_of(frame: Atoms, key: str, name: str) -> tuple[np.ndarray | None, str]:
    """Return a label of one number, shape (1,), or what is wrong with it."""
    value = label_of(frame, key)
    article = "an" if name[0] in "aeiou" else "a"
    if value is None:
        return None, f"no {name}"
    try:
        value = np.asarray(value, dtype=float).reshape(1)
    except (TypeError, ValueError):
        return None, f"{article} {name} that is not one number"
    if not np.isfinite(value).all():
        return None, f"{article} {name} that is not finite"
    return value, ""


def _forces(frame: Atoms, key: str) -> tuple[np.ndarray | None, str]:
    """Return the forces of a frame, or what is wrong with them."""
    value = label_of(frame, key)
    if value is None:
        return None, "no forces"
    try:
        value = np.asarray(value, dtype=float).reshape(len(frame), 3)
    except (TypeError, ValueError):
        return None, "forces of a wrong shape"
    if not np.isfinite(value).all():
        return None, "forces that are not finite or missing on some atoms"
    return value, ""


def _charge_and_spin(frame: Atoms, taken: Collection[str]) -> dict[str, np.ndarray]:
    """Return total charge and spin multiplicity, if they can be nothing else.

    The key `spin` means the multiplicity to some programs and the number of unpaired electrons to
    others; a multiplicity is odd if the number of electrons is even, and even if that is odd.
    """
    found = {}
    for name, keys in WHOLE.items():
        key = next((k for k in keys if label_of(frame, k) is not None), None)
        if key is None or key in taken:
            continue
        value, fault = number_of(frame, key, name)
        if not fault and value[0] == round(value[0]):
            found[name] = value
    electrons = frame.numbers.sum() - found.get("total_charge", np.zeros(1))[0]
    spin = found.get("spin_multiplicity")
    if spin is not None and (spin[0] < 1 or (electrons + spin[0]) % 2 != 1):
        del found["spin_multiplicity"]
    return found
