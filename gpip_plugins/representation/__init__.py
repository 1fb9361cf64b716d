"""Representations: atoms and their surroundings as features, in SchNetPack's conventions."""

from gpip_plugins.representation.equivariant_transformer import *
from gpip_plugins.representation.radial import *
