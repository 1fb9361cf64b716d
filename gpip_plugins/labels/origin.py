"""Origin of a configuration, stored under the same names in all files."""

from typing import Any

from ase import Atoms

__all__ = ["ORIGIN", "origin_of"]

#: Name of the file, row in it counted from 0, and if known the name of the system, the temperature
#: of the thermostat in K, total charge in e and spin multiplicity; in `Atoms.info`, and as
#: key-value pairs of a database.
ORIGIN = {
    "source": str,
    "source_row": int,
    "system": str,
    "temperature": float,
    "total_charge": int,
    "spin_multiplicity": int,
}


def origin_of(atoms: Atoms) -> dict[str, Any]:
    """Return the origin of a configuration; empty unless both file and row are known.

    Args:
        atoms: structure with an `info`.

    Example:
        >>> origin_of(Atoms("H", info={"source": "a.db", "source_row": 3.0, "color": "red"}))
        {'source': 'a.db', 'source_row': 3}
        >>> origin_of(Atoms("H", info={"source": "a book"}))
        {}
    """
    if "source" not in atoms.info or "source_row" not in atoms.info:
        return {}
    return {key: kind(atoms.info[key]) for key, kind in ORIGIN.items() if key in atoms.info}
