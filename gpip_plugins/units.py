"""Units of energies, lengths and forces, written as SchNetPack writes them.

Everything that gpip_plugins stores or prints is in eV, Å (`Ang`) and eV/Å, the units of ASE; these
functions return the size of another unit, and refuse other kinds of units.

Example:
    >>> round(energy_in_ev("kcal/mol"), 6)
    0.043364
    >>> round(forces_in_ev_per_angstrom("Hartree/Bohr"), 3)
    51.422
"""

import re
from typing import Final

from ase import units

from gpip_plugins.errors import InputError

__all__ = [
    "ANGSTROM",
    "KCAL",
    "KJ_MOL",
    "NM",
    "density",
    "energy_in_ev",
    "forces_in_ev_per_angstrom",
    "length_in_angstrom",
    "size_of",
]

NM: Final = units.nm
"""One nanometre in Å, OpenMM's unit of length."""
ANGSTROM: Final = 1.0 / NM
"""One Å in nm."""
KCAL: Final = 4.184
"""One kcal in kJ."""
KJ_MOL: Final = units.kJ / units.mol
"""One kJ/mol in eV, OpenMM's unit of energy, in the constants that SchNetPack uses."""

ENERGIES = ("eV", "kcal/mol", "kJ/mol", "Hartree", "Ha", "Rydberg", "Ry")
LENGTHS = ("Ang", "Angstrom", "Bohr", "nm")


def density(mass: float, volume: float) -> float:
    """Return a mass density in g/cm^3.

    Args:
        mass: mass in u.
        volume: volume in Å^3.

    Example:
        >>> round(density(64 * 18.015, 12.445**3), 3)  # water
        0.993
    """
    return float(mass / units.mol / (volume * 1e-24))


def energy_in_ev(unit: str, name: str = "energy_unit") -> float:
    """Return one `unit` in eV.

    Args:
        unit: one of eV, kcal/mol, kJ/mol, Hartree (Ha), Rydberg (Ry).
        name: name of the parameter that holds the unit.

    Raises:
        InputError: if `unit` is none of these.
    """
    unit = str(unit).replace(" ", "")
    if unit not in ENERGIES:
        raise InputError(f"{name}={unit} is not an energy unit; use one of {', '.join(ENERGIES)}.")
    return _converted(unit, "eV")


def length_in_angstrom(unit: str, name: str = "distance_unit") -> float:
    """Return one `unit` in Å.

    Args:
        unit: one of Ang (Angstrom), Bohr, nm; `A` means ampere to SchNetPack and is refused.
        name: name of the parameter that holds the unit.

    Raises:
        InputError: if `unit` is none of these.

    Example:
        >>> length_in_angstrom("nm")
        10.0
    """
    unit = str(unit).replace(" ", "")
    if unit not in LENGTHS:
        raise InputError(f"{name}={unit} is not a length unit; use one of {', '.join(LENGTHS)}.")
    return _converted(unit, "Ang")


def forces_in_ev_per_angstrom(unit: str, name: str = "forces_unit") -> float:
    """Return one `unit` in eV/Å.

    Args:
        unit: an energy unit, a slash and a length unit, for example kcal/mol/Ang.
        name: name of the parameter that holds the unit.

    Raises:
        InputError: if `unit` is not of this form.
    """
    energy, slash, length = str(unit).replace(" ", "").rpartition("/")
    if not slash or energy not in ENERGIES or length not in LENGTHS:
        raise InputError(
            f"{name}={unit} is not a unit of forces; write energy/length, for example eV/Ang, "
            "kcal/mol/Ang or Hartree/Bohr."
        )
    return energy_in_ev(energy) / length_in_angstrom(length)


def _converted(unit: str, into: str) -> float:
    return size_of(unit) / size_of(into)


def size_of(unit: str) -> float:
    """Return a unit as a number in ASE's units (eV, Å, u), as SchNetPack understands its name.

    Written here, because importing SchNetPack takes seconds.

    Args:
        unit: names of `ase.units` with `/` between them, or `*` or a blank for a product.

    Raises:
        ValueError: if a part is not such a unit; `A`, which is ampere there, is refused too.

    Example:
        >>> size_of("eV / Ang"), round(size_of("kcal/mol"), 6), size_of("1")
        (1.0, 0.043364, 1.0)
    """
    size, power = 1.0, 1
    for part in re.split(r"(\W)", unit):
        if part == "/":
            power = -1
        elif part.strip(" *"):
            known = None if part.startswith("_") or part == "A" else getattr(units, part, None)
            number = 1.0 if part == "1" else known
            if not isinstance(number, float | int):
                raise ValueError(f"{part} is not a unit")
            size, power = size * number**power, 1
    return float(size)
