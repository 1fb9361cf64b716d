"""Target forces of force-centric pre-training, for configurations of every kind."""

import torch
from schnetpack import properties as spk_properties

from gpip_plugins import properties
from gpip_plugins.errors import InputError, check_number
from gpip_plugins.nn.graphs import scatter_mean, system_index
from gpip_plugins.properties import Kind
from gpip_plugins.transform.base import RandomTransform

__all__ = ["ForceTargets"]


class ForceTargets(RandomTransform):
    r"""Write the target forces of a batch that mixes configurations of all kinds.

    Force-centric pre-training (ET-OREO, arXiv:2308.14759) learns forces from all of them:

    .. math:: F = F_{DFT} \text{ (off equilibrium)}, \quad F(r_e) = 0, \quad
        F(r_e + \epsilon) \approx -k \epsilon, \quad \epsilon_i \sim \mathcal N(0, \sigma^2)

    Whenever an equilibrium configuration is returned, it is either unchanged or displaced, at
    random. The mean of its displacements is removed: a translation causes no force. The source
    gives neither k, sigma nor the share of displaced configurations; the defaults are ours. For
    small displacements the best k is the mean curvature of the energy along one coordinate of an
    atom (the mean diagonal element of the Hessian).

    Place it before noise and mask and, if there is one, after `SelectCorrupted`, whose corrupted
    configurations get no forces.

    Args:
        sigma: standard deviation of the displacements in Å, in (0, 1].
        stiffness: k in eV/Å^2, not negative.
        perturbed_fraction: probability in [0, 1] with which an equilibrium configuration is
            displaced.
        forces_key: label with the forces of off-equilibrium configurations, in eV/Å.
        seed: see `RandomTransform`.

    Raises:
        InputError: a setting is out of its range; the data have no kinds; noise was applied before.

    Example:
        >>> batch = {
        ...     "_positions": torch.zeros(3, 3),
        ...     "_n_atoms": torch.tensor([2, 1]),
        ...     "_kind": torch.tensor([Kind.OFF_EQUILIBRIUM, Kind.EQUILIBRIUM]),
        ...     "forces": torch.tensor([[1.0, 0, 0], [-1.0, 0, 0], [torch.nan] * 3]),
        ... }
        >>> ForceTargets(perturbed_fraction=0.0)(batch)["_force_targets"][:, 0]
        tensor([ 1., -1.,  0.])
    """

    def __init__(
        self,
        sigma: float = 0.05,
        stiffness: float = 30.0,
        perturbed_fraction: float = 0.5,
        forces_key: str = spk_properties.forces,
        seed: int | None = None,
    ):
        super().__init__(seed)
        self.sigma = check_number("sigma", sigma, above=0.0, most=1.0, unit="Å", example=0.05)
        self.stiffness = check_number(
            "stiffness", stiffness, least=0.0, unit="eV/Å^2", example=30.0
        )
        self.perturbed_fraction = check_number(
            "perturbed_fraction", perturbed_fraction, least=0.0, most=1.0, example=0.5
        )
        self.forces_key = forces_key

    def forward(self, inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Write `force_targets` in eV/Å, shape (n_atoms, 3), and the kind of target of each atom.

        `is_off_equilibrium`, `is_equilibrium` and `is_perturbed`, bool of shape (n_atoms,), exclude
        one another; atoms that are in none have the target NaN. `R` and `kind` of displaced
        configurations change.
        """
        if properties.kind not in inputs:
            raise InputError(
                "ForceTargets needs configurations with a kind; use a mixture "
                "(data=mixture), also for a single database."
            )
        if properties.R_clean in inputs or properties.Z_clean in inputs:
            raise InputError(
                "ForceTargets comes after noise or mask in transforms; put it before them."
            )
        idx_m, n_atoms = system_index(inputs), inputs[spk_properties.n_atoms]
        R, kind = inputs[spk_properties.R], inputs[properties.kind]
        drawn = self.draw(inputs, 4, "normal")
        # The fourth number of its first atom is used for the whole configuration.
        chance = torch.special.ndtr(drawn[torch.cumsum(n_atoms, 0) - n_atoms, 3])
        displaced = (kind == Kind.EQUILIBRIUM) & (chance < self.perturbed_fraction)
        corrupted = inputs.get(properties.is_corrupted)
        learned = torch.ones_like(idx_m, dtype=torch.bool) if corrupted is None else ~corrupted

        is_perturbed = displaced[idx_m] & learned
        is_equilibrium = (kind == Kind.EQUILIBRIUM)[idx_m] & ~is_perturbed & learned
        is_off = (kind == Kind.OFF_EQUILIBRIUM)[idx_m] & learned

        noise = drawn[:, :3] - scatter_mean(drawn[:, :3], idx_m, n_atoms)[idx_m]
        displacement = torch.where(is_perturbed[:, None], self.sigma * noise, 0.0).to(R.dtype)
        targets = torch.where(is_perturbed[:, None], -self.stiffness * displacement, torch.nan)
        targets = targets.masked_fill(is_equilibrium[:, None], 0.0)
        if bool(is_off.any()):
            targets = torch.where(is_off[:, None], self._forces(inputs).to(R.dtype), targets)

        inputs[spk_properties.R] = R + displacement
        moved = torch.zeros_like(displaced).index_put((idx_m,), is_perturbed)
        inputs[properties.kind] = torch.where(moved, int(Kind.PERTURBED), kind)
        inputs[properties.force_targets] = targets
        inputs[properties.is_off_equilibrium] = is_off
        inputs[properties.is_equilibrium] = is_equilibrium
        inputs[properties.is_perturbed] = is_perturbed
        return inputs

    def _forces(self, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        if self.forces_key not in inputs:
            raise InputError(
                f"forces_key={self.forces_key} is no label of the data; set it to the name of the "
                "forces, and name it in load_properties."
            )
        return inputs[self.forces_key]
