r"""Reference energies of the elements, found from the training labels.

Total energies differ by thousands of eV between compositions. One energy per element is subtracted
before training and added back in the stored model. For one composition it is the mean energy per
atom, the same for every element; for several it is a least-squares fit,

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

from gpip_plugins.errors import InputError, check_choice
from gpip_plugins.nn.embedding import element_symbol
from gpip_plugins.nn.graphs import system_index
from gpip_plugins.transform.base import BatchTransform
from gpip_plugins.transform.training_split import (
    TrainingLabels,
    other_compositions,
    training_labels,
)
from gpip_plugins.units import energy_in_ev

__all__ = ["AddAtomReferences", "AtomReferences", "RemoveAtomReferences", "find_references"]

Z_MAX = 118
REFERENCES = ("auto", "mean", "fitted")
#: Scatter around the references in eV per atom that no bond explains: the atomization energy of
#: diamond is 7.6 eV per atom.
MOST_SCATTER = 10.0


@dataclass
class AtomReferences:
    """Reference energies of the elements.

    Args:
        kind: `mean` or `fitted`.
        energies: element to reference energy, in the unit of the labels.
        compositions: different compositions of the training data, as numbers of atoms of the
            elements in `energies`, shape (n_compositions, n_elements).
        rmse: root mean square of what is left of the labels.
        scatter: the same of what is left per atom.
    """

    kind: str
    energies: dict[int, float]
    compositions: np.ndarray
    rmse: float
    scatter: float

    @property
    def rank(self) -> int:
        """Number of independent compositions."""
        return int(np.linalg.matrix_rank(self.compositions))

    def __str__(self) -> str:
        """Return the description of the references, on one line."""
        n, left = len(self.compositions), f"(left: RMS {self.rmse:.4g})"
        several = f"{n} compositions" if n > 1 else "one composition"
        if self.kind == "mean":
            mean = next(iter(self.energies.values()))
            remark = "; references=auto would fit one energy per element" if self.rank > 1 else ""
            return f"mean per atom of {several}: {mean:.8g} {left}{remark}"
        values = ", ".join(f"{element_symbol(z)} {e:.8g}" for z, e in self.energies.items())
        text = f"fitted to the training labels of {several}: {values} {left}"
        free = len(self.energies) - self.rank
        if free:
            text += (
                f"; the compositions leave {free} of {len(self.energies)} undetermined, so these "
                "are the values of smallest norm: only their sums for such compositions are "
                "meaningful"
            )
        return text

    def undetermined(self, compositions: list[dict[int, int]]) -> int:
        """Return how many compositions have a sum of references that the fit does not determine.

        Args:
            compositions: element to number of atoms.
        """
        elements = list(self.energies)
        known = np.linalg.svd(self.compositions, full_matrices=False)[2][: self.rank]
        missing = 0
        for composition in compositions:
            counts = np.array([composition.get(z, 0) for z in elements], dtype=float)
            outside = counts - known.T @ (known @ counts)
            unseen = set(composition) - set(elements)
            missing += bool(unseen) or np.linalg.norm(outside) > 1e-6 * np.linalg.norm(counts)
        return missing


def find_references(labels: TrainingLabels, references: str = "auto") -> AtomReferences:
    """Find the reference energies; of several solutions of a fit take that of smallest norm.

    Args:
        labels: energies of the training configurations, with their atoms.
        references: `mean` takes the mean energy per atom for every element, `fitted` a
            least-squares fit, `auto` the mean if all compositions are multiples of one, else the
            fit.

    Raises:
        InputError: for another word.

    Example:
        >>> Z, n_atoms = torch.tensor([8, 1, 1, 1, 1]), torch.tensor([3, 2])  # H2O, H2
        >>> print(find_references(TrainingLabels(torch.tensor([-4.0, -2.0]), Z, n_atoms)))
        fitted to the training labels of 2 compositions: H -1, O -2 (left: RMS 0)
    """
    check_choice("references", references, REFERENCES)
    elements, column = np.unique(labels.Z.numpy(), return_inverse=True)
    n_atoms, energies = labels.n_atoms.numpy(), labels.values.double().numpy()
    cells = np.repeat(np.arange(len(n_atoms)), n_atoms) * len(elements) + column
    counts = np.bincount(cells, minlength=len(n_atoms) * len(elements)).reshape(len(n_atoms), -1)
    compositions = np.unique(counts, axis=0)
    several = np.linalg.matrix_rank(compositions) > 1
    kind = ("fitted" if several else "mean") if references == "auto" else references
    if kind == "mean":
        solution = np.full(len(elements), (energies / n_atoms).mean())
    else:
        solution = np.linalg.lstsq(counts.astype(float), energies, rcond=None)[0]
    left = energies - counts @ solution
    return AtomReferences(
        kind,
        {int(z): round(float(e), 10) for z, e in zip(elements, solution, strict=True)},
        compositions,
        float(np.sqrt(np.mean(left**2))),
        float(np.sqrt(np.mean((left / n_atoms) ** 2))),
    )


class _AtomReferences:
    """References that are found when the data module is known; base of both transforms."""

    atomref: torch.Tensor

    def __init__(self, property: str, references: str = "auto"):
        super().__init__()
        self.property = property
        self.references = check_choice("references", references, REFERENCES)
        # Plain text and numbers: the stored model must contain no classes except modules.
        self.account = ""
        self.scatter = 0.0
        self.register_buffer("atomref", torch.zeros(Z_MAX + 1, dtype=torch.float64))

    def datamodule(self, value: LightningDataModule) -> None:
        """Find the references of the training configurations."""
        self._fit(value)

    def _fit(self, value: LightningDataModule) -> AtomReferences:
        found = find_references(training_labels(value, self.property), self.references)
        unit = (getattr(value, "property_units", None) or {}).get(self.property)
        self._check_scatter(found, unit)
        if self.references != "mean":
            self._check_elements(found, getattr(value, "elements", []))
        # The mean serves every element, also those that occur in validation and test only.
        fill = next(iter(found.energies.values())) if found.kind == "mean" else 0.0
        atomref = torch.full_like(self.atomref, fill)
        for z, energy in found.energies.items():
            atomref[z] = energy
        self.atomref, self.scatter = atomref, found.scatter
        self.account = str(found) + (f" {unit}" if unit else "")
        return found

    def _check_scatter(self, found: AtomReferences, unit: str | None) -> None:
        """Refuse energies that have no common reference, if their unit is known."""
        size = _in_ev(unit)
        if size is None or found.scatter * size <= MOST_SCATTER:
            return
        remedy = (
            "take one reference for each element with references=auto"
            if found.kind == "mean" and found.rank > 1
            else "check whether they come from several methods, units or charges, and remove "
            "frames whose calculation failed"
        )
        raise InputError(
            f"The '{self.property}' of the training configurations scatters by {found.scatter:.3g} "
            f"{unit} per atom around its references ({found}), more than any bond; {remedy}."
        )

    def _check_elements(self, found: AtomReferences, elements: list[int]) -> None:
        """Refuse elements for which the training configurations give no reference."""
        unseen = sorted(set(elements) - set(found.energies))
        if unseen:
            names = ", ".join(element_symbol(z) for z in unseen)
            raise InputError(
                f"The training configurations hold no {names}, so no reference energy can be "
                "fitted for it; split the data otherwise (split_file), or use "
                "references=mean."
            )

    def _apply(self, fn, recurse=True):
        """Keep double precision, whatever that of the network: references are large."""
        exact = self.atomref
        super()._apply(fn, recurse)
        self.atomref = exact.to(self.atomref.device)
        return self

    def _sums(self, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        """Return the sum of references of every configuration, shape (n_systems,)."""
        per_atom = self.atomref[inputs[properties.Z]]
        n_systems = len(inputs[properties.n_atoms])
        return per_atom.new_zeros(n_systems).index_add(0, system_index(inputs), per_atom)


class RemoveAtomReferences(_AtomReferences, BatchTransform):
    """Subtract the reference energies of the atoms from the label.

    Args:
        property: name of the energy, one number per configuration.
        references: `auto`, `mean` or `fitted`, see `find_references`.

    Raises:
        InputError: from `datamodule`, if the label is missing, if it scatters by more than 10 eV
            per atom around its references, or if an element occurs in validation or test
            configurations only (except with `mean`).
    """

    def forward(self, inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Replace the energy, shape (n_systems,), by its difference from the references."""
        energy = inputs[self.property]
        inputs[self.property] = (energy.double() - self._sums(inputs)).to(energy)
        return inputs


class AddAtomReferences(_AtomReferences, Transform):
    """Add the reference energies back to the prediction of the stored model.

    Place it after `CastTo64`: total energies are large, and float32 would round them.

    Args:
        property: name of the energy.
        references: that of `RemoveAtomReferences`.

    Raises:
        InputError: as `RemoveAtomReferences`.
    """

    is_preprocessor: bool = False
    is_postprocessor: bool = True

    def datamodule(self, value: LightningDataModule) -> None:
        """Find the references, and say which compositions of validation and test they leave out."""
        missing = self._fit(value).undetermined(other_compositions(value))
        if missing:
            self.account += (
                f"; {missing} compositions of the validation and test configurations are not "
                "determined by those of the training, so their energies can be wrong by any amount"
            )

    def forward(self, inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Replace the energy, shape (n_systems,), by the total energy."""
        energy = inputs[self.property]
        inputs[self.property] = energy + self._sums(inputs).to(energy)
        return inputs


def _in_ev(unit: str | None) -> float | None:
    """Return one unit of energy in eV; None if it is unknown or no energy."""
    try:
        return None if unit is None else energy_in_ev(unit)
    except InputError:
        return None
