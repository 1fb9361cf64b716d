"""Units of energies, lengths and forces, written as SchNetPack writes them.

Everything that gpip_plugins stores or prints is in eV, Å (`Ang`) and eV/Å, the units of ASE; these
functions say how large another unit is, and refuse what is not a unit of that kind.

Example:
    >>> round(energy_in_ev("kcal/mol"), 6)
    0.043364
    >>> round(forces_in_ev_per_angstrom("Hartree/Bohr"), 3)
    51.422
"""

from schnetpack.units import convert_units

from gpip_plugins.errors import InputError

__all__ = ["energy_in_ev", "forces_in_ev_per_angstrom", "length_in_angstrom"]

ENERGIES = ("eV", "kcal/mol", "kJ/mol", "Hartree", "Ha", "Rydberg", "Ry")
LENGTHS = ("Ang", "Angstrom", "Bohr", "nm")


def energy_in_ev(unit: str, key: str = "energy unit") -> float:
    """Return how many eV one `unit` is.

    Args:
        unit: one of eV, kcal/mol, kJ/mol, Hartree (Ha), Rydberg (Ry).
        key: what the user calls this setting, for the message.

    Raises:
        InputError: if `unit` is none of these.
    """
    unit = str(unit).replace(" ", "")
    if unit not in ENERGIES:
        raise InputError(f"{key}={unit} is not an energy unit; use one of {', '.join(ENERGIES)}.")
    return float(convert_units(unit, "eV"))


def length_in_angstrom(unit: str, key: str = "distance unit") -> float:
    """Return how many Å one `unit` is.

    Args:
        unit: one of Ang (Angstrom), Bohr, nm; `A` means ampere to SchNetPack and is refused.
        key: what the user calls this setting, for the message.

    Raises:
        InputError: if `unit` is none of these.

    Example:
        >>> length_in_angstrom("nm")
        10.0
    """
    unit = str(unit).replace(" ", "")
    if unit not in LENGTHS:
        raise InputError(f"{key}={unit} is not a length unit; use one of {', '.join(LENGTHS)}.")
    return float(convert_units(unit, "Ang"))


def forces_in_ev_per_angstrom(unit: str, key: str = "forces unit") -> float:
    """Return how many eV/Å one `unit` is.

    Args:
        unit: an energy unit, a slash and a length unit, for example kcal/mol/Ang.
        key: what the user calls this setting, for the message.

    Raises:
        InputError: if `unit` is not of this form.
    """
    energy, slash, length = str(unit).replace(" ", "").rpartition("/")
    if not slash or energy not in ENERGIES or length not in LENGTHS:
        raise InputError(
            f"{key}={unit} is not a unit of forces; write energy/length, for example eV/Ang, "
            "kcal/mol/Ang or Hartree/Bohr."
        )
    return energy_in_ev(energy) / length_in_angstrom(length)
