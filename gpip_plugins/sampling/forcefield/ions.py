"""Monatomic ions with published Lennard-Jones constants, in water and in other liquids.

In boxes that contain water the ions have the constants that were fitted to its model, TIP3P:

- alkali and halide ions: I. S. Joung, T. E. Cheatham, J. Phys. Chem. B 112, 9020 (2008), table 5
  (free energies of hydration, lattice energies and constants of the salts);
- doubly charged cations: P. Li, B. P. Roberts, D. K. Chakravorty, K. M. Merz, J. Chem. Theory
  Comput. 9, 2733 (2013), the compromise set for TIP3P.

Both belong to the means of Lorentz and Berthelot: arithmetic for sigma, geometric for epsilon. So
pairs of these ions with each other and with water have arithmetic means; pairs with atoms of
OPLS-AA have its geometric ones.

Without water the ions have the constants of OPLS-AA, with geometric means: cations of J. Åqvist,
J. Phys. Chem. 94, 8021 (1990); halides of J. Chandrasekhar, D. C. Spellmeyer, W. L. Jorgensen,
J. Am. Chem. Soc. 106, 903 (1984), of T. P. Lybrand, I. Ghosh, J. A. McCammon, ibid. 107, 7793
(1985), and of G. A. Kaminski and W. L. Jorgensen, ibid. 120, 5104 (1998). Li+ and Na+ are those of
the CL&P force field (see `.literature`), with which its anions are used.
"""

from typing import Final

from gpip_plugins.sampling.forcefield.literature import LiteratureModel
from gpip_plugins.units import KCAL

__all__ = ["IN_OTHER_LIQUIDS", "IN_WATER"]

KJ: Final = 1.0 / KCAL  # kcal in one kJ
SIGMA: Final = 2.0 ** (5.0 / 6.0)  # sigma of half the distance of the minimum

# Half the distance of the minimum in Å and the depth in kcal/mol, as published.
JOUNG_CHEATHAM: Final = {
    "Li+": (1.025, 0.0279896),
    "Na+": (1.369, 0.0874393),
    "K+": (1.705, 0.1936829),
    "Rb+": (1.813, 0.3278219),
    "Cs+": (1.976, 0.4065394),
    "F-": (2.303, 0.0033640),
    "Cl-": (2.513, 0.0355910),
    "Br-": (2.608, 0.0586554),
    "I-": (2.860, 0.0536816),
}
LI_MERZ: Final = {
    "Mg+2": (1.360, 0.01020237),
    "Ca+2": (1.649, 0.10592870),
    "Sr+2": (1.810, 0.22132374),
    "Ba+2": (2.019, 0.40664608),
    "Zn+2": (1.271, 0.00330286),
}
# sigma in Å and epsilon in kcal/mol.
AQVIST: Final = {
    "Li+": (2.126, 0.07648 * KJ),
    "Na+": (3.33, 0.0116 * KJ),
    "K+": (4.934628, 0.000328),
    "Rb+": (5.621773, 0.000171),
    "Cs+": (6.715999, 0.000081),
    "Mg+2": (1.644471, 0.875044),
    "Ca+2": (2.412031, 0.449657),
    "Sr+2": (3.102688, 0.118226),
    "Ba+2": (3.816610, 0.047096),
}
OPLS_HALIDES: Final = {
    "F-": (2.73295, 0.72),
    "Cl-": (4.41724, 0.11779),
    "Br-": (4.62376, 0.09),
    "I-": (5.4, 0.07),
}


def _ion(species: str, source: str, sigma: float, epsilon: float, mixing: str) -> LiteratureModel:
    """Return the model of an ion, named like `Na+` or `Ca+2`."""
    element, sign, number = species.partition("+" if "+" in species else "-")
    charge = float(f"{sign}{number or 1}")
    return LiteratureModel(
        f"{species} ({source})",
        f"[{species}]",
        {element: (f"[{element}]", charge, sigma, epsilon)},
        mixing=mixing,
    )


IN_WATER: Final = tuple(
    _ion(species, source, SIGMA * half, depth, "arithmetic")
    for source, constants in (
        ("Joung-Cheatham for TIP3P", JOUNG_CHEATHAM),
        ("Li-Merz for TIP3P", LI_MERZ),
    )
    for species, (half, depth) in constants.items()
)
"""Ions beside TIP3P water."""

IN_OTHER_LIQUIDS: Final = tuple(
    _ion(species, source, *constants, "geometric")
    for source, table in (("Åqvist", AQVIST), ("OPLS-AA", OPLS_HALIDES))
    for species, constants in table.items()
)
"""Ions in liquids without water."""
