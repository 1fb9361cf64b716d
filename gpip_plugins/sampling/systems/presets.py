"""Molecules with names, and the electrolytes made of them.

MD17: Chmiela, Tkatchenko, Sauceda, Poltavsky, Schütt, Müller, Science Advances 3, e1603015 (2017).
The electrolytes are those of the GPIP paper (arXiv:2309.15718): Li or Na, PF6 or TFSI, in
1,2-dimethoxyethane (DME) or ethylene carbonate with dimethyl carbonate (EC:DMC, 1:1).
"""

import math
from collections.abc import Mapping
from typing import Final

from gpip_plugins.errors import InputError, check_choice, check_number

__all__ = [
    "ANIONS",
    "CATIONS",
    "MOLECULES",
    "PRESETS",
    "SOLVENTS",
    "SPECIES",
    "electrolyte",
    "estimated_molarity",
    "is_of_the_paper",
]

MOLECULES: Final[dict[str, str]] = {
    "aspirin": "CC(=O)Oc1ccccc1C(=O)O",
    "benzene": "c1ccccc1",
    "ethanol": "CCO",
    "malonaldehyde": "O=CCC=O",
    "naphthalene": "c1ccc2ccccc2c1",
    "salicylic_acid": "O=C(O)c1ccccc1O",
    "toluene": "Cc1ccccc1",
    "uracil": "O=c1cc[nH]c(=O)[nH]1",
}
"""The eight molecules of MD17."""

SPECIES: Final[dict[str, str]] = {
    "water": "O",
    "EC": "O=C1OCCO1",
    "DMC": "COC(=O)OC",
    "DME": "COCCOC",
    "PF6": "F[P-](F)(F)(F)(F)F",
    "TFSI": "O=S(=O)([N-]S(=O)(=O)C(F)(F)F)C(F)(F)F",
    "Li": "[Li+]",
    "Na": "[Na+]",
}
"""Solvents and ions of the liquids."""

PRESETS: Final[dict[str, str]] = MOLECULES | SPECIES

CATIONS: Final = ("Li", "Na")
ANIONS: Final = ("PF6", "TFSI")
SOLVENTS: Final[dict[str, Mapping[str, int]]] = {
    "DME": {"DME": 1},
    "EC:DMC": {"EC": 1, "DMC": 1},
}
"""Parts of every molecule in a solvent."""

# The paper's compositions by their nominal concentration: (ion pairs, solvent molecules).
PAPER_CELLS: Final[dict[str, dict[float, tuple[int, int]]]] = {
    "small": {1.0: (3, 24), 4.0: (6, 9)},
    "large": {1.0: (24, 192), 4.0: (48, 72)},
}
N_ATOMS: Final = {"small": 250, "large": 2500}  # target for compositions that are not the paper's
SIZE_RANGE: Final = 0.2  # relative; a free size lets whole molecules come closer to a molarity
ATOMS_OF: Final = {"Li": 1, "Na": 1, "PF6": 7, "TFSI": 15, "EC": 10, "DMC": 12, "DME": 16}
# Molar volumes in L/mol. Solvents: densities of the liquids at 25 °C, 1.32 (EC, supercooled), 1.06
# (DMC) and 0.86 g/cm3 (DME). Anions: apparent volumes; the small cations are neglected.
MOLAR_VOLUME: Final = {
    "EC": 0.0667, "DMC": 0.0850, "DME": 0.1048, "PF6": 0.060, "TFSI": 0.145,
}  # fmt: skip


