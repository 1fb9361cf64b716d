r"""The stress of a frame, whatever its name, unit and sign in the file.

Everywhere in gpip_plugins stress is, as in ASE and SchNetPack, positive under tension,

.. math:: \sigma = \frac{1}{V} \frac{\partial E}{\partial \varepsilon} = -\frac{W}{V},

with the virial W, an energy. VASP prints pressures, which have the other sign; some programs give
virials of the other sign.
"""

import re
from typing import TYPE_CHECKING, Final

import numpy as np
from ase import Atoms, units
from ase.stress import voigt_6_to_full_3x3_stress

from gpip_plugins.errors import InputError
from gpip_plugins.labels.lookup import label_of
from gpip_plugins.units import ENERGIES, LENGTHS, energy_in_ev, length_in_angstrom

if TYPE_CHECKING:
    from gpip_plugins.labels.keys_and_units import Labels

__all__ = ["KEYS", "SIGNS", "key_of", "kind_of", "stress_factor", "stress_of"]

SIGNS: Final = ("tension", "pressure")
#: Usual names, the first that a frame has is taken.
KEYS: Final = ("stress", "virial", "virials")
PRESSURES: Final = {
    "GPa": units.GPa,
    "MPa": 1e-3 * units.GPa,
    "Pa": units.Pascal,
    "kbar": 0.1 * units.GPa,
    "kB": 0.1 * units.GPa,
    "bar": 1e-4 * units.GPa,
}


def stress_factor(unit: str) -> tuple[float, bool]:
    """Return the size of a unit, and whether it is one of virials.

    Args:
        unit: GPa, MPa, Pa, kbar (kB), bar, or an energy per cubed length such as eV/Ang^3; an
            energy is the unit of a virial.

    Returns:
        Size in eV/Å^3, for a virial in eV; whether it is an energy.

    Raises:
        InputError: for any other unit.

    Example:
        >>> round(stress_factor("kbar")[0] * 1602.1766, 6), stress_factor("eV")
        (1.0, (1.0, True))
    """
    text = str(unit).replace(" ", "")
    if text in PRESSURES:
        return PRESSURES[text], False
    if text in ENERGIES:
        return energy_in_ev(text), True
    energy, slash, length = text.partition("/") if "mol/" not in text else _split_mol(text)
    found = re.fullmatch(r"(\w+)(?:\^3|\*\*3|3)|(\w+)/\2/\2", length)
    if not slash or energy not in ENERGIES or not found or (found[1] or found[2]) not in LENGTHS:
        raise InputError(
            f"stress_unit={unit} is not a unit of stress; use GPa, MPa, kbar, bar, an energy per "
            "volume such as eV/Ang^3, or for a virial an energy such as eV."
        )
    return energy_in_ev(energy) / length_in_angstrom(found[1] or found[2]) ** 3, False


def _split_mol(text: str) -> tuple[str, str, str]:
    """Split kcal/mol/Ang^3 behind mol."""
    head, _, length = text.partition("mol/")
    return f"{head}mol", "/", length


def key_of(frame: Atoms, labels: "Labels") -> str | None:
    """Return under which name a frame has a stress or virial, or None."""
    if not labels.stress:
        return None
    keys = KEYS if labels.stress_key is None else (labels.stress_key,)
    return next((key for key in keys if label_of(frame, key) is not None), None)


def kind_of(key: str, labels: "Labels") -> tuple[bool, str]:
    """Return whether a name is that of a virial, and the sign of its numbers."""
    unit = labels.stress_unit
    virial = "virial" in key.lower() if unit is None else stress_factor(unit)[1]
    return virial, labels.stress_sign or ("pressure" if virial else "tension")


def stress_of(
    frame: Atoms, labels: "Labels", default_unit: str, scale: float
) -> tuple[np.ndarray | None, str]:
    """Return the stress of a frame in eV/Å^3, tension positive, or what is wrong with it.

    Args:
        frame: the frame as it was read.
        labels: name, unit and sign.
        default_unit: unit of energies, and with the unit of distances of stresses.
        scale: unit of distances in Å.

    Returns:
        Stress, shape (1, 3, 3), or None without one; the fault.
    """
    key = key_of(frame, labels)
    if key is None:
        return None, ""
    try:
        value = np.asarray(label_of(frame, key), dtype=float)
        full = voigt_6_to_full_3x3_stress(value) if value.size == 6 else value.reshape(3, 3)
    except (TypeError, ValueError):
        return None, f"a {key} of a wrong shape"
    if not np.isfinite(full).all():
        return None, f"a {key} that is not finite"
    virial, sign = kind_of(key, labels)
    if labels.stress_unit is None:
        size = energy_in_ev(default_unit) / (1.0 if virial else scale**3)
    else:
        size, _ = stress_factor(labels.stress_unit)
    if virial:
        volume = abs(float(np.linalg.det(frame.cell.array))) * scale**3
        if not volume:  # an isolated molecule or atom has none
            return None, ""
        size /= volume
    return (size if sign == "tension" else -size) * full[None], ""
