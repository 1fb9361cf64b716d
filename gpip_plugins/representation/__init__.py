"""Representations: atoms and their surroundings as features, in SchNetPack's conventions.

A representation takes SchNetPack's dictionary and adds `scalar_representation`, shape (n_atoms,
n_atom_basis), and, where the network has vectors, `vector_representation`, shape (n_atoms, 3,
n_atom_basis). Other parts of the package rely on these attributes:

- `n_atom_basis`, `cutoff_fn`, `radial_basis`, and every other argument of the constructor under its
  name: a fine-tuning builds the same network from a file;
- `embedding`, a module that takes atomic numbers: the [MASK] token and unknown elements are checked
  with it;
- the interaction blocks in an `nn.ModuleList`: learning rates fall with depth block by block.
"""

from gpip_plugins.representation.equivariant_transformer import *
from gpip_plugins.representation.radial import *
