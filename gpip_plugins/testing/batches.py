"""Checks that results do not depend on batches, pair order or periodic images.

Functions as in `symmetry`: each takes a module, a factory or a `Subject`, raises `ConsistencyError`
if the property does not hold, and returns the largest relative deviation found.
"""

import numpy as np
import torch
from ase import Atoms
from schnetpack import properties
from torch import nn

from .comparison import ConsistencyError, compare, compare_all
from .outputs import is_per_atom
from .subject import Subject

__all__ = ["assert_batch_independent", "assert_pair_direction", "assert_periodic"]


def assert_batch_independent(subject: Subject | nn.Module, *, tolerance: float = 1e-9) -> float:
    """Check that a batch gives the same results as its systems one by one, in either order.

    Args:
        subject: module, factory or `Subject`.
        tolerance: largest relative deviation allowed.

    Raises:
        ConsistencyError: systems of one batch influence each other.
    """
    subject = Subject.of(subject)
    alone = [subject([atoms]) for atoms in subject.systems]
    worst = 0.0
    for order in (1, -1):
        expected = {key: torch.cat([out[key] for out in alone[::order]]) for key in subject.laws}
        deviation = compare_all("batch", expected, subject(subject.systems[::order]), tolerance)
        worst = max(worst, deviation)
    return worst


def assert_pair_direction(subject: Subject | nn.Module, *, tolerance: float = 1e-9) -> float:
    """Check that a pair (i, j) carries information from neighbour j to centre i.

    Without all pairs of centre i, atom i must give the outputs of a lone atom, even if pairs of
    other centres contain it; and another element at j must change the outputs at i. A module that
    sums over the wrong one of `idx_i` and `idx_j` has every symmetry, as long as its pairs come in
    both directions. Outputs by system and the forces are left out.

    Args:
        subject: representation, factory or `Subject` with outputs by atom.
        tolerance: largest relative deviation allowed.

    Raises:
        ConsistencyError: information flows in another way, or there is no output by atom.
    """
    subject = Subject.of(subject)
    check = "pair direction"
    atoms = max((a for a in subject.systems if not a.pbc.any()), key=len, default=None)
    if atoms is None or len(atoms) < 3:
        raise ConsistencyError(check, "no isolated system of 3 atoms or more was given to test.")
    whole = subject.batch([atoms])
    names = [
        key
        for key, value in subject.run(whole).items()
        if is_per_atom(value, whole, key) and key != subject.forces_key
    ]
    if not names:
        raise ConsistencyError(check, "the module gives no output by atom to test.")
    kept = whole[properties.idx_i] != 0
    cut = dict(whole)
    for key in (properties.idx_i, properties.idx_j, properties.offsets):
        cut[key] = whole[key][kept]
    outputs, alone = subject.run(cut), subject([atoms[:1]])
    worst = 0.0
    for key in names:
        scale = float(outputs[key].detach().abs().max())
        name = f"{key} of an atom that is the centre of no pair"
        actual = outputs[key].detach()[:1]
        worst = max(worst, compare(check, name, alone[key], actual, tolerance, scale))

    neighbor = whole[properties.idx_j][~kept][0]
    other = dict(whole)
    other[properties.Z] = whole[properties.Z].clone()
    known = {int(z) for a in subject.systems for z in a.numbers}
    other[properties.Z][neighbor] = min(known - {int(whole[properties.Z][neighbor])})
    before, after = subject.run(whole), subject.run(other)
    if all(torch.equal(before[key][0], after[key][0]) for key in names):
        raise ConsistencyError(check, "the element of a neighbour has no influence on its centre.")
    return worst


def assert_periodic(
    subject: Subject | nn.Module, *, tolerance: float = 1e-9, seed: int = 0
) -> float:
    """Check that periodic images are the same atom, in every description of the crystal.

    Atoms moved by random lattice vectors must keep all outputs, and a supercell of 2x2x2 cells
    (or fewer, along directions that are not periodic) must give every copy of an atom the same
    outputs by atom. Outputs by system are left out of the second comparison.

    Args:
        subject: module, factory or `Subject` with periodic systems.
        tolerance: largest relative deviation allowed.
        seed: seed of the lattice vectors.

    Raises:
        ConsistencyError: an output depends on the choice of images, or no system is periodic.
    """
    subject = Subject.of(subject)
    periodic = [atoms for atoms in subject.systems if atoms.pbc.any()]
    if not periodic:
        raise ConsistencyError("periodic images", "no periodic system was given to test.")
    rng = np.random.default_rng(seed)
    reference = subject(periodic)
    shifted = []
    for atoms in periodic:
        atoms = atoms.copy()
        atoms.positions += (
            rng.integers(-2, 3, size=(len(atoms), 3)) * atoms.pbc
        ) @ atoms.cell.array
        shifted.append(atoms)
    worst = compare_all("periodic images", reference, subject(shifted), tolerance)

    supercells = [_supercell(atoms) for atoms in periodic]
    batch = subject.batch(periodic)
    large = subject(supercells)
    by_atom = [key for key, value in reference.items() if is_per_atom(value, batch, key)]
    sizes = [len(atoms) for atoms in periodic]
    copies = [len(big) // size for big, size in zip(supercells, sizes, strict=True)]
    for key in by_atom:
        parts = reference[key].split(sizes)
        expected = torch.cat(
            [part.repeat(n, *[1] * (part.ndim - 1)) for part, n in zip(parts, copies, strict=True)]
        )
        worst = max(
            worst,
            compare("periodic images", f"{key} of a supercell", expected, large[key], tolerance),
        )
    return worst


def _supercell(atoms: Atoms) -> Atoms:
    return atoms.repeat(tuple(2 if periodic else 1 for periodic in atoms.pbc))
