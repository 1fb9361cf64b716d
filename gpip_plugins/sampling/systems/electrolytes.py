"""Compositions of electrolytes: a salt in a solvent or a mixture of solvents.

The GPIP paper (arXiv:2309.15718) has Li or Na, PF6 or TFSI, in 1,2-dimethoxyethane (DME) or in
ethylene carbonate with dimethyl carbonate (EC:DMC, 1:1). All other ions and solvents are those that
the force field has constants for.
"""

import difflib
import math
from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from gpip_plugins.errors import InputError, check_choice, check_number

__all__ = [
    "ANIONS",
    "CATIONS",
    "SOLVENTS",
    "electrolyte",
    "estimated_molarity",
    "is_of_the_paper",
    "parts_of",
]

CATIONS: Final = {"Li": 1, "Na": 1, "K": 1, "Rb": 1, "Cs": 1, "Mg": 2, "Ca": 2, "Zn": 2}
"""Charge of every cation in e; the anions have -1 e."""

# Molar volumes in L/mol. Anions: apparent volumes; the small cations are neglected.
ANIONS: Final = {
    "PF6": 0.060, "BF4": 0.045, "TFSI": 0.145, "FSI": 0.100, "OTf": 0.080,
    "F": 0.0, "Cl": 0.018, "Br": 0.025, "I": 0.036,
}  # fmt: skip
# Solvents: molar mass over the density of the liquid at 25 °C (EC: supercooled, 1.32 g/cm3).
SOLVENTS: Final = {
    "water": 0.0181, "EC": 0.0667, "PC": 0.0851, "DMC": 0.0850, "EMC": 0.1035, "DEC": 0.1219,
    "DME": 0.1048, "diglyme": 0.1432, "triglyme": 0.1819, "tetraglyme": 0.2203, "DOL": 0.0699,
    "THF": 0.0817, "GBL": 0.0765, "AN": 0.0529, "MA": 0.0799, "EA": 0.0984,
}  # fmt: skip
ATOMS_OF: Final = {
    "water": 3, "EC": 10, "PC": 13, "DMC": 12, "EMC": 15, "DEC": 18, "DME": 16, "diglyme": 23,
    "triglyme": 30, "tetraglyme": 37, "DOL": 11, "THF": 13, "GBL": 12, "AN": 6, "MA": 11, "EA": 14,
    "PF6": 7, "BF4": 5, "TFSI": 15, "FSI": 9, "OTf": 8, "F": 1, "Cl": 1, "Br": 1, "I": 1,
} | dict.fromkeys(CATIONS, 1)  # fmt: skip

# The paper's compositions by their nominal concentration: (ion pairs, solvent molecules).
PAPER_CELLS: Final[dict[str, dict[float, tuple[int, int]]]] = {
    "small": {1.0: (3, 24), 4.0: (6, 9)},
    "large": {1.0: (24, 192), 4.0: (48, 72)},
}
OF_THE_PAPER: Final = (("Li", "Na"), ("PF6", "TFSI"), ("DME", "EC:DMC"))
N_ATOMS: Final = {"small": 250, "large": 2500}  # target for compositions that are not the paper's
SIZE_RANGE: Final = 0.2  # relative; a free size lets whole molecules come closer to a molarity
# Usual ones for which the force field has no types or constants.
WITHOUT_CONSTANTS: Final = ("FEC", "VC", "ClO4", "BOB", "DFOB", "AsF6", "NO3", "DMSO", "sulfolane")


def electrolyte(
    cation: str, anion: str, solvent: str, concentration: float, box: str = "small"
) -> dict[str, int]:
    """Return the number of each molecule in an electrolyte cell.

    For the paper's ions and solvents the concentrations 1 and 4 denote its compositions: 8 and 1.5
    solvent molecules per ion pair (so their molarity is not exactly 1 and 4 mol/L). Any other
    concentration c is a molarity in mol/L: with V the molar volumes in L/mol, z the charge of the
    cation,

        n_solvent / n_cations = (1/c - z V_anion) / V_solvent

    in whole molecules: among all cells within 20 % of the target size, the one whose
    `estimated_molarity` is closest to c. The molarity after NPT, at the density of the force field,
    is `Box.molarity`.

    Args:
        cation: a key of `CATIONS`.
        anion: a key of `ANIONS`.
        solvent: a key of `SOLVENTS`, or several joined by colons in equal parts; a repeated one
            counts twice (`EC:EMC:EMC` is 1:2).
        concentration: of the cation in mol/L; 1 and 4 denote the paper's compositions if there is
            one.
        box: `small`, about 250 atoms, or `large`, about 2500.

    Raises:
        InputError: for a name that is not listed, or a concentration with no room for solvent.

    Example:
        >>> electrolyte("Li", "PF6", "EC:DMC", 1)
        {'Li': 3, 'PF6': 3, 'EC': 12, 'DMC': 12}
        >>> electrolyte("Na", "TFSI", "DME", 4, box="large")
        {'Na': 48, 'TFSI': 48, 'DME': 72}
        >>> electrolyte("Ca", "Cl", "water", 1)
        {'Ca': 2, 'Cl': 4, 'water': 107}
    """
    _check_known("cation", cation, CATIONS)
    _check_known("anion", anion, ANIONS)
    parts = parts_of(solvent)
    check_choice("box", box, PAPER_CELLS)
    concentration = check_number("concentration", concentration, above=0, unit="mol/L", example=1)
    if is_of_the_paper(cation, anion, solvent, concentration):
        pairs, solvents = PAPER_CELLS[box][concentration]
        return {cation: pairs, anion: pairs} | _shared_out(parts, solvents)
    return _from_molarity(cation, anion, parts, concentration, N_ATOMS[box])


