"""Bonds, angles and torsions of a molecule, from its bonds."""

from collections.abc import Iterator
from itertools import combinations

from rdkit import Chem

__all__ = ["angles", "bonds", "fourier", "neighbours", "torsions"]


def neighbours(mol: Chem.Mol) -> list[list[int]]:
    """Return the bonded neighbours of every atom, in the order of their indices."""
    return [sorted(n.GetIdx() for n in atom.GetNeighbors()) for atom in mol.GetAtoms()]


def bonds(mol: Chem.Mol) -> Iterator[tuple[int, int]]:
    """Yield the bonds (i < j)."""
    for i, around in enumerate(neighbours(mol)):
        yield from ((i, j) for j in around if i < j)


def angles(mol: Chem.Mol) -> Iterator[tuple[int, int, int]]:
    """Yield all angles, the centre in the middle.

    Example:
        >>> list(angles(Chem.AddHs(Chem.MolFromSmiles("O"))))
        [(1, 0, 2)]
    """
    for j, around in enumerate(neighbours(mol)):
        yield from ((i, j, k) for i, k in combinations(around, 2))


def torsions(mol: Chem.Mol) -> Iterator[tuple[int, int, int, int]]:
    """Yield all proper torsions, each once; a three-membered ring contains none.

    Example:
        >>> len(list(torsions(Chem.AddHs(Chem.MolFromSmiles("CC")))))
        9
    """
    around = neighbours(mol)
    for j, k in bonds(mol):
        for i in around[j]:
            for l in around[k]:  # noqa: E741
                if len({i, j, k, l}) == 4:
                    yield i, j, k, l


def fourier(v: tuple[float, ...]) -> list[tuple[float, int, float]]:
    """Turn the constants of OPLS torsions into periodic terms.

    1/2 [V1 (1 + cos w) + V2 (1 - cos 2w) + V3 (1 + cos 3w) + V4 (1 - cos 4w)]
        = sum_n k_n [1 + cos(n w - d_n)]

    Args:
        v: V1, V2, ... in any unit of energy.

    Returns:
        (k_n, n, d_n in degrees) of the terms that are not zero.

    Example:
        >>> fourier((0.0, 7.25, 0.0, 0.0))
        [(3.625, 2, 180.0)]
    """
    return [(0.5 * k, n, 180.0 if n % 2 == 0 else 0.0) for n, k in enumerate(v, 1) if k]
