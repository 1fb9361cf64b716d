r"""Reference energies of the elements, fitted to the training labels.

.. math:: \min_{E^0} \sum_m \Big( E_m - \sum_Z n_{mZ} E^0_Z \Big)^2

with :math:`n_{mZ}` atoms of element Z in configuration m. The network then learns the small
difference between a molecule and its atoms, which is zero on average, whatever the composition.
"""

from dataclasses import dataclass

import numpy as np
import torch
from pytorch_lightning import LightningDataModule
from schnetpack import properties
from schnetpack.transform import Transform

from gpip_plugins.errors import InputError
from gpip_plugins.nn.embedding import element_symbol
from gpip_plugins.nn.graphs import system_index
from gpip_plugins.transform.base import BatchTransform
from gpip_plugins.transform.training_split import TrainingLabels, training_labels

__all__ = ["AddAtomReferences", "FittedReferences", "RemoveAtomReferences", "fit_atom_references"]

Z_MAX = 118


@dataclass
class FittedReferences:
    """Result of a fit.

    Args:
        energies: element to reference energy, in the unit of the labels.
        rank: number of independent compositions in the training data.
        rmse: root mean square of the residuals, in the unit of the labels.
    """

    energies: dict[int, float]
    rank: int
    rmse: float

    def __str__(self) -> str:
        """Return the description of the fit, on one line."""
        values = ", ".join(f"{element_symbol(z)} {e:.6g}" for z, e in self.energies.items())
        text = f"fitted to the training labels: {values} (left: RMS {self.rmse:.4g})"
        free = len(self.energies) - self.rank
        if free:
            text += (
                f"; the compositions leave {free} of {len(self.energies)} undetermined, so these "
                "are the values of smallest norm: only their sums for such compositions are "
                "meaningful"
            )
        return text


def fit_atom_references(labels: TrainingLabels) -> FittedReferences:
    """Fit one energy per element by least squares; take the smallest norm if not unique.

    Args:
        labels: energies of the training configurations, with their atoms.

    Example:
        >>> Z, n_atoms = torch.tensor([8, 1, 1, 1, 1]), torch.tensor([3, 2])  # H2O, H2
        >>> fit_atom_references(TrainingLabels(torch.tensor([-4.0, -2.0]), Z, n_atoms)).energies
        {1: -1.0, 8: -2.0}
    """
    elements, column = np.unique(labels.Z.numpy(), return_inverse=True)
    owner = np.repeat(np.arange(len(labels.n_atoms)), labels.n_atoms.numpy())
    counts = np.zeros((len(labels.n_atoms), len(elements)))
    np.add.at(counts, (owner, column), 1.0)
    energies = labels.values.double().numpy()
    solution, _, rank, _ = np.linalg.lstsq(counts, energies, rcond=None)
    rmse = float(np.sqrt(np.mean((energies - counts @ solution) ** 2)))
    values = {int(z): round(float(e), 10) for z, e in zip(elements, solution, strict=True)}
    return FittedReferences(values, int(rank), rmse)


class _AtomReferences:
    """Fit of the references when the data module is known; base of both transforms."""

    atomref: torch.Tensor

    def __init__(self, property: str):
        super().__init__()
        self.property = property
        # Plain text: the stored model must contain no classes except modules.
        self.account = ""
        self.register_buffer("atomref", torch.zeros(Z_MAX + 1, dtype=torch.float64))

    def datamodule(self, value: LightningDataModule) -> None:
        """Fit to the training configurations."""
        fitted = fit_atom_references(training_labels(value, self.property))
        unseen = sorted(set(getattr(value, "elements", [])) - set(fitted.energies))
        if unseen:
            names = ", ".join(element_symbol(z) for z in unseen)
            raise InputError(
                f"The training configurations hold no {names}, so no reference energy can be "
                "fitted for it; split the data otherwise (split_file), or use "
                "references=mean."
            )
        atomref = torch.zeros_like(self.atomref)
        for z, energy in fitted.energies.items():
            atomref[z] = energy
        self.atomref = atomref
        self.account = str(fitted)

    def _sums(self, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        """Return the sum of references of every configuration, shape (n_systems,)."""
        per_atom = self.atomref[inputs[properties.Z]]
        n_systems = len(inputs[properties.n_atoms])
        return per_atom.new_zeros(n_systems).index_add(0, system_index(inputs), per_atom)


class RemoveAtomReferences(_AtomReferences, BatchTransform):
    """Subtract fitted reference energies of the atoms from the label.

    Args:
        property: name of the energy, one number per configuration.

    Raises:
        InputError: from `datamodule`, if the label is missing, or an element occurs in validation
            or test configurations only.
    """

    def forward(self, inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Replace the energy, shape (n_systems,), by its difference from the references."""
        energy = inputs[self.property]
        inputs[self.property] = energy - self._sums(inputs).to(energy)
        return inputs


class AddAtomReferences(_AtomReferences, Transform):
    """Add the reference energies back to the prediction of the stored model.

    Place it after `CastTo64`: total energies are large, and float32 would round them.

    Args:
        property: name of the energy.

    Raises:
        InputError: as `RemoveAtomReferences`.
    """

    is_preprocessor: bool = False
    is_postprocessor: bool = True

    def forward(self, inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Replace the energy, shape (n_systems,), by the total energy."""
        energy = inputs[self.property]
        inputs[self.property] = energy + self._sums(inputs).to(energy)
        return inputs
