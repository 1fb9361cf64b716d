"""Predicts energies and forces of many structures into one file, and compares with labels.

Output is in eV, Å and eV/Å. Structures come from any file that ASE reads, or from a SchNetPack
database, whose units are those of its metadata.
"""

import numpy as np
import torch
from ase import Atoms
from schnetpack import properties
from schnetpack.interfaces import AtomsConverter
from schnetpack.transform import MatScipyNeighborList
from tqdm import tqdm

from gpip_plugins.errors import InputError
from gpip_plugins.paths import resolve
from gpip_plugins.potential import (
    agreed_cutoff,
    agreed_unit,
    check_elements,
    load_potential,
    require_outputs,
    training_units,
)
from gpip_plugins.prediction_files import (
    Prediction,
    check_target,
    read_predictable,
    write_predictions,
)
from gpip_plugins.units import energy_in_ev, forces_in_ev_per_angstrom, length_in_angstrom

__all__ = ["Potential", "errors_of", "predict_file"]


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
            InputError: if a structure has an element that the model does not know.
        """
        numbers = np.concatenate([atoms.numbers for atoms in structures])
        check_elements(self.model, torch.as_tensor(numbers))
        scaled = []
        for atoms in structures:
            cell = atoms.cell.array / self.distance_scale
            positions = atoms.positions / self.distance_scale
            scaled.append(Atoms(atoms.numbers, positions, cell=cell, pbc=atoms.pbc))
        batch = self.converter(scaled)
        n_atoms = batch[properties.n_atoms].tolist()
        outputs = self.model(batch)
        energies = outputs[self.energy_key].detach().double().cpu().numpy().reshape(len(scaled))
        forces = outputs[self.forces_key].detach().double().cpu()
        factor = self.energy_scale / self.distance_scale
        split = [f.numpy() * factor for f in torch.split(forces, n_atoms)]
        return energies * self.energy_scale, split


def predict_file(
    potential: Potential,
    source: str,
    target: str,
    batch_size: int = 100,
    label_energy_key: str = "energy",
    label_forces_key: str = "forces",
    label_energy_unit: str = "eV",
    label_forces_unit: str = "eV/Ang",
    overwrite: bool = False,
    progress: bool = True,
) -> dict[str, float]:
    """Predict all structures of a file and write one file.

    Args:
        potential: the model.
        source: structures; a SchNetPack database, or any file that ASE reads.
        target: extended XYZ (.xyz, .extxyz) or .npz; it appears whole or not at all.
        batch_size: structures per evaluation of the model.
        label_energy_key: name of the energy in `source`, if it has one.
        label_forces_key: name of the forces in `source`, if it has some.
        label_energy_unit: unit of these labels; a database states its own.
        label_forces_unit: likewise.
        overwrite: replace an existing target.
        progress: show a progress bar (only on a terminal).

    Returns:
        `n_structures`, and if there are labels the errors that `errors_of` gives.

    Raises:
        InputError: for a source that cannot be read or holds no structures, structures that
            cannot be predicted, a target of another format or one that exists.
    """
    if batch_size < 1:
        raise InputError(f"--batch-size {batch_size} is less than 1; use for example 100.")
    source, target = resolve(source), resolve(target)
    check_target(source, target, overwrite)
    scales = (
        energy_in_ev(label_energy_unit, "--label-energy-unit"),
        forces_in_ev_per_angstrom(label_forces_unit, "--label-forces-unit"),
    )
    predictions = list(read_predictable(source, (label_energy_key, label_forces_key), scales))
    if not predictions:
        raise InputError(f"{source} holds no structures; name a file with at least one.")
    bar = tqdm(total=len(predictions), desc="predicting", disable=None if progress else True)
    with bar:
        for start in range(0, len(predictions), batch_size):
            part = predictions[start : start + batch_size]
            energies, forces = potential.predict([p.atoms for p in part])
            for prediction, energy, force in zip(part, energies, forces, strict=True):
                prediction.energy, prediction.forces = float(energy), force
            bar.update(len(part))
    write_predictions(predictions, target)
    return {"n_structures": len(predictions)} | errors_of(predictions)


def errors_of(predictions: list[Prediction]) -> dict[str, float]:
    r"""Return mean absolute and root mean square errors, where there are labels.

    Energies are compared per structure (`energy_mae`, `energy_rmse`, eV) and per atom
    (`energy_per_atom_mae`, ...); forces by component (`forces_mae`, ..., eV/Å).

    Args:
        predictions: with labels or without.
    """
    found: dict[str, float] = {}
    with_energy = [p for p in predictions if p.label_energy is not None]
    if with_energy:
        difference = np.array([p.energy - p.label_energy for p in with_energy])
        n_atoms = np.array([len(p.atoms) for p in with_energy])
        found |= _mae_rmse("energy", difference) | _mae_rmse(
            "energy_per_atom", difference / n_atoms
        )
    with_forces = [p for p in predictions if p.label_forces is not None]
    if with_forces:
        difference = np.concatenate([(p.forces - p.label_forces).ravel() for p in with_forces])
        found |= _mae_rmse("forces", difference)
    return found


def _mae_rmse(name: str, difference: np.ndarray) -> dict[str, float]:
    rmse = float(np.sqrt(np.mean(difference**2)))
    return {f"{name}_mae": float(np.abs(difference).mean()), f"{name}_rmse": rmse}


def _device(device: str | None) -> torch.device:
    """Return the device to compute on, checked to be there."""
    if device is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        torch.zeros(1, device=device)
        return torch.device(device)
    except (RuntimeError, AssertionError, ValueError):
        raise InputError(f"--device {device} is not available here; use --device cpu.") from None
