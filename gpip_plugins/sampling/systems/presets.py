"""Molecules and ions with names.

MD17: Chmiela, Tkatchenko, Sauceda, Poltavsky, Schütt, Müller, Science Advances 3, e1603015 (2017).
"""

from typing import Final

__all__ = [
    "MOLECULES",
    "MONATOMIC",
    "PRESETS",
    "SPECIES",
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

MONATOMIC: Final[dict[str, str]] = {
    "Li": "[Li+]",
    "Na": "[Na+]",
    "K": "[K+]",
    "Rb": "[Rb+]",
    "Cs": "[Cs+]",
    "Mg": "[Mg+2]",
    "Ca": "[Ca+2]",
    "Sr": "[Sr+2]",
    "Ba": "[Ba+2]",
    "Zn": "[Zn+2]",
    "F": "[F-]",
    "Cl": "[Cl-]",
    "Br": "[Br-]",
    "I": "[I-]",
}
"""Monatomic ions; each element has only one that is common."""

SPECIES: Final[dict[str, str]] = {
    "water": "O",
    "EC": "O=C1OCCO1",
    "PC": "CC1COC(=O)O1",
    "DMC": "COC(=O)OC",
    "EMC": "CCOC(=O)OC",
    "DEC": "CCOC(=O)OCC",
    "DME": "COCCOC",
    "diglyme": "COCCOCCOC",
    "triglyme": "COCCOCCOCCOC",
    "tetraglyme": "COCCOCCOCCOCCOC",
    "DOL": "C1COCO1",
    "THF": "C1CCOC1",
    "GBL": "O=C1CCCO1",
    "AN": "CC#N",
    "MA": "COC(C)=O",
    "EA": "CCOC(C)=O",
    "PF6": "F[P-](F)(F)(F)(F)F",
    "BF4": "F[B-](F)(F)F",
    "TFSI": "O=S(=O)([N-]S(=O)(=O)C(F)(F)F)C(F)(F)F",
    "FSI": "O=S(=O)(F)[N-]S(=O)(=O)F",
    "OTf": "O=S(=O)([O-])C(F)(F)F",
} | MONATOMIC
"""Solvents and ions of the liquids."""

PRESETS: Final[dict[str, str]] = MOLECULES | SPECIES
