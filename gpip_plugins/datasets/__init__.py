"""Data sources: one module each; a generated data set is a data source too."""

from gpip_plugins.datasets.classical_md import ClassicalMD
from gpip_plugins.datasets.force_centric import ANI1x, PCQM4Mv2, Poly24
from gpip_plugins.datasets.labelled_files import LabelledFiles
from gpip_plugins.datasets.md17_members import md17_members
from gpip_plugins.datasets.molecules import ISO17, MD17, QM9
from gpip_plugins.datasets.water import FuWater

__all__ = [
    "ISO17",
    "MD17",
    "QM9",
    "ANI1x",
    "ClassicalMD",
    "FuWater",
    "LabelledFiles",
    "PCQM4Mv2",
    "Poly24",
    "md17_members",
]
