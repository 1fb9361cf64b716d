"""Force fields by name: what turns a system into an `openmm.System`."""

from typing import Protocol

import openmm

from gpip_plugins.errors import InputError
from gpip_plugins.sampling.forcefield.mmff94 import MMFF94
from gpip_plugins.sampling.system import MolecularSystem

__all__ = ["FORCE_FIELDS", "MMFF94", "ForceField", "force_field"]


class ForceField(Protocol):
    """What the sampler needs to know of a force field."""

    @property
    def name(self) -> str:
        """Name under which it is asked for and stored with the frames."""
        ...

    def create(self, system: MolecularSystem) -> openmm.System:
        """Return masses and forces, no constraints; `InputError` if the system is not covered."""
        ...


FORCE_FIELDS: dict[str, ForceField] = {
    "mmff94": MMFF94(),
    "mmff94s": MMFF94(variant="MMFF94s"),
}


def force_field(name: str) -> ForceField:
    """Return a force field by name.

    Args:
        name: a key of `FORCE_FIELDS`; add an entry there to bring a force field of your own.

    Raises:
        InputError: when there is none of that name.

    Example:
        >>> force_field("mmff94").name
        'mmff94'
    """
    if name not in FORCE_FIELDS:
        raise InputError(
            f"force_field={name!r} is unknown; choose from {', '.join(sorted(FORCE_FIELDS))}."
        )
    return FORCE_FIELDS[name]
