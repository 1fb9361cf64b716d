"""Random test systems, and the conversion of ASE's `Atoms` to SchNetPack's dictionary of inputs.

Molecules and cells drawn here have realistic distances (no two atoms at the same place) but no
symmetry, so that nothing vanishes or agrees by chance.
"""

import warnings
from collections.abc import Iterable, Sequence
from itertools import product

import numpy as np
import torch
from ase import Atoms
from schnetpack import properties
from schnetpack.data.loader import _atoms_collate_fn
from schnetpack.transform import CastMap, MatScipyNeighborList, Transform

from gpip_plugins.errors import InputError

__all__ = ["make_batch", "random_cell", "random_molecule", "random_systems"]

DEFAULT_ELEMENTS = (1, 6, 7, 8)


def make_batch(
    systems: Sequence[Atoms],
    cutoff: float,
    dtype: torch.dtype = torch.float64,
    keys: Iterable[str] = (),
    neighbor_list: Transform | None = None,
) -> dict[str, torch.Tensor]:
    """Convert ASE's `Atoms` to one batch, with SchNetPack's neighbour list and collation.

    Args:
        systems: configurations; lengths in Å.
        cutoff: cutoff radius of the neighbour list, Å.
        dtype: type of all real tensors.
        keys: further tensors in the batch. A key is looked up in `Atoms.arrays` (one row per
            atom, shape `(n_atoms, ...)`), then in `Atoms.info` (one per system; the batch has
            shape `(n_systems, ...)`).
        neighbor_list: another neighbour list of SchNetPack; default `MatScipyNeighborList`.

    Returns:
        Dictionary as from SchNetPack's data loader. It has no `Rij`, which the input module
        `PairwiseDistances` of a model computes.

    Raises:
        InputError: a system has no atoms, or lacks one of `keys`.

    Example:
        >>> from ase.build import molecule
        >>> batch = make_batch([molecule("H2O"), molecule("CH4")], cutoff=5.0)
        >>> batch["_positions"].shape, batch["_idx_m"].tolist()
        (torch.Size([8, 3]), [0, 0, 0, 1, 1, 1, 1, 1])
    """
    find_neighbors = neighbor_list or MatScipyNeighborList(cutoff=cutoff)
    cast = CastMap({"float32": _name(dtype), "float64": _name(dtype)})
    samples = []
    for index, atoms in enumerate(systems):
        if len(atoms) == 0:
            raise InputError(f"systems[{index}] has no atoms; give systems of at least one atom.")
        sample = {
            properties.idx: torch.tensor([index]),
            properties.n_atoms: torch.tensor([len(atoms)]),
            properties.Z: torch.from_numpy(atoms.get_atomic_numbers()),
            properties.R: torch.from_numpy(atoms.get_positions()),
            properties.cell: torch.from_numpy(atoms.cell.array.copy())[None],
            properties.pbc: torch.from_numpy(atoms.pbc.copy())[None],
        }
        for key in keys:
            sample[key] = _further_tensor(atoms, key, index)
        with warnings.catch_warnings():
            # SchNetPack passes tensors to ASE, which NumPy deprecates; callers cannot change that.
            warnings.filterwarnings("ignore", "__array__ implementation", DeprecationWarning)
            samples.append(cast(find_neighbors(sample)))
    return _atoms_collate_fn(samples)


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _further_tensor(atoms: Atoms, key: str, index: int) -> torch.Tensor:
    if key in atoms.arrays:
        return torch.from_numpy(atoms.arrays[key].copy())
    if key in atoms.info:
        return torch.as_tensor(np.asarray(atoms.info[key]))[None]
    raise InputError(
        f"systems[{index}] has no '{key}'; put it into Atoms.arrays (per atom) or Atoms.info (per "
        "system), or leave the key out of inputs."
    )


