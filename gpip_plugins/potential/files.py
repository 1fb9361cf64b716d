"""Files of `gpip predict`: reads structures, writes predictions, in eV, Å and eV/Å."""

from collections.abc import Iterator
from dataclasses import dataclass

import ase.io
import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

from gpip_plugins.analysis.structure_faults import check_structure
from gpip_plugins.errors import InputError
from gpip_plugins.io.ase_database import Database, is_schnetpack
from gpip_plugins.io.paths import check_target, existing, resolve, whole_file
from gpip_plugins.labels.frames import label_of
from gpip_plugins.labels.readers import FAULT, reader_of
from gpip_plugins.units import energy_in_ev, forces_in_ev_per_angstrom

__all__ = ["Prediction", "check_files", "read_predictable", "write_predictions"]

FORMATS = (".xyz", ".extxyz", ".npz")


@dataclass
class Prediction:
    """One structure with labels and predictions, in eV and Å.

    Args:
        atoms: the structure, without labels.
        energy: predicted energy in eV.
        forces: predicted forces in eV/Å, shape (n_atoms, 3).
        label_energy: energy in the input, in eV, or None; it may be NaN or infinite.
        label_forces: forces in the input, in eV/Å, or None; they may be NaN or infinite.
    """

    atoms: Atoms
    energy: float = float("nan")
    forces: np.ndarray | None = None
    label_energy: float | None = None
    label_forces: np.ndarray | None = None


def check_files(source: str, target: str, overwrite: bool = False) -> None:
    """Check the names of the files, before a model is loaded.

    Args:
        source: file with structures.
        target: file to be written.
        overwrite: whether the target may exist.

    Raises:
        InputError: if the source is missing, or the target exists, has another ending, or cannot
            be written.
    """
    source = existing("source", source, "name a file with structures")
    check_target(resolve(target), FORMATS, overwrite, source)


def read_predictable(
    source: str, keys: tuple[str, str], scales: tuple[float, float]
) -> Iterator[Prediction]:
    """Yield the structures of a file in Å, with their labels in eV and eV/Å.

    Args:
        source: absolute path of a SchNetPack database, or of any file that `gpip import` reads.
        keys: names of energy and forces in the file.
        scales: factors from these labels to eV and eV/Å; not used for a file that states its units.

    Raises:
        InputError: names the structure that cannot be read or predicted.
    """
    if is_schnetpack(source, "source"):
        # Converted with the units that the database states.
        frames, scales = _rows(source, keys), (1.0, 1.0)
    else:
        reader = reader_of(source)
        frames = reader.frames(source)
        if reader.converts and reader.states_units(source):
            scales = (1.0, 1.0)
    for number, atoms in enumerate(frames):
        where = f"Structure {number} of {source} (counted from 0)"
        if FAULT in atoms.info:
            raise InputError(
                f"{where} has {atoms.info[FAULT]}, so that its labels say nothing; write a "
                "database with `gpip import --skip-unlabelled`, and predict that."
            )
        check_structure(atoms, where)
        energy = _label(atoms, keys[0], (1,), "label_energy_key", where)
        forces = _label(atoms, keys[1], (len(atoms), 3), "label_forces_key", where)
        yield Prediction(
            Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=atoms.pbc),
            label_energy=None if energy is None else float(energy[0]) * scales[0],
            label_forces=None if forces is None else forces * scales[1],
        )


def _label(
    atoms: Atoms, name: str, shape: tuple[int, ...], parameter: str, where: str
) -> np.ndarray | None:
    """Return a label as numbers of a shape, or None if the structure does not have it."""
    value = label_of(atoms, name)
    if value is None:
        return None
    try:
        return np.asarray(value, dtype=float).reshape(shape)
    except (TypeError, ValueError):
        raise InputError(
            f"{parameter}={name}: {where} has under this name {np.shape(value) or value} instead "
            f"of numbers of shape {shape}; name the right label, or one that is not there to go "
            "without."
        ) from None


def _rows(source: str, keys: tuple[str, str]) -> Iterator[Atoms]:
    """Yield the rows of a SchNetPack database in eV and Å, two labels in `info` and `arrays`."""
    database = Database(source, "source", "name a file with structures")
    units = database.property_units or {}
    converters = (energy_in_ev, forces_in_ev_per_angstrom)
    factors = {
        key: convert(units[key], f"the unit of {key} in {source}")
        for key, convert in zip(keys, converters, strict=True)
        if key in units
    }
    for row in database.rows():
        atoms = database.structure(row)
        for name, factor in factors.items():
            if name not in row.data:
                continue
            value = np.asarray(row.data[name], dtype=float) * factor
            if value.size == 3 * len(atoms):
                atoms.arrays[name] = value.reshape(-1, 3)
            else:
                atoms.info[name] = value
        yield atoms


def write_predictions(predictions: list[Prediction], target: str) -> None:
    """Write all predictions to one file, completely or not at all.

    Args:
        predictions: predictions with energy and forces.
        target: absolute path, ending in one of `FORMATS`.

    Raises:
        InputError: if the file cannot be written.
    """
    with whole_file(target) as partial:
        if target.endswith(".npz"):
            np.savez_compressed(partial, **_arrays(predictions))
        else:
            ase.io.write(partial, [_frame(p) for p in predictions], format="extxyz")


def _frame(prediction: Prediction) -> Atoms:
    """Return a structure for writing: predictions as results, labels beside them."""
    atoms = prediction.atoms.copy()
    atoms.calc = SinglePointCalculator(atoms, energy=prediction.energy, forces=prediction.forces)
    atoms.info["units"] = "eV, eV/Ang, Ang"
    if prediction.label_energy is not None:
        atoms.info["label_energy"] = prediction.label_energy
    if prediction.label_forces is not None:
        atoms.arrays["label_forces"] = prediction.label_forces
    return atoms


def _arrays(predictions: list[Prediction]) -> dict[str, np.ndarray]:
    """Return the content of an .npz file: atoms of all structures in one array."""
    arrays = {
        "n_atoms": np.array([len(p.atoms) for p in predictions]),
        "numbers": np.concatenate([p.atoms.numbers for p in predictions]),
        "positions": np.concatenate([p.atoms.positions for p in predictions]),
        "energy": np.array([p.energy for p in predictions]),
        "forces": np.concatenate([p.forces for p in predictions]),
        "units": np.array("eV, eV/Ang, Ang"),
    }
    # Missing labels are NaN.
    if any(p.label_energy is not None for p in predictions):
        energies = [np.nan if p.label_energy is None else p.label_energy for p in predictions]
        arrays["label_energy"] = np.array(energies)
    if any(p.label_forces is not None for p in predictions):
        forces = [np.full_like(p.forces, np.nan) for p in predictions]
        for row, prediction in zip(forces, predictions, strict=True):
            if prediction.label_forces is not None:
                row[:] = prediction.label_forces
        arrays["label_forces"] = np.concatenate(forces)
    return arrays
