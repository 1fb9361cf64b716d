"""Names under which containers of arrays (`.npz`, HDF5) hold structures and labels.

| role | names |
|---|---|
| positions | coords, R (MD17), coordinates (ANI), conformations (SPICE), atXYZ (QM7-X), ... |
| atomic numbers or symbols | nuclear_charges, z, atomic_numbers, species, atNUM, ... |
| energy | energies, energy, E, dft_total_energy, ePBE0+MBD, or the only name that ends in .energy |
| forces | forces, F, totFOR, or the only name in .forces; gradients count with the opposite sign |
| cell | cell, box, lattice |

Names that the user asks for come first. Several energies, as in ANI-1x, are not chosen from: the
user names one.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from gpip_plugins.errors import InputError
from gpip_plugins.units import energy_in_ev, forces_in_ev_per_angstrom, length_in_angstrom

__all__ = ["Layout", "layout_of", "size_of_unit"]

POSITIONS = (
    "coords",
    "coord",
    "coordinates",
    "positions",
    "pos",
    "R",
    "xyz",
    "conformations",
    "geometries",
    "atXYZ",
    "cart_coords",
)
NUMBERS = (
    *("nuclear_charges", "atomic_numbers", "numbers", "species", "z", "Z", "atNUM"),
    *("atomic_nums", "elements", "symbols"),
)
ENERGY = ("energies", "energy", "E", "total_energy", "dft_total_energy", "ePBE0+MBD")
FORCES = ("forces", "force", "F", "totFOR")
GRADIENTS = ("gradients", "gradient", "grad", "dft_total_gradient")
CELL = ("cell", "cells", "box", "lattice")

#: Spellings of units in attributes, in small letters.
SPELLINGS = {
    "hartree": "Hartree",
    "ha": "Hartree",
    "eh": "Hartree",
    "ev": "eV",
    "kcal/mol": "kcal/mol",
    "kj/mol": "kJ/mol",
    "rydberg": "Rydberg",
    "ry": "Rydberg",
    "bohr": "Bohr",
    "a0": "Bohr",
    "ang": "Ang",
    "angstrom": "Ang",
    "angstroms": "Ang",
    "å": "Ang",
    "nm": "nm",
    "nanometer": "nm",
}


@dataclass(frozen=True)
class Layout:
    """Names of the arrays of a molecule; None for what is not there."""

    positions: str
    numbers: str
    energy: str | None = None
    forces: str | None = None
    cell: str | None = None

    @property
    def roles(self) -> dict[str, str]:
        """Names of arrays by role, without what is not there."""
        return {role: name for role, name in vars(self).items() if name is not None}


def layout_of(names: Collection[str], keys: Sequence[str] = ()) -> Layout | None:
    """Return which array holds what.

    Args:
        names: names of the arrays.
        keys: names that the user gave for energy and forces.

    Returns:
        None unless there are positions and atomic numbers.

    Raises:
        InputError: if two arrays could be the positions or the atomic numbers.

    Example:
        >>> layout_of(["R", "z", "E", "F", "name"])
        Layout(positions='R', numbers='z', energy='E', forces='F', cell=None)
        >>> layout_of(["coordinates", "species", "hf.energy", "mp2.energy"]).energy is None
        True
    """
    positions, numbers = _only(names, POSITIONS), _only(names, NUMBERS)
    if positions is None or numbers is None:
        return None
    energy_key, forces_key = (key if key in names else None for key in (*keys, "", "")[:2])
    return Layout(
        positions,
        numbers,
        energy_key or _label(names, ENERGY, (".energy",)),
        forces_key or _label(names, FORCES, (".forces", ".force")) or _label(names, GRADIENTS, ()),
        _only(names, CELL),
    )


def is_gradient(name: str) -> bool:
    """Return whether an array is the derivative of the energy, minus the forces.

    Example:
        >>> is_gradient("dft_total_gradient"), is_gradient("forces")
        (True, False)
    """
    return "grad" in name.lower()


def size_of_unit(unit: str, role: str, where: str) -> float:
    """Return a unit that a file states in eV, Å or eV/Å.

    Args:
        unit: in one of the usual spellings.
        role: positions or cell, energy or forces.
        where: name of the array, for the message.

    Raises:
        InputError: for a unit that is not known or of another kind.

    Example:
        >>> size_of_unit("nanometer", "positions", "R")
        10.0
    """
    words = str(unit).strip().lower().replace(" ", "")
    energy, _, length = words.rpartition("/")
    known = (
        SPELLINGS.get(words) or f"{SPELLINGS.get(energy, energy)}/{SPELLINGS.get(length, length)}"
    )
    sizes = {"energy": energy_in_ev, "forces": forces_in_ev_per_angstrom}
    try:
        return sizes.get(role, length_in_angstrom)(known)
    except InputError:
        raise InputError(
            f"{where} states the unit {unit!r}, which is not known for {role}; convert the file to "
            "eV and Ang."
        ) from None


def _only(names: Collection[str], known: Sequence[str]) -> str | None:
    """Return the only known name."""
    found = [name for name in known if name in names]
    if len(found) > 1:
        raise InputError(
            f"the arrays {' and '.join(found)} could both be the {known[0]}; remove or rename one."
        )
    return found[0] if found else None


def _label(names: Collection[str], known: Sequence[str], endings: tuple[str, ...]) -> str | None:
    """Return the name of a label if there is no choice."""
    found = [name for name in known if name in names]
    if not found and endings:
        found = [name for name in names if name.endswith(endings)]
    return found[0] if len(found) == 1 else None


def described(arrays: Mapping[str, object], limit: int = 12) -> str:
    """Return names and shapes of arrays for a message.

    Example:
        >>> import numpy as np
        >>> described({"a": np.zeros((2, 3)), "b": np.zeros(2)})
        'a (2, 3), b (2,)'
    """
    shown = [f"{name} {tuple(getattr(a, 'shape', ()))}" for name, a in arrays.items()]
    more = f" and {len(shown) - limit} more" if len(shown) > limit else ""
    return (", ".join(shown[:limit]) or "nothing") + more