def random_molecule(
    n_atoms: int,
    elements: Sequence[int] = DEFAULT_ELEMENTS,
    seed: int = 0,
    min_distance: float = 0.9,
) -> Atoms:
    """Draw an isolated molecule: every atom is 1.0-1.6 Å from an earlier one.

    Args:
        n_atoms: number of atoms.
        elements: atomic numbers to draw from.
        seed: seed of the draw.
        min_distance: smallest distance of any two atoms, Å; below about 1.0.

    Example:
        >>> len(random_molecule(6, seed=1))
        6
    """
    rng = np.random.default_rng(seed)
    positions = np.zeros((1, 3))
    while len(positions) < n_atoms:
        direction = rng.normal(size=3)
        step = rng.uniform(1.0, 1.6) * direction / np.linalg.norm(direction)
        candidate = positions[rng.integers(len(positions))] + step
        if np.linalg.norm(positions - candidate, axis=1).min() > min_distance:
            positions = np.vstack([positions, candidate])
    return Atoms(numbers=rng.choice(elements, size=n_atoms), positions=positions)


def random_cell(
    n_atoms: int,
    elements: Sequence[int] = DEFAULT_ELEMENTS,
    seed: int = 0,
    volume_per_atom: float = 12.0,
    triclinic: bool = True,
    pbc: bool | Sequence[bool] = True,
    min_distance: float = 1.1,
) -> Atoms:
    """Draw a disordered periodic cell at about the density of a liquid.

    A cell of few atoms is smaller than the cutoff, and an atom has its own images as neighbours; 60
    atoms and more give a cell wider than twice 4 Å.

    Args:
        n_atoms: number of atoms in the cell.
        elements: atomic numbers to draw from.
        seed: seed of the draw.
        volume_per_atom: volume of the cell divided by `n_atoms`, Å^3.
        triclinic: shear and stretch the cubic cell by up to about 30 %.
        pbc: periodic directions, as in ASE.
        min_distance: smallest distance of any two atoms, images included, Å.

    Raises:
        InputError: the atoms do not fit into the cell at this distance.

    Example:
        >>> atoms = random_cell(4, seed=2)
        >>> float(round(atoms.get_volume(), 6)), bool(atoms.pbc.all())
        (48.0, True)
    """
    rng = np.random.default_rng(seed)
    cell = np.eye(3)
    if triclinic:
        cell = cell + np.tril(rng.uniform(-0.3, 0.3, size=(3, 3)))
    cell *= (n_atoms * volume_per_atom / abs(np.linalg.det(cell))) ** (1 / 3)
    reach = [2 if periodic else 0 for periodic in np.broadcast_to(pbc, 3)]
    images = np.array(list(product(*[range(-n, n + 1) for n in reach]))) @ cell
    positions = np.zeros((0, 3))
    for _ in range(200 * n_atoms):
        if len(positions) == n_atoms:
            break
        candidate = rng.random(3) @ cell
        separations = (candidate - positions)[:, None] + images
        if (np.linalg.norm(separations, axis=-1) < min_distance).any():
            continue
        positions = np.vstack([positions, candidate])
    if len(positions) < n_atoms:
        raise InputError(
            f"volume_per_atom={volume_per_atom} leaves no room for {n_atoms} atoms "
            f"{min_distance} Å apart; raise it or lower min_distance."
        )
    return Atoms(
        numbers=rng.choice(elements, size=n_atoms), positions=positions, cell=cell, pbc=pbc
    )


def random_systems(elements: Sequence[int] = DEFAULT_ELEMENTS, seed: int = 0) -> list[Atoms]:
    """Return the default systems: two molecules, two triclinic cells, a slab, a lone atom.

    The first cell (3 atoms, about 3.3 Å wide) is smaller than any usual cutoff; the second (16
    atoms, about 5.8 Å) smaller than twice the cutoff; the slab is periodic in two directions.
    The lone atom comes last, so that the last row of a batch has no neighbours.

    Args:
        elements: atomic numbers to draw from.
        seed: seed of the draw.

    Example:
        >>> [len(atoms) for atoms in random_systems()]
        [7, 4, 3, 16, 6, 1]
    """
    return [
        random_molecule(7, elements, seed),
        random_molecule(4, elements, seed + 1),
        random_cell(3, elements, seed + 2),
        random_cell(16, elements, seed + 3),
        random_cell(6, elements, seed + 4, pbc=(True, True, False)),
        random_molecule(1, elements, seed + 5),
    ]


def with_volume(atoms: Atoms) -> Atoms:
    """Return a system that has a volume: itself, or a copy in a cell of 20 Å, not periodic."""
    if atoms.cell.volume > 0:
        return atoms
    atoms = atoms.copy()
    atoms.set_cell(20.0 * np.eye(3))
    return atoms
