"""Force fields by name; they turn a molecule or box into an `openmm.System`.

The generators of openff-toolkit, foyer and openmmforcefields do not work when they are installed
from PyPI, so atom typing and assembly are implemented in this package.
"""

import difflib
import re
from dataclasses import replace
from typing import Protocol

import openmm

from gpip_plugins.errors import InputError
from gpip_plugins.sampling.forcefield.coverage import ComponentCoverage, Coverage, summary
from gpip_plugins.sampling.forcefield.mmff94 import MMFF94
from gpip_plugins.sampling.forcefield.tables import OPLS, TIP3P
from gpip_plugins.sampling.forcefield.uff import UFF
from gpip_plugins.sampling.systems.box import Box
from gpip_plugins.sampling.systems.molecule import MolecularSystem

__all__ = [
    "FORCE_FIELDS",
    "MMFF94",
    "OPLS",
    "TIP3P",
    "UFF",
    "ComponentCoverage",
    "Coverage",
    "ForceField",
    "choose",
    "force_field",
    "summary",
]


class ForceField(Protocol):
    """Interface of a force field, as the sampling needs it."""

    @property
    def name(self) -> str:
        """Name of the force field in settings and in the database."""
        ...

    def coverage(self, system: MolecularSystem | Box) -> Coverage:
        """Return the coverage of a system, without raising."""
        ...

    def create(self, system: MolecularSystem | Box, cutoff: float | None = None) -> openmm.System:
        """Return masses and forces, no constraints; `InputError` if the system is not covered."""
        ...


FORCE_FIELDS: dict[str, ForceField] = {
    "opls": OPLS(),
    "tip3p": TIP3P(),
    "mmff94": MMFF94(),
    "mmff94s": MMFF94(variant="MMFF94s"),
    "uff": UFF(),
}


def force_field(name: str, parameter: str = "force_field") -> ForceField:
    """Return a force field by name.

    Args:
        name: a key of `FORCE_FIELDS`, to which you can add force fields; or `opls_q` and a number,
            which is OPLS-AA with the charges of ions scaled by that number.
        parameter: name of the parameter, for messages.

    Raises:
        InputError: when no force field has this name.

    Example:
        >>> force_field("mmff94").name
        'mmff94'
        >>> force_field("opls_q0.8")
        OPLS(charge_scale=0.8)
    """
    if scaled := re.fullmatch(r"opls_q(\d+(\.\d+)?)", str(name)):
        return OPLS(charge_scale=float(scaled[1]))
    if name not in FORCE_FIELDS:
        close = difflib.get_close_matches(str(name), FORCE_FIELDS, 1)
        meant = f" (did you mean {close[0]}?)" if close else ""
        raise InputError(
            f"{parameter}={name!r} is unknown{meant}; choose from "
            f"{', '.join(sorted(FORCE_FIELDS))}, or opls_q0.8 for ionic charges scaled by 0.8."
        )
    return FORCE_FIELDS[name]


def choose(
    system: MolecularSystem | Box, name: str, fallback: str | None = None
) -> tuple[ForceField, Coverage]:
    """Return the force field for a system: the requested one, or else the fall-back.

    Args:
        system: the molecule or box.
        name: name of the force field, see `force_field`.
        fallback: name of the force field for systems with atoms or terms that the first one lacks;
            None refuses such systems.

    Returns:
        The force field and its coverage, to be stored with the data; `Coverage.instead_of` holds
        the reason if the fall-back was taken, and the notes hold what the input left open.

    Raises:
        InputError: when neither covers the system; the message names atoms, charges and terms.

    Example:
        >>> peroxide = MolecularSystem.from_smiles("COOC", name="peroxide")
        >>> field, coverage = choose(peroxide, "opls", fallback="mmff94")
        >>> coverage.sentence()
        'mmff94: taken instead of opls, which lacks peroxide: no type for atoms 0, 1, 2, 3'
    """
    asked = force_field(name)
    coverage = asked.coverage(system)
    if coverage.complete:
        return asked, _with_assumptions(coverage, system)
    if fallback in (None, name):
        remedy = "" if name == "mmff94" else ", or give a fall-back such as fallback=mmff94"
        raise InputError(
            f"force_field={name!r} does not cover {coverage.problems()}; choose another force "
            f"field{remedy}."
        )
    second = force_field(fallback)
    found = second.coverage(system)
    if not found.complete:
        raise InputError(
            f"force_field={name!r} does not cover {coverage.problems()}, nor does "
            f"fallback={fallback!r} cover {found.problems()}; leave this system out."
        )
    return second, replace(_with_assumptions(found, system), instead_of=coverage)


def _with_assumptions(coverage: Coverage, system: MolecularSystem | Box) -> Coverage:
    """Return the coverage with what the input left open, see `MolecularSystem.assumed`."""
    components = tuple(
        replace(entry, note="; ".join(filter(None, (entry.note, molecule.assumed))))
        for entry, (molecule, _) in zip(coverage.components, system.components, strict=True)
    )
    note = "" if system.cell is None else system.assumed
    note = "; ".join(filter(None, (coverage.note, note)))
    return replace(coverage, components=components, note=note)
