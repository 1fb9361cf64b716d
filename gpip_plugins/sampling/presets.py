"""Molecules that can be asked for by name: the eight of the MD17 data set.

MD17: Chmiela, Tkatchenko, Sauceda, Poltavsky, Schütt, Müller, Science Advances 3, e1603015 (2017).
"""

from typing import Final

__all__ = ["MOLECULES"]

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
