"""Data sets, one module each: downloaded, imported or generated."""

from gpip_plugins.datasets.ani1x import ANI1x
from gpip_plugins.datasets.classical_md import ClassicalMD
from gpip_plugins.datasets.iso17 import ISO17
from gpip_plugins.datasets.labelled_files import LabelledFiles
from gpip_plugins.datasets.md17 import MD17
from gpip_plugins.datasets.md17_members import md17_members
from gpip_plugins.datasets.pcqm4mv2 import PCQM4Mv2
from gpip_plugins.datasets.qm9 import QM9
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
    "md17_members",
]
