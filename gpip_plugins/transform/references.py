"""Transforms that take the reference energies of the elements off, and add them back.

Total energies differ by thousands of eV between compositions. One energy per element is subtracted
before training and added back in the stored model (`gpip_plugins.transform.reference_fit`).
"""

import torch
from pytorch_lightning import LightningDataModule
from schnetpack import properties
from schnetpack.transform import Transform

from gpip_plugins.errors import InputError, check_choice
from gpip_plugins.nn.embedding import element_symbol
from gpip_plugins.nn.graphs import system_index
from gpip_plugins.transform.base import BatchTransform
from gpip_plugins.transform.reference_fit import (
    REFERENCES,
    AtomReferences,
    find_references,
    in_ev,
)
from gpip_plugins.transform.training_split import other_compositions, training_labels

__all__ = ["AddAtomReferences", "RemoveAtomReferences"]

Z_MAX = 118
#: Scatter around the references in eV per atom that neither bonds (the cohesive energy of diamond
#: is 7.6 eV per atom) nor strong compression explain.
MOST_SCATTER = 20.0


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
        size = in_ev(unit)
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
        InputError: from `datamodule`, if the label is missing, if it scatters by more than 20 eV
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