def electrolyte(
    cation: str, anion: str, solvent: str, concentration: float, box: str = "small"
) -> dict[str, int]:
    """Return the number of each molecule in an electrolyte cell.

    Concentrations 1 and 4 denote the paper's compositions: 8 and 1.5 solvent molecules per ion
    pair (so their molarity is not exactly 1 and 4 mol/L). Any other concentration c is a molarity
    in mol/L: with V the molar volumes in L/mol,

        n_solvent / n_pairs = (1/c - V_anion) / V_solvent

    in whole molecules: among all cells within 20 % of the target size, the one whose
    `estimated_molarity` is closest to c. The molarity after NPT, at the density of the force field,
    is `Box.molarity`.

    Args:
        cation: `Li` or `Na`.
        anion: `PF6` or `TFSI`.
        solvent: `DME` or `EC:DMC`.
        concentration: 1 or 4 (the paper's compositions), else mol/L.
        box: `small`, about 250 atoms, or `large`, about 2500.

    Raises:
        InputError: for a name that is not listed, or a concentration with no room for solvent.

    Example:
        >>> electrolyte("Li", "PF6", "EC:DMC", 1)
        {'Li': 3, 'PF6': 3, 'EC': 12, 'DMC': 12}
        >>> electrolyte("Na", "TFSI", "DME", 4, box="large")
        {'Na': 48, 'TFSI': 48, 'DME': 72}
    """
    check_choice("cation", cation, CATIONS)
    check_choice("anion", anion, ANIONS)
    check_choice("solvent", solvent, SOLVENTS)
    check_choice("box", box, PAPER_CELLS)
    concentration = check_number("concentration", concentration, above=0, unit="mol/L", example=1)
    parts = SOLVENTS[solvent]
    if is_of_the_paper(concentration):
        pairs, solvents = PAPER_CELLS[box][concentration]
        return {cation: pairs, anion: pairs} | _shared_out(parts, solvents)
    return _from_molarity(cation, anion, parts, concentration, N_ATOMS[box])


def is_of_the_paper(concentration: float) -> bool:
    """Return whether a concentration denotes one of the paper's compositions.

    Args:
        concentration: as for `electrolyte`.

    Example:
        >>> is_of_the_paper(4), is_of_the_paper(2)
        (True, False)
    """
    return concentration in PAPER_CELLS["small"]


def estimated_molarity(counts: Mapping[str, int]) -> float:
    """Return the concentration of the cation in mol/L, assuming additive molar volumes.

    Args:
        counts: number of each molecule, as returned by `electrolyte`.

    Example:
        >>> round(estimated_molarity({"Li": 3, "PF6": 3, "EC": 12, "DMC": 12}), 2)
        1.5
    """
    litres = sum(MOLAR_VOLUME.get(name, 0.0) * count for name, count in counts.items())
    return sum(counts.get(name, 0) for name in CATIONS) / litres


def _from_molarity(cation, anion, parts, concentration, n_atoms) -> dict[str, int]:
    """Return the composition of a cell of about n_atoms that is closest to a molarity."""
    weight = sum(parts.values())
    volume = sum(MOLAR_VOLUME[name] * part for name, part in parts.items()) / weight
    ratio = (1.0 / concentration - MOLAR_VOLUME[anion]) / volume
    if ratio < 0.5:
        raise InputError(
            f"concentration={concentration:g} mol/L leaves less than one solvent molecule for two "
            f"pairs of {cation} and {anion}; choose at most concentration="
            f"{1.0 / (0.5 * volume + MOLAR_VOLUME[anion]):.1f}."
        )
    atoms_of_solvent = sum(ATOMS_OF[name] * part for name, part in parts.items()) / weight
    atoms_per_pair = ATOMS_OF[cation] + ATOMS_OF[anion] + ratio * atoms_of_solvent
    if round(n_atoms / atoms_per_pair) < 1:
        raise InputError(
            f"concentration={concentration:g} mol/L is less than one ion pair in a cell of "
            f"{n_atoms} atoms; choose box=large or a higher concentration."
        )
    smallest = max(1, math.ceil((1 - SIZE_RANGE) * n_atoms / atoms_per_pair))
    largest = max(smallest, math.floor((1 + SIZE_RANGE) * n_atoms / atoms_per_pair))
    cells = [
        {cation: pairs, anion: pairs} | _shared_out(parts, round(pairs * ratio) + more)
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
