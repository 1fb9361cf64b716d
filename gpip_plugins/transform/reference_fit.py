r"""Reference energies of the elements from labels: a mean per atom, or a fit.

.. math:: \min_{E^0} \sum_m \Big( E_m - \sum_Z n_{mZ} E^0_Z \Big)^2

with :math:`n_{mZ}` atoms of element Z in configuration m. What is left of the energies is the small
difference between a molecule and its atoms, which is zero on average, whatever the composition.
"""

from dataclasses import dataclass

import numpy as np

from gpip_plugins.errors import InputError, check_choice
from gpip_plugins.nn.embedding import element_symbol
from gpip_plugins.transform.training_split import TrainingLabels
from gpip_plugins.units import energy_in_ev

__all__ = ["REFERENCES", "AtomReferences", "find_references", "in_ev"]

REFERENCES = ("auto", "mean", "fitted")


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
        >>> import torch
        >>> Z, n_atoms = torch.tensor([8, 1, 1, 1, 1]), torch.tensor([3, 2])  # H2O, H2
        >>> find_references(TrainingLabels(torch.tensor([-4.0, -2.0]), Z, n_atoms)).energies
        {1: -1.0, 8: -2.0}
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


def in_ev(unit: str | None) -> float | None:
    """Return one unit of energy in eV; None if it is unknown or no energy.

    Args:
        unit: any text, or None.

    Example:
        >>> in_ev("Hartree") > 27, in_ev("Debye"), in_ev(None)
        (True, None, None)
    """
    try:
        return None if unit is None else energy_in_ev(unit)
    except InputError:
        return None
