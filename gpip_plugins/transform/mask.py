"""Masks the elements of some atoms."""

import torch
from schnetpack import properties as spk_properties

from gpip_plugins import properties
from gpip_plugins.errors import InputError, check_number
from gpip_plugins.nn.graphs import system_index
from gpip_plugins.transform.base import RandomTransform

__all__ = ["MaskAtoms"]


class MaskAtoms(RandomTransform):
    """Replace the element of a uniform random subset of each configuration's atoms by [MASK].

    In a configuration with n atoms, `round(mask_rate * n)` atoms, and at least one, are masked.
    With a low probability a masked atom gets a random element instead of the token, since [MASK]
    never occurs when the potential is used (GPIP, section 4.2). The task predicts the original
    element of both. Configurations that `SelectCorrupted` left clean are not masked.

    Args:
        mask_rate: fraction of the atoms, in [0, 1]; 0 masks none. GPIP: 0.15 (ISO17, water), 0.05
            (electrolyte); its code uses 0.10 for MD17.
        random_rate: probability that a masked atom gets a random element, in [0, 1].
        mask_token: atomic number that stands for [MASK]: a row of the representation's embedding
            that no element of the data uses. 0 is right for SchNet, PaiNN and SO3net. FieldSchNet
            never trains row 0 (`padding_idx`), so give it another unused one, such as 99.
        elements: atomic numbers from which random elements are drawn; by default those of the data
            module.
        seed: see `RandomTransform`.

    Raises:
        InputError: a rate is out of its range, or random elements are needed and none are known.

    Example:
        >>> batch = {
        ...     "_atomic_numbers": torch.tensor([6, 1, 1, 1, 1]),
        ...     "_positions": torch.zeros(5, 3),
        ...     "_n_atoms": torch.tensor([5]),
        ... }
        >>> out = MaskAtoms(mask_rate=0.4, random_rate=0.0)(batch)
        >>> int((out["_atomic_numbers"] == 0).sum()), int(out["_is_masked"].sum())
        (2, 2)
    """

    def __init__(
        self,
        mask_rate: float = 0.15,
        random_rate: float = 0.1,
        mask_token: int = 0,
        elements: list[int] | None = None,
        seed: int | None = None,
    ):
        super().__init__(seed)
        self.mask_rate = check_number("mask_rate", mask_rate, least=0.0, most=1.0, example=0.15)
        self.random_rate = check_number(
            "random_rate", random_rate, least=0.0, most=1.0, example=0.1
        )
        self.mask_token = mask_token
        self.elements = None if elements is None else torch.as_tensor(list(elements))

    def datamodule(self, value):
        """Take the elements of the data from the data module, if it knows them."""
        if self.elements is None and getattr(value, "elements", None):
            self.elements = torch.as_tensor(value.elements)

    def forward(self, inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Mask `Z`; write `Z_clean`, and `is_masked` and `is_corrupted`, bool, all (n_atoms,)."""
        Z = inputs[spk_properties.Z]
        n_atoms = inputs[spk_properties.n_atoms]
        idx_m = system_index(inputs)
        priority, substitute, which = self.draw(inputs, 3, "uniform").unbind(-1)

        masked = self._lowest(priority, idx_m, n_atoms) & self.corrupted_atoms(inputs)

        token = torch.full_like(Z, self.mask_token)
        if self.random_rate > 0.0:
            if self.elements is None:
                raise InputError(
                    f"random_rate={self.random_rate} needs elements to draw from; "
                    "give elements=[...] or use a data module of gpip_plugins."
                )
            elements = self.elements.to(Z)
            other = elements[(which * len(elements)).long()]
            token = torch.where(substitute < self.random_rate, other, token)

        inputs[properties.Z_clean] = Z
        inputs[spk_properties.Z] = torch.where(masked, token, Z)
        inputs[properties.is_masked] = masked
        return inputs

    def _lowest(self, priority, idx_m, n_atoms) -> torch.Tensor:
        """Mark the atoms with the lowest priorities of each configuration."""
        n_masked = torch.clamp(
            (self.mask_rate * n_atoms).round().long(), min=int(self.mask_rate > 0)
        )
        by_priority = torch.argsort(priority)
        order = by_priority[torch.argsort(idx_m[by_priority], stable=True)]
        first = torch.cumsum(n_atoms, 0) - n_atoms
        rank = torch.empty_like(idx_m)
        rank[order] = torch.arange(len(idx_m), device=idx_m.device) - first[idx_m]
        return rank < n_masked[idx_m]
