r"""Radial basis and cutoff functions of TorchMD-Net in the form that SchNetPack expects.

They compute what TorchMD-Net's own compute, with the names `n_rbf` and `cutoff` that SchNetPack's
representations read; so they serve PaiNN and SchNet, too.

References:
    O. T. Unke, M. Meuwly, PhysNet, J. Chem. Theory Comput. 15, 3678 (2019).
    P. Thölke, G. De Fabritiis, TorchMD-NET, ICLR 2022, arXiv:2202.02541.
"""

import torch

from gpip_plugins.errors import InputError
from gpip_plugins.representation._torchmdnet import blocks

__all__ = ["CosineCutoff", "ExpNormalRBF", "TorchMDGaussianRBF"]


def _check_range(cutoff: float, cutoff_lower: float) -> None:
    if not 0 <= cutoff_lower < cutoff:
        raise InputError(
            f"cutoff_lower={cutoff_lower} is not between 0 and cutoff={cutoff}; use 0 unless you"
            " want to leave out close pairs."
        )


class _NamedAsInSchNetPack:
    """Settings of a radial basis by SchNetPack's names, handed on to TorchMD-Net's class."""

    def __init__(
        self, n_rbf: int, cutoff: float, cutoff_lower: float = 0.0, trainable: bool = True
    ):
        if n_rbf < 2:
            raise InputError(f"n_rbf={n_rbf} is too small for a radial basis; give 2 or more.")
        _check_range(cutoff, cutoff_lower)
        super().__init__(cutoff_lower, cutoff, n_rbf, trainable)
        self.n_rbf = n_rbf


class ExpNormalRBF(_NamedAsInSchNetPack, blocks.ExpNormalSmearing):
    r"""Exponential-normal radial basis of PhysNet, TorchMD-Net's `expnorm`.

    .. math::
        e_k(r) = \phi(r) \exp\left[-\beta_k \left(
            e^{\alpha (r_\mathrm{low} - r)} - \mu_k\right)^2\right],\quad
        \alpha = \frac{5}{r_\mathrm{cut} - r_\mathrm{low}}

    with the cosine cutoff phi between 0 and the cutoff.

    Args:
        n_rbf: number of functions; TorchMD-Net's MD17 settings have 32.
        cutoff: cutoff radius, Å.
        cutoff_lower: distance at which the first function is centred, Å.
        trainable: whether centres mu and widths beta are trained.

    Raises:
        InputError: fewer than two functions, or a lower cutoff beyond the upper one.

    Example:
        >>> ExpNormalRBF(n_rbf=8, cutoff=5.0)(torch.tensor([1.0, 5.0])).shape
        torch.Size([2, 8])
    """


class TorchMDGaussianRBF(_NamedAsInSchNetPack, blocks.GaussianSmearing):
    """Gaussian radial basis with one common width, TorchMD-Net's `gauss`.

    SchNetPack's `GaussianRBF` starts from the same functions; when trainable, it has a width for
    each of them and no common coefficient.

    Args:
        n_rbf: number of Gaussians.
        cutoff: centre of the last one, Å.
        cutoff_lower: centre of the first one, Å.
        trainable: whether centres and width are trained.

    Raises:
        InputError: fewer than two functions, or a lower cutoff beyond the upper one.

    Example:
        >>> TorchMDGaussianRBF(n_rbf=8, cutoff=5.0)(torch.tensor([1.0, 5.0])).shape
        torch.Size([2, 8])
    """


class CosineCutoff(blocks.CosineCutoff):
    r"""Cosine cutoff of TorchMD-Net, which can also leave out close pairs.

    Without a lower cutoff it is SchNetPack's `CosineCutoff`, from 1 at zero distance to 0; with
    one it is zero below, too:

    .. math::
        \phi(r) = \tfrac{1}{2} \left[1 + \cos\left(\pi \left(
            2 \frac{r - r_\mathrm{low}}{r_\mathrm{cut} - r_\mathrm{low}} + 1\right)\right)\right]

    Args:
        cutoff: cutoff radius, Å.
        cutoff_lower: radius below which it vanishes, Å; 0: none.

    Raises:
        InputError: the lower cutoff is not below the upper one.

    Example:
        >>> CosineCutoff(5.0)(torch.tensor([0.0, 2.5, 5.0]))
        tensor([1.0000, 0.5000, 0.0000])
    """

    def __init__(self, cutoff: float, cutoff_lower: float = 0.0):
        _check_range(cutoff, cutoff_lower)
        super().__init__(cutoff_lower, cutoff)
        self.register_buffer("cutoff", torch.tensor([float(cutoff)]))
