"""Scalar properties of molecules, such as the energies of HOMO and LUMO: units and plausibility."""

from collections.abc import Mapping, Sequence

import numpy as np

from gpip_plugins.errors import InputError
from gpip_plugins.units import size_of

__all__ = ["check_scalar_units", "check_scalars", "parse_scalars"]

RESERVED = ("energy", "forces", "stress")
ORBITALS = ("homo", "lumo", "gap")
#: Energies of the highest occupied orbital of stable molecules, eV.
HOMO_RANGE = (-30.0, -1.0)


def check_scalar_units(scalars: Mapping[str, str]) -> None:
    """Check names and units of scalar properties.

    Args:
        scalars: unit of each property, known to SchNetPack; `1` for dimensionless properties.

    Raises:
        InputError: if a unit is missing or unknown, or a name belongs to another label.

    Example:
        >>> check_scalar_units({"homo": "eV", "mu": "Debye"})
    """
    for name, unit in scalars.items():
        if name in RESERVED:
            raise InputError(
                f"scalars={name}:{unit} does not import {name}; leave it out and name energy_unit."
            )
        try:
            size_of(unit)
        except ValueError:
            raise InputError(
                f"scalars={name}:{unit}: {unit} is not a unit of SchNetPack; use for example "
                "eV, Hartree, kcal/mol, Debye or 1."
            ) from None


def parse_scalars(words: Sequence[str]) -> dict[str, str]:
    """Return names and units of scalar properties.

    Args:
        words: `NAME:UNIT` each.

    Raises:
        InputError: if a unit is missing or a name comes twice.

    Example:
        >>> parse_scalars(["homo:eV", "mu:Debye"])
        {'homo': 'eV', 'mu': 'Debye'}
    """
    units: dict[str, str] = {}
    for word in words:
        name, _, unit = word.partition(":")
        if not name or not unit:
            raise InputError(
                f"scalars={word} has no unit; write NAME:UNIT, for example "
                f"scalars={name or 'homo'}:eV."
            )
        if name in units:
            raise InputError(f"scalars={word}: {name} is named twice; name each property once.")
        units[name] = unit
    return units


def check_scalars(values: Mapping[str, np.ndarray], units: Mapping[str, str]) -> None:
    """Check whether orbital energies can be in the given units.

    HOMO energies lie between -30 and -1 eV (hydrogen fluoride: -16 eV); taken for eV, those in
    Hartree look like -0.2 eV. The gap is the difference between LUMO and HOMO.

    Args:
        values: values of each property, shape (n_frames,); `homo`, `lumo` and `gap` are checked.
        units: unit of every property.

    Raises:
        InputError: naming the unit that looks wrong.
    """
    in_ev = {
        name: np.asarray(values[name]) * (size_of(units[name]) / size_of("eV"))
        for name in ORBITALS
        if name in values
    }
    if "homo" in in_ev:
        middle = float(np.median(in_ev["homo"]))
        if not HOMO_RANGE[0] <= middle <= HOMO_RANGE[1]:
            raise InputError(
                f"scalars=homo:{units['homo']} looks wrong: half of the HOMO energies lie above "
                f"{middle:.3g} eV; name the right unit or give accept_implausible=True."
            )
    if {"homo", "lumo", "gap"} <= in_ev.keys():
        difference = np.abs(in_ev["lumo"] - in_ev["homo"] - in_ev["gap"])
        if np.median(difference) > 0.05 * np.median(np.abs(in_ev["gap"])):
            raise InputError(
                "the gap is not the difference of lumo and homo (half of the frames are off "
                f"by more than {np.median(difference):.3g} eV); name the right units or give "
                "accept_implausible=True."
            )
