"""Properties read from a module and its outputs: laws of known names, rows, the cutoff."""

from collections.abc import Mapping

import torch
from schnetpack import properties
from torch import nn

from gpip_plugins.errors import InputError

__all__ = ["KNOWN_LAWS", "cutoff_of", "is_per_atom"]

#: laws of SchNetPack's outputs, see `transformations`
KNOWN_LAWS = {
    "scalar_representation": "scalar",
    "vector_representation": "vector",
    "multipole_representation": "multipole",
    properties.energy: "scalar",
    properties.forces: "vector",
    properties.stress: "tensor",
    properties.dipole_moment: "vector",
    properties.polarizability: "tensor",
    properties.partial_charges: "scalar",
}


def is_per_atom(value: torch.Tensor, batch: Mapping[str, torch.Tensor], name: str) -> bool:
    """Return whether the rows of an output are atoms (else they are systems).

    Raises:
        InputError: they are neither.
    """
    n_atoms, n_systems = len(batch[properties.Z]), len(batch[properties.n_atoms])
    if len(value) == n_atoms:
        return True
    if len(value) == n_systems:
        return False
    raise InputError(
        f"the output '{name}' has {len(value)} rows for {n_atoms} atoms in {n_systems} systems; "
        "only outputs by atom or by system can be tested."
    )


def cutoff_of(module: nn.Module) -> float:
    """Return the cutoff radius of a module or of its representation, Å.

    Raises:
        InputError: it has none.
    """
    module = getattr(module, "representation", module)
    for owner in (module, getattr(module, "cutoff_fn", None)):
        cutoff = getattr(owner, "cutoff", None)
        if cutoff is not None:
            return float(cutoff)
    raise InputError(
        f"{type(module).__name__} has no attribute 'cutoff'; give its radius in Å as cutoff=..."
    )
