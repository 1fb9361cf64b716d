"""A saved model that predicts energies, forces and stress of ASE structures."""

import copy
import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from ase import Atoms
from schnetpack import properties
from schnetpack.interfaces import AtomsConverter
from schnetpack.md.utils import CalculatorError, activate_model_stress
from schnetpack.model import AtomisticModel
from schnetpack.transform import MatScipyNeighborList, Transform

from gpip_plugins.errors import InputError, check_choice
from gpip_plugins.potential.card import Card
from gpip_plugins.potential.loading import (
    agreed_cutoff,
    agreed_units,
    check_elements,
    load_potential,
    require_outputs,
)
from gpip_plugins.units import energy_in_ev, length_in_angstrom

__all__ = ["Evaluation", "Potential"]

DTYPES = {"float32": torch.float32, "float64": torch.float64}
STRESS = properties.stress


@dataclass(frozen=True)
class Evaluation:
    """Predictions for a batch.

    Args:
        energies: eV, shape (n_systems,).
        forces: eV/Å, one array (n_atoms, 3) per structure.
        stress: eV/Å^3, dE/d(strain) per volume, shape (n_systems, 3, 3); None if not requested.
    """

    energies: np.ndarray
    forces: list[np.ndarray]
    stress: np.ndarray | None = None


class Potential:
    """A saved model that predicts energies and forces of ASE structures in eV and eV/Å.

    Args:
        model_file: the `best_model` of a run; relative to the folder of the command.
        device: device of the computation; None takes `cuda` if there is a GPU, else `cpu`.
        dtype: `float32` or `float64`; None takes that of the model's parameters.
        energy_unit: unit of the model's energies; None takes that of the model's card.
        distance_unit: unit of the model's lengths; None takes that of the model's card.
        energy_key: name of the energy among the model's outputs.
        forces_key: name of the forces among the model's outputs.
        cutoff: None takes that of the model; another value is refused.
        trust: your packages whose classes may occur in the file.

    Attributes:
        model: the network, ready to predict.
        cutoff: cut-off in the model's unit of length.
        energy_scale: the model's unit of energy in eV.
        distance_scale: the model's unit of length in Å.

    Raises:
        InputError: for a model that is missing, unsafe, or lacks an output, for unknown units, and
            for a device that is not available.
    """

    def __init__(
        self,
        model_file: str,
        device: str | None = None,
        dtype: str | None = None,
        energy_unit: str | None = None,
        distance_unit: str | None = None,
        energy_key: str = "energy",
        forces_key: str = "forces",
        cutoff: float | None = None,
        trust: Sequence[str] = (),
    ):
        self.energy_key, self.forces_key = energy_key, forces_key
        self.device = _device(device)
        self.model = load_potential(model_file, str(self.device), trust)
        if dtype is not None:
            self.model.to(DTYPES[check_choice("dtype", dtype, DTYPES)])
        require_outputs(self.model, energy_key=energy_key, forces_key=forces_key)
        card = Card.from_model(self.model, str(model_file))
        energy_unit, distance_unit = agreed_units(card, energy_unit, distance_unit, energy_key)
        self.energy_scale = energy_in_ev(energy_unit)
        self.distance_scale = length_in_angstrom(distance_unit)
        self.cutoff = agreed_cutoff(self.model, cutoff)
        self._converter = self.converter(MatScipyNeighborList(self.cutoff))

    def converter(self, neighbor_list: Transform) -> AtomsConverter:
        """Return a converter that makes batches with the given neighbour list.

        Args:
            neighbor_list: transform that adds the pairs, in the model's unit of length.
        """
        dtype = next(self.model.parameters()).dtype
        return AtomsConverter(neighbor_list=neighbor_list, device=self.device, dtype=dtype)

    def batch(
        self, structures: Sequence[Atoms], converter: AtomsConverter | None = None
    ) -> dict[str, torch.Tensor]:
        """Return structures in the form that the model needs.

        Args:
            structures: in Å.
            converter: from `converter`; None builds new neighbour lists.
        """
        scaled = []
        for atoms in structures:
            cell = atoms.cell.array / self.distance_scale
            positions = atoms.positions / self.distance_scale
            scaled.append(Atoms(atoms.numbers, positions, cell=cell, pbc=atoms.pbc))
        return (converter or self._converter)(scaled)

    def evaluate(self, batch: dict[str, torch.Tensor], stress: bool = False) -> Evaluation:
        """Evaluate the model.

        Args:
            batch: from `batch`; unchanged.
            stress: also compute the stress; every structure needs a cell.

        Raises:
            InputError: stress is requested from a model that cannot compute it.
        """
        outputs = (self._with_stress if stress else self.model)(dict(batch))
        energies = _numbers(outputs[self.energy_key]).reshape(-1) * self.energy_scale
        forces = _numbers(outputs[self.forces_key]) * self.energy_scale / self.distance_scale
        ends = np.cumsum(batch[properties.n_atoms].tolist())[:-1]
        tensors = None
        if stress:
            tensors = _numbers(outputs[STRESS]).reshape(-1, 3, 3)
            tensors = tensors * self.energy_scale / self.distance_scale**3
        return Evaluation(energies, np.split(forces, ends), tensors)

    def predict(self, structures: Sequence[Atoms]) -> tuple[np.ndarray, list[np.ndarray]]:
        """Predict one batch.

        Args:
            structures: in Å.

        Returns:
            Energies in eV, shape (n_systems,), and forces in eV/Å, one (n_atoms, 3) per structure.

        Raises:
            InputError: if a structure has an element that the model does not know, or if the
                batch does not fit into the memory of the GPU.
        """
        check_elements(self.model, np.concatenate([atoms.numbers for atoms in structures]))
        try:
            result = self.evaluate(self.batch(structures))
        except torch.OutOfMemoryError as error:
            raise InputError(
                f"batch_size={len(structures)} needs more memory than {self.device} has free; "
                f"take a smaller one, such as batch_size={max(len(structures) // 4, 1)}, or "
                "device=cpu."
            ) from error
        return result.energies, result.forces

    @functools.cached_property
    def _with_stress(self) -> AtomisticModel:
        """The model with stress as an output; molecules without a cell need the other one."""
        if STRESS in self.model.model_outputs:
            return self.model
        try:
            return activate_model_stress(copy.deepcopy(self.model), STRESS).to(self.device)
        except CalculatorError as error:
            raise InputError(
                "The model cannot compute the stress, since its forces are not a derivative by "
                "SchNetPack's Forces or Response; leave out the stress, or train another model."
            ) from error


def _numbers(tensor: torch.Tensor) -> np.ndarray:
    """Return a tensor in double precision."""
    return tensor.detach().double().cpu().numpy()


def _device(device: str | None) -> torch.device:
    """Return the device of the computation, after a check that it is available."""
    if device is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        torch.zeros(1, device=device)
        return torch.device(device)
    except (RuntimeError, AssertionError, ValueError):
        raise InputError(f"device={device} is not available here; use device=cpu.") from None
