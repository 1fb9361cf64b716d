r"""Radial basis and cutoff functions of TorchMD-Net, in the form that SchNetPack expects.

They have the attributes `n_rbf` and `cutoff` that SchNetPack's representations read, so that PaiNN
and SchNet can also use them. Their parameters are named as in TorchMD-Net.

References:
    O. T. Unke, M. Meuwly, PhysNet, J. Chem. Theory Comput. 15, 3678 (2019).
    P. Thölke, G. De Fabritiis, TorchMD-NET, ICLR 2022, arXiv:2202.02541.
"""

import math

import torch
from torch import nn

from gpip_plugins.errors import InputError, check_number, check_whole

__all__ = ["CosineCutoff", "ExpNormalRBF", "TorchMDGaussianRBF"]


class CosineCutoff(nn.Module):
    r"""Cosine cutoff, which can also exclude close pairs.

    Without a lower cutoff it is SchNetPack's `CosineCutoff`, from 1 at zero distance to 0:

    .. math::
        \phi(r) = \tfrac{1}{2} \left[1 + \cos\left(\pi \frac{r}{r_\mathrm{cut}}\right)\right]

    With a lower cutoff it is also zero below that, and 1 in the middle:

    .. math::
        \phi(r) = \tfrac{1}{2} \left[1 + \cos\left(\pi \left(
            2 \frac{r - r_\mathrm{low}}{r_\mathrm{cut} - r_\mathrm{low}} + 1\right)\right)\right]

    Args:
        cutoff: cutoff radius, Å.
        cutoff_lower: radius below which it vanishes, Å; 0 for none.

    Raises:
        InputError: the lower cutoff is not below the upper one.

    Example:
        >>> CosineCutoff(5.0)(torch.tensor([0.0, 2.5, 5.0]))
        tensor([1.0000, 0.5000, 0.0000])
    """

    def __init__(self, cutoff: float, cutoff_lower: float = 0.0):
        super().__init__()
        self.cutoff_lower, self.cutoff_upper = _range(cutoff_lower, cutoff)
        self.register_buffer("cutoff", torch.tensor([self.cutoff_upper]))

    def forward(self, distance: torch.Tensor) -> torch.Tensor:
        """Return the values at distances in Å, of the same shape."""
        return _cosine(distance, self.cutoff_lower, self.cutoff_upper)


class ExpNormalRBF(nn.Module):
    r"""Exponential-normal radial basis of PhysNet, TorchMD-Net's `expnorm`.

    .. math::
        e_k(r) = \phi(r) \exp\left[-\beta_k \left(
            e^{\alpha (r_\mathrm{low} - r)} - \mu_k\right)^2\right],\quad
        \alpha = \frac{5}{r_\mathrm{cut} - r_\mathrm{low}}

    with the cosine cutoff phi between 0 and the cutoff. With :math:`s = e^{r_\mathrm{low} -
    r_\mathrm{cut}}` (distances in Å) the initial centres :math:`\mu_k` are evenly spaced between s
    and 1, and the initial widths are :math:`\beta_k = [2 (1 - s)/n_\mathrm{rbf}]^{-2}`.

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

    def __init__(
        self, n_rbf: int, cutoff: float, cutoff_lower: float = 0.0, trainable: bool = True
    ):
        super().__init__()
        self.n_rbf = check_whole("n_rbf", n_rbf, least=2)
        self.cutoff_lower, self.cutoff_upper = _range(cutoff_lower, cutoff)
        self.trainable = trainable
        self.alpha = 5.0 / (self.cutoff_upper - self.cutoff_lower)
        start = math.exp(self.cutoff_lower - self.cutoff_upper)
        _register(self, "means", torch.linspace(start, 1, n_rbf), trainable)
        _register(self, "betas", torch.full((n_rbf,), (2 / n_rbf * (1 - start)) ** -2), trainable)

    def forward(self, distance: torch.Tensor) -> torch.Tensor:
        """Return the functions at distances in Å, shape (..., n_rbf)."""
        distance = distance.unsqueeze(-1)
        shift = torch.exp(self.alpha * (self.cutoff_lower - distance)) - self.means
        phi = _cosine(distance, 0.0, self.cutoff_upper)
        return phi * torch.exp(-self.betas * shift.square())


class TorchMDGaussianRBF(nn.Module):
    r"""Gaussian radial basis with one common width, TorchMD-Net's `gauss`.

    .. math::
        e_k(r) = \exp\left[c\, (r - r_k)^2\right],\quad c = -\tfrac{1}{2} (r_2 - r_1)^{-2}

    The initial centres :math:`r_k` are evenly spaced between the lower cutoff and the cutoff.
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

    def __init__(
        self, n_rbf: int, cutoff: float, cutoff_lower: float = 0.0, trainable: bool = True
    ):
        super().__init__()
        self.n_rbf = check_whole("n_rbf", n_rbf, least=2)
        self.cutoff_lower, self.cutoff_upper = _range(cutoff_lower, cutoff)
        self.trainable = trainable
        offset = torch.linspace(self.cutoff_lower, self.cutoff_upper, n_rbf)
        _register(self, "coeff", -0.5 / (offset[1] - offset[0]) ** 2, trainable)
        _register(self, "offset", offset, trainable)

    def forward(self, distance: torch.Tensor) -> torch.Tensor:
        """Return the functions at distances in Å, shape (..., n_rbf)."""
        return torch.exp(self.coeff * (distance.unsqueeze(-1) - self.offset).square())


def _cosine(distance: torch.Tensor, lower: float, upper: float) -> torch.Tensor:
    """Return the cosine cutoff between two radii, all in Å."""
    if lower > 0:
        inside = (distance > lower) & (distance < upper)
        phase = 2 * (distance - lower) / (upper - lower) + 1.0
    else:
        inside = distance < upper
        phase = distance / upper
    return 0.5 * (1.0 + torch.cos(math.pi * phase)) * inside


def _range(cutoff_lower: float, cutoff: float) -> tuple[float, float]:
    """Return both radii, in Å, as checked numbers."""
    upper = check_number("cutoff", cutoff, above=0, unit="Å", example=5.0)
    lower = check_number("cutoff_lower", cutoff_lower, least=0, unit="Å")
    if lower >= upper:
        raise InputError(
            f"cutoff_lower={cutoff_lower} is not below cutoff={cutoff}; use 0 unless you want to"
            " leave out close pairs."
        )
    return lower, upper


def _register(module: nn.Module, name: str, value: torch.Tensor, trainable: bool) -> None:
    """Make a value a parameter, or a buffer if it is not trained."""
    if trainable:
        module.register_parameter(name, nn.Parameter(value))
    else:
        module.register_buffer(name, value)
