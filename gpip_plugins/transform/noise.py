"""Noise on the positions, and the choice of configurations that get it."""

import torch
from schnetpack import properties as spk_properties

from gpip_plugins import properties
from gpip_plugins.errors import InputError, check_number
from gpip_plugins.nn.graphs import scatter_mean, system_index
from gpip_plugins.transform.base import RandomTransform

__all__ = ["GaussianNoise", "SelectCorrupted"]


class SelectCorrupted(RandomTransform):
    """Select the configurations that are corrupted; the others keep positions and labels.

    Labels (energy, forces) belong to the positions for which they were computed. In a batch with
    both kinds, pretext losses select `is_corrupted` atoms and label losses `is_labelled` ones.
    Place it before noise and mask; without it they corrupt, and mark, every configuration.

    Args:
        fraction: probability in [0, 1] with which a configuration is corrupted.
        seed: see `RandomTransform`.

    Raises:
        InputError: the fraction lies outside [0, 1]; or noise or mask was applied before.

    Example:
        >>> batch = {"_positions": torch.zeros(3, 3), "_n_atoms": torch.tensor([2, 1])}
        >>> SelectCorrupted(fraction=1.0)(batch)["_is_corrupted"]
        tensor([True, True, True])
    """

    def __init__(self, fraction: float = 0.5, seed: int | None = None):
        super().__init__(seed)
        self.fraction = check_number("fraction", fraction, least=0.0, most=1.0, example=0.5)

    def forward(self, inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Write `is_corrupted` and `is_labelled`, both bool of shape (n_atoms,)."""
        if properties.is_corrupted in inputs:
            raise InputError(
                "SelectCorrupted comes after noise or mask in transforms; put it first."
            )
        n_atoms = inputs[spk_properties.n_atoms]
        first = torch.cumsum(n_atoms, 0) - n_atoms
        # The number of its first atom is used for the whole configuration.
        chosen = self.draw(inputs, 1, "uniform")[first, 0] < self.fraction
        inputs[properties.is_corrupted] = chosen[system_index(inputs)]
        inputs[properties.is_labelled] = ~inputs[properties.is_corrupted]
        return inputs


class GaussianNoise(RandomTransform):
    r"""Displace the atoms by Gaussian noise and keep the noise as a target, GPIP eq. (5).

    .. math:: \hat R = R + \epsilon, \quad \epsilon_i \sim \mathcal N(0, \sigma^2),
        \quad \text{target} = \epsilon / \sigma

    The mean of a configuration's noise is removed: a model that does not see absolute positions
    cannot predict a translation. (In an isolated molecule the three rotational components cannot
    be predicted either; of 3N - 3 components this lower limit of the loss is about 3 / (3N - 3).)

    Args:
        sigma: standard deviation in Å; 0 leaves the positions unchanged. GPIP's code uses 0.15;
            the paper gives no value.
        remove_mean: remove the mean of each configuration's noise.
        seed: see `RandomTransform`.
        only_in_training: leave validation and test configurations unchanged, marked as not
            corrupted, instead of giving them fixed noise: labels are then compared at their own
            positions.

    Raises:
        InputError: sigma lies outside [0, 1] Å.

    Example:
        >>> batch = {"_positions": torch.zeros(3, 3), "_n_atoms": torch.tensor([3])}
        >>> out = GaussianNoise(sigma=0.1)(batch)
        >>> torch.allclose(out["_positions"], 0.1 * out["noise"])
        True
    """

    def __init__(
        self,
        sigma: float = 0.15,
        remove_mean: bool = True,
        seed: int | None = None,
        only_in_training: bool = False,
    ):
        super().__init__(seed)
        self.sigma = check_number("sigma", sigma, least=0.0, most=1.0, unit="Å", example=0.15)
        self.remove_mean = remove_mean
        self.only_in_training = only_in_training
        self.active = True

    def frozen(self, seed: int) -> "GaussianNoise":
        """Return a copy for validation: fixed noise, or no noise."""
        twin = super().frozen(seed)
        twin.active = not self.only_in_training
        return twin

    def describe(self) -> str:
        """Return a description for a summary."""
        return f"noise of {self.sigma:g} Å on the positions, labels of the clean ones"

    def forward(self, inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Displace `R`; write `R_clean` (Å) and `noise` (in sigma), both (n_atoms, 3).

        `is_corrupted`, bool of shape (n_atoms,), is written unless `SelectCorrupted` did.
        """
        R = inputs[spk_properties.R]
        if not self.active:
            nowhere = torch.zeros(len(R), dtype=torch.bool, device=R.device)
            inputs.setdefault(properties.is_corrupted, nowhere)
        noise = self.draw(inputs, 3, "normal") * (self.sigma > 0.0)
        if self.remove_mean:
            idx_m = system_index(inputs)
            noise = noise - scatter_mean(noise, idx_m, inputs[spk_properties.n_atoms])[idx_m]
        noise = noise * self.corrupted_atoms(inputs)[:, None] * self.active
        inputs[properties.R_clean] = R
        inputs[spk_properties.R] = R + self.sigma * noise
        inputs[properties.noise] = noise
        return inputs
