"""Index arithmetic over batches: atoms of many configurations in one tensor, with index `idx_m`.

A single configuration, as SchNetPack's data sets pass it to transforms, has no `idx_m`: it is a
batch of one. Everything here is vectorised; there are no loops over configurations.
"""

import torch
from schnetpack import properties

__all__ = ["atom_index", "complete_pairs", "minimum_image", "scatter_mean", "system_index"]


def system_index(inputs: dict[str, torch.Tensor]) -> torch.Tensor:
    """Return `idx_m`, the configuration of each atom, shape (n_atoms,), also for a single one.

    Example:
        >>> system_index({properties.n_atoms: torch.tensor([2, 1])})
        tensor([0, 0, 1])
    """
    if properties.idx_m in inputs:
        return inputs[properties.idx_m]
    n_atoms = inputs[properties.n_atoms]
    return torch.repeat_interleave(torch.arange(len(n_atoms), device=n_atoms.device), n_atoms)


def atom_index(n_atoms: torch.Tensor) -> torch.Tensor:
    """Number the atoms within each configuration.

    Args:
        n_atoms: atoms per configuration, shape (n_systems,).

    Returns:
        position of every atom in its configuration, shape (n_atoms.sum(),).

    Example:
        >>> atom_index(torch.tensor([2, 3]))
        tensor([0, 1, 0, 1, 2])
    """
    first = torch.cumsum(n_atoms, 0) - n_atoms
    total = int(n_atoms.sum())
    return torch.arange(total, device=n_atoms.device) - torch.repeat_interleave(first, n_atoms)


def scatter_mean(x: torch.Tensor, idx_m: torch.Tensor, n_atoms: torch.Tensor) -> torch.Tensor:
    """Average atom-wise values over each configuration.

    Args:
        x: values, shape (n_atoms, ...).
        idx_m: configuration of each atom, shape (n_atoms,).
        n_atoms: atoms per configuration, shape (n_systems,).

    Returns:
        means, shape (n_systems, ...).

    Example:
        >>> n_atoms, idx_m = torch.tensor([2, 1]), torch.tensor([0, 0, 1])
        >>> scatter_mean(torch.tensor([1.0, 3.0, 5.0]), idx_m, n_atoms)
        tensor([2., 5.])
    """
    total = torch.zeros((len(n_atoms), *x.shape[1:]), dtype=x.dtype, device=x.device)
    total = total.index_add(0, idx_m, x)
    return total / n_atoms.to(x.dtype).view(-1, *[1] * (x.dim() - 1))


def complete_pairs(n_atoms: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """List all ordered pairs of different atoms of the same configuration.

    Args:
        n_atoms: atoms per configuration, shape (n_systems,).

    Returns:
        `idx_i`, `idx_j`, each of shape (sum of n (n - 1),), sorted by `idx_i`, then `idx_j`.

    Example:
        >>> complete_pairs(torch.tensor([2, 1, 2]))
        (tensor([0, 1, 3, 4]), tensor([1, 0, 4, 3]))
    """
    idx_m = torch.repeat_interleave(torch.arange(len(n_atoms), device=n_atoms.device), n_atoms)
    partners = n_atoms[idx_m] - 1
    idx_i = torch.repeat_interleave(torch.arange(len(idx_m), device=n_atoms.device), partners)
    first = (torch.cumsum(n_atoms, 0) - n_atoms)[idx_m]
    idx_j = atom_index(partners) + first[idx_i]
    # The partners of atom i are all atoms of its configuration except i.
    return idx_i, idx_j + (idx_j >= idx_i).to(idx_j.dtype)


def minimum_image(
    Rij: torch.Tensor, cell: torch.Tensor, pbc: torch.Tensor, idx_pair: torch.Tensor
) -> torch.Tensor:
    """Return the shortest periodic image of vectors between atoms.

    Rounding fractional coordinates is exact for orthogonal cells. In a skewed cell the neighbouring
    images are searched as well, which is exact for every cell with reduced lattice vectors.

    Args:
        Rij: vectors between atoms in Å, shape (n_pairs, 3).
        cell: lattice vectors as rows in Å, shape (n_systems, 3, 3).
        pbc: periodic directions, shape (n_systems * 3,), as collated by SchNetPack, or
            (n_systems, 3).
        idx_pair: configuration of each pair, shape (n_pairs,).

    Returns:
        shortest vectors in Å, shape (n_pairs, 3); unchanged where nothing is periodic.

    Example:
        >>> cell = 10.0 * torch.eye(3)[None]
        >>> pbc = torch.ones(3, dtype=torch.bool)
        >>> Rij = torch.tensor([[9.0, 0.0, 0.0]])
        >>> minimum_image(Rij, cell, pbc, torch.zeros(1, dtype=torch.long))
        tensor([[-1.,  0.,  0.]])
    """
    pbc = pbc.view(-1, 3)
    if not bool(pbc.any()):
        return Rij
    # No shift along directions that are not periodic; the pseudo-inverse projects onto the others.
    lattice = cell * pbc[:, :, None]
    fractional = torch.einsum("pi,pij->pj", Rij, torch.linalg.pinv(lattice)[idx_pair])
    lattice_of_pair = lattice[idx_pair]
    folded = Rij - torch.einsum("pi,pij->pj", torch.round(fractional), lattice_of_pair)

    overlaps = torch.einsum("sik,sjk->sij", lattice, lattice)
    off_diagonal = overlaps - torch.diag_embed(torch.diagonal(overlaps, dim1=1, dim2=2))
    if bool((off_diagonal.abs() > 1e-6 * overlaps.abs().amax()).any()):
        steps = torch.tensor([-1, 0, 1], device=cell.device, dtype=cell.dtype)
        images = torch.cartesian_prod(steps, steps, steps)
        best = folded
        for image in images:
            candidate = folded + torch.einsum("i,pij->pj", image, lattice_of_pair)
            closer = candidate.square().sum(-1) < best.square().sum(-1) - 1e-9
            best = torch.where(closer[:, None], candidate, best)
        folded = best
    return folded
