"""A saved model that predicts energies and forces of ASE structures."""

import numpy as np
import torch
from ase import Atoms
from schnetpack import properties
from schnetpack.interfaces import AtomsConverter
from schnetpack.transform import MatScipyNeighborList

from gpip_plugins.errors import InputError
from gpip_plugins.potential.model import (
    agreed_cutoff,
    agreed_unit,
    check_elements,
    load_potential,
    require_outputs,
    training_units,
)
from gpip_plugins.units import energy_in_ev, length_in_angstrom

__all__ = ["Potential"]


class Potential:
    """A saved model that predicts energies and forces of ASE structures in eV and eV/Å.

    Args:
        model_file: the `best_model` of a run; relative to where the command was typed.
        device: where to compute; None takes `cuda` where there is a GPU, else `cpu`.
        energy_unit: unit of the model's energies; None reads the `config.yaml` of its training.
        distance_unit: unit of the model's lengths; None likewise.
        energy_key: name of the energy among the model's outputs.
        forces_key: name of the forces among the model's outputs.
        cutoff: None takes the model's; another value is refused.
        trust: packages of your own whose classes may occur in the file.

    Raises:
        InputError: for a model that is missing, unsafe, or lacks an output, for unknown units, and
            for a device that is not there.
    """

    def __init__(
        self,
        model_file: str,
        device: str | None = None,
        energy_unit: str | None = None,
        distance_unit: str | None = None,
        energy_key: str = "energy",
        forces_key: str = "forces",
        cutoff: float | None = None,
        trust: tuple[str, ...] = (),
    ):
        self.energy_key, self.forces_key = energy_key, forces_key
        self.device = _device(device)
        self.model = load_potential(model_file, "MODEL", str(self.device), trust)
        require_outputs(self.model, {"--energy-key": energy_key, "--forces-key": forces_key})
        recorded = training_units(model_file)
        energy_unit = agreed_unit(energy_key, "--energy-unit", energy_unit, recorded)
        distance_unit = agreed_unit("distance", "--distance-unit", distance_unit, recorded)
        self.energy_scale = energy_in_ev(energy_unit, "--energy-unit")
        self.distance_scale = length_in_angstrom(distance_unit, "--distance-unit")
        self.converter = AtomsConverter(
            neighbor_list=MatScipyNeighborList(agreed_cutoff(self.model, cutoff, "--cutoff")),
            device=self.device,
            dtype=next(self.model.parameters()).dtype,
        )

    def predict(self, structures: list[Atoms]) -> tuple[np.ndarray, list[np.ndarray]]:
        """Predict one batch.

        Args:
            structures: in Å.

        Returns:
            Energies in eV, shape (n_systems,), and forces in eV/Å, one (n_atoms, 3) per structure.

        Raises:
            InputError: if a structure has an element that the model does not know, or if the
                memory of the GPU does not hold the batch.
        """
        numbers = np.concatenate([atoms.numbers for atoms in structures])
        check_elements(self.model, torch.as_tensor(numbers))
        scaled = []
        for atoms in structures:
            cell = atoms.cell.array / self.distance_scale
            positions = atoms.positions / self.distance_scale
            scaled.append(Atoms(atoms.numbers, positions, cell=cell, pbc=atoms.pbc))
        try:
            batch = self.converter(scaled)
            n_atoms = batch[properties.n_atoms].tolist()
            outputs = self.model(batch)
        except torch.OutOfMemoryError as error:
            raise InputError(
                f"--batch-size {len(structures)} needs more memory than {self.device} has free; "
                f"take a smaller one, such as --batch-size {max(len(structures) // 4, 1)}, or "
                "--device cpu."
            ) from error
        energies = outputs[self.energy_key].detach().double().cpu().numpy().reshape(len(scaled))
        forces = outputs[self.forces_key].detach().double().cpu()
        factor = self.energy_scale / self.distance_scale
        split = [f.numpy() * factor for f in torch.split(forces, n_atoms)]
        return energies * self.energy_scale, split


def _device(device: str | None) -> torch.device:
    """Return the device to compute on, checked to be there."""
    if device is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        torch.zeros(1, device=device)
        return torch.device(device)
    except (RuntimeError, AssertionError, ValueError):
        raise InputError(f"--device {device} is not available here; use --device cpu.") from None
