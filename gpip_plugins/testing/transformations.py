"""How the tensors of a system change when the system is rotated or reflected.

Every tensor obeys one of four laws under an orthogonal matrix `Q` (rows transform as `r -> Q r`):

===========  ===========================  =====================================================
law          shape                        changes to
===========  ===========================  =====================================================
`scalar`     (n, ...)                     itself
`vector`     (n, 3) or (n, 3, n_basis)    `Q v`; a proper vector flips under inversion
`tensor`     (n, 3, 3)                    `Q t Q^T`
`multipole`  (n, (lmax+1)^2, n_basis)     `D^l(Q) x_l` for each l, with parity (-1)^l
===========  ===========================  =====================================================

with `n` atoms or systems. `multipole` uses SchNetPack's real spherical harmonics `Y_lm(r)`. They
agree in order, sign and normalisation with e3nn's, if e3nn is given `(y, z, x)` instead of
`(x, y, z)`: e3nn's polar axis is its second one, SchNetPack's the third. Hence
`D_spk(Q) = D_e3nn(P Q P^T)` where `P (x, y, z) = (y, z, x)`.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from math import isqrt

import numpy as np
import torch
from ase import Atoms

from gpip_plugins.errors import InputError

__all__ = ["LAWS", "random_orthogonal", "transform", "transform_system", "wigner_D"]

LAWS = ("scalar", "vector", "tensor", "multipole")

XYZ_TO_YZX = torch.tensor([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]], dtype=torch.float64)


def random_orthogonal(seed: int, determinant: int = 1) -> torch.Tensor:
    """Draw an orthogonal matrix uniformly (QR of a Gaussian matrix, signs fixed).

    Args:
        seed: seed of the draw.
        determinant: 1 for a rotation, -1 for a rotation with reflection.

    Returns:
        Matrix of shape (3, 3), float64.

    Example:
        >>> Q = random_orthogonal(0, determinant=-1)
        >>> round(float(torch.det(Q)), 12)
        -1.0
    """
    generator = torch.Generator().manual_seed(seed)
    gaussian = torch.randn(3, 3, generator=generator, dtype=torch.float64)
    Q, R = torch.linalg.qr(gaussian)
    Q = Q * torch.sign(torch.diagonal(R))
    return Q * (determinant * torch.sign(torch.det(Q)))


def wigner_D(lmax: int, Q: torch.Tensor) -> torch.Tensor:
    """Return the matrix that transforms SchNetPack's multipoles under `Q`.

    Args:
        lmax: largest angular momentum.
        Q: orthogonal matrix, shape (3, 3), float64; a reflection multiplies l by (-1)^l.

    Returns:
        Block-diagonal matrix of shape ((lmax+1)^2, (lmax+1)^2), float64.

    Example:
        >>> wigner_D(1, -torch.eye(3, dtype=torch.float64)).diagonal().tolist()
        [1.0, -1.0, -1.0, -1.0]
    """
    from e3nn import o3  # slow to import, and needed for multipoles only

    irreps = o3.Irreps([(1, (order, (-1) ** order)) for order in range(lmax + 1)])
    with _default_float64():
        return irreps.D_from_matrix(XYZ_TO_YZX @ Q @ XYZ_TO_YZX.T)


@contextmanager
def _default_float64() -> Iterator[None]:
    # e3nn builds its generators in the default type; in float32 they are wrong by 4e-7.
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def transform(x: torch.Tensor, law: str, Q: torch.Tensor, name: str = "tensor") -> torch.Tensor:
    """Apply `Q` to a tensor by its law.

    Args:
        x: tensor of atoms or systems, with the shape of the law.
        law: one of `LAWS`.
        Q: orthogonal matrix, shape (3, 3).
        name: name for the error message.

    Raises:
        InputError: the law is unknown or the shape does not fit it.

    Example:
        >>> v = torch.tensor([[1.0, 2.0, 3.0]])
        >>> transform(v, "vector", -torch.eye(3))
        tensor([[-1., -2., -3.]])
    """
    if law not in LAWS:
        raise InputError(f"laws['{name}']='{law}' is unknown; use one of {', '.join(LAWS)}.")
    if law == "scalar" or x.dtype in (torch.bool, torch.int32, torch.int64):
        return x
    fits = {
        "vector": x.ndim in (2, 3) and x.shape[1] == 3,
        "tensor": x.ndim == 3 and x.shape[1:] == (3, 3),
        "multipole": x.ndim == 3 and isqrt(x.shape[1]) ** 2 == x.shape[1],
    }
    if not fits[law]:
        raise InputError(
            f"laws['{name}']='{law}' does not fit its shape {tuple(x.shape)}; correct the law or "
            "the output."
        )
    Q = Q.to(x.dtype)
    if law == "vector":
        return torch.einsum("ab,nb...->na...", Q, x)
    if law == "tensor":
        return Q @ x @ Q.T
    D = wigner_D(isqrt(x.shape[1]) - 1, Q.to(torch.float64)).to(x.dtype)
    return torch.einsum("ab,nbf->naf", D, x)


def transform_system(atoms: Atoms, Q: torch.Tensor, inputs: Mapping[str, str]) -> Atoms:
    """Rotate or reflect a system about the origin, together with its further input tensors.

    Under a reflection the lattice vectors change sign as a whole. That is the same lattice, and
    keeps the cell right-handed: SchNetPack's stress has the wrong sign in a left-handed cell.

    Args:
        atoms: the system.
        Q: orthogonal matrix, shape (3, 3).
        inputs: law of each further tensor in `atoms.arrays` or `atoms.info`.

    Returns:
        A new system.
    """
    moved = atoms.copy()
    matrix = Q.numpy()
    moved.set_positions(atoms.get_positions() @ matrix.T)
    moved.set_cell(atoms.cell.array @ matrix.T * np.sign(np.linalg.det(matrix)))
    for key, law in inputs.items():
        if key in atoms.arrays:
            moved.arrays[key] = transform(torch.from_numpy(atoms.arrays[key]), law, Q, key).numpy()
        elif key in atoms.info:
            value = torch.as_tensor(np.asarray(atoms.info[key]))[None]
            moved.info[key] = transform(value, law, Q, key)[0].numpy()
    return moved
