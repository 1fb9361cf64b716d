"""Scalar properties of molecules (HOMO, LUMO, gap) that `gpip import --property` brings in."""

from collections.abc import Mapping, Sequence

import numpy as np
from schnetpack.units import convert_units

from gpip_plugins.errors import InputError

__all__ = ["check_scalars", "scalar_units"]

RESERVED = ("energy", "forces", "stress")
#: what the energies of the highest occupied orbital of stable molecules are, eV
HOMO_RANGE = (-30.0, -1.0)


def scalar_units(wanted: Sequence[str]) -> dict[str, str]:
    """Return the units of scalar properties.

    Args:
        wanted: `NAME:UNIT` each, as after `--property`; a unit that SchNetPack knows, with `1` for
            none.

    Raises:
        InputError: the unit is missing or unknown, or a name is taken or comes twice.

    Example:
        >>> scalar_units(["homo:eV", "mu:Debye"])
        {'homo': 'eV', 'mu': 'Debye'}
    """
    units: dict[str, str] = {}
    for item in wanted:
        name, _, unit = item.partition(":")
        if not name or not unit:
            raise InputError(
                f"--property {item} names no unit; write NAME:UNIT, for example "
                f"--property {name or 'homo'}:eV."
            )
        if name in RESERVED:
            raise InputError(
                f"--property {item} is not how to import {name}; leave it out and name "
                "--energy-unit."
            )
        if name in units:
            raise InputError(f"--property {name} is named twice; name each property once.")
        try:
            convert_units(unit, unit)
        except Exception:  # whatever ASE's parser of units raises
            raise InputError(
                f"--property {item}: {unit} is no unit that SchNetPack knows; use for example eV, "
                "Hartree, kcal/mol, Debye or 1."
            ) from None
        units[name] = unit
    return units


def check_scalars(values: Mapping[str, np.ndarray], units: Mapping[str, str]) -> None:
    """Check whether orbital energies look as if they were in the units that were named.

    HOMO energies lie between -30 and -1 eV (hydrogen fluoride: -16 eV); taken for eV, those in
    Hartree look like -0.2 eV. The gap is the difference between LUMO and HOMO.

    Args:
        values: `homo`, `lumo` and `gap`, as far as they were imported, shape (n_frames,) each.
        units: of every property.

    Raises:
        InputError: naming the unit that looks wrong.
    """
    size = {name: float(convert_units(units[name], "eV")) for name in values}
    in_ev = {name: np.asarray(value) * size[name] for name, value in values.items()}
    if "homo" in in_ev:
        middle = float(np.median(in_ev["homo"]))
        if not HOMO_RANGE[0] <= middle <= HOMO_RANGE[1]:
            raise InputError(
                f"--property homo:{units['homo']} looks wrong: half of the HOMO energies lie above "
                f"{middle:.3g} eV; name the right unit or add --accept-implausible."
            )
    if {"homo", "lumo", "gap"} <= in_ev.keys():
        difference = np.abs(in_ev["lumo"] - in_ev["homo"] - in_ev["gap"])
        if np.median(difference) > 0.05 * np.median(np.abs(in_ev["gap"])):
            raise InputError(
                "--property gap is not the difference of lumo and homo (half of the frames are off "
                f"by more than {np.median(difference):.3g} eV); name the right units or add "
                "--accept-implausible."
            )