def parts_of(solvent: str) -> dict[str, int]:
    """Return the parts of every molecule in a solvent.

    Args:
        solvent: as for `electrolyte`.

    Raises:
        InputError: for a solvent without a name here.

    Example:
        >>> parts_of("EC:EMC:EMC")
        {'EC': 1, 'EMC': 2}
    """
    names = str(solvent).split(":")
    for name in names:
        _check_known("solvent", name, SOLVENTS, " (mixtures as EC:EMC)")
    return dict(Counter(names))


def is_of_the_paper(cation: str, anion: str, solvent: str, concentration: float) -> bool:
    """Return whether a concentration denotes one of the paper's compositions.

    Args:
        cation: as for `electrolyte`.
        anion: as for `electrolyte`.
        solvent: as for `electrolyte`.
        concentration: as for `electrolyte`.

    Example:
        >>> [is_of_the_paper("Li", "PF6", "EC:DMC", c) for c in (4, 2)]
        [True, False]
        >>> is_of_the_paper("Li", "PF6", "EC:EMC", 4)
        False
    """
    known = zip((cation, anion, solvent), OF_THE_PAPER, strict=True)
    return concentration in PAPER_CELLS["small"] and all(name in names for name, names in known)


def _check_known(parameter: str, name: Any, choices: Mapping[str, Any], how: str = "") -> None:
    """Raise `InputError` for a name without constants in the force field."""
    if name in choices:
        return
    close = difflib.get_close_matches(str(name), choices, 1)
    why = f"is unknown (did you mean {close[0]}?)" if close else "is unknown"
    if name in WITHOUT_CONSTANTS:
        why = "has no constants in the force field"
    raise InputError(f"{parameter}={name!r} {why}; choose from {', '.join(choices)}{how}.")


def estimated_molarity(counts: Mapping[str, int]) -> float:
    """Return the concentration of the cation in mol/L, assuming additive molar volumes.

    Args:
        counts: number of each molecule, as returned by `electrolyte`.

    Example:
        >>> round(estimated_molarity({"Li": 3, "PF6": 3, "EC": 12, "DMC": 12}), 2)
        1.5
    """
    litres = sum(MOLAR_VOLUMES.get(name, 0.0) * count for name, count in counts.items())
    return sum(counts.get(name, 0) for name in CATIONS) / litres


MOLAR_VOLUMES: Final = ANIONS | SOLVENTS


def _from_molarity(cation, anion, parts, concentration, n_atoms) -> dict[str, int]:
    """Return the composition of a cell of about n_atoms that is closest to a molarity."""
    weight = sum(parts.values())
    volume = sum(SOLVENTS[name] * part for name, part in parts.items()) / weight
    n_anions = CATIONS[cation]
    ratio = (1.0 / concentration - n_anions * ANIONS[anion]) / volume
    if ratio < 0.5:
        raise InputError(
            f"concentration={concentration:g} mol/L leaves less than one solvent molecule for two "
            f"pairs of {cation} and {anion}; choose at most concentration="
            f"{1.0 / (0.5 * volume + n_anions * ANIONS[anion]):.1f}."
        )
    atoms_of_solvent = sum(ATOMS_OF[name] * part for name, part in parts.items()) / weight
    atoms_per_pair = ATOMS_OF[cation] + n_anions * ATOMS_OF[anion] + ratio * atoms_of_solvent
    if round(n_atoms / atoms_per_pair) < 1:
        raise InputError(
            f"concentration={concentration:g} mol/L is less than one ion pair in a cell of "
            f"{n_atoms} atoms; choose box=large or a higher concentration."
        )
    smallest = max(1, math.ceil((1 - SIZE_RANGE) * n_atoms / atoms_per_pair))
    largest = max(smallest, math.floor((1 + SIZE_RANGE) * n_atoms / atoms_per_pair))
    cells = [
        {cation: pairs, anion: n_anions * pairs} | _shared_out(parts, round(pairs * ratio) + more)
        for pairs in range(smallest, largest + 1)
        for more in (-1, 0, 1)
        if round(pairs * ratio) + more > 0
    ]

    def misfit(counts: Mapping[str, int]) -> tuple[float, float]:
        deviation = abs(estimated_molarity(counts) / concentration - 1.0)
        # Cells that are equally good to 0.1 % differ in their size.
        return round(deviation, 3), abs(sum(ATOMS_OF[k] * n for k, n in counts.items()) - n_atoms)

    return min(cells, key=misfit)


def _shared_out(parts: Mapping[str, int], total: int) -> dict[str, int]:
    """Divide molecules in proportion to the parts; the first parts get the remainder."""
    weight = sum(parts.values())
    counts = {name: total * part // weight for name, part in parts.items()}
    for name in list(parts)[: total - sum(counts.values())]:
        counts[name] += 1
    return counts
