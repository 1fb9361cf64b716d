"""The files of `gpip predict`: structures in, predictions out, in eV, Å and eV/Å."""

import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import ase.io
import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.db import connect
from schnetpack import properties
from schnetpack.data import ASEAtomsData

from gpip_plugins.data.labelled_frames import label_of
from gpip_plugins.data.structures import read_structures
from gpip_plugins.errors import InputError
from gpip_plugins.paths import resolve
from gpip_plugins.units import energy_in_ev, forces_in_ev_per_angstrom, length_in_angstrom

__all__ = ["Prediction", "check_target", "read_predictable", "write_predictions"]

FORMATS = (".xyz", ".extxyz", ".npz")


@dataclass
class Prediction:
    """One structure with what is known and what is predicted about it, in eV and Å.

    Args:
        atoms: the structure, without labels.
        energy: predicted energy in eV.
        forces: predicted forces in eV/Å, shape (n_atoms, 3).
        label_energy: energy that the input carried, in eV, or None.
        label_forces: forces that the input carried, in eV/Å, or None.
    """

    atoms: Atoms
    energy: float = float("nan")
    forces: np.ndarray | None = None
    label_energy: float | None = None
    label_forces: np.ndarray | None = None


def check_target(source: str, target: str, overwrite: bool = False) -> None:
    """Check what can be told from the names alone, before a model is loaded.

    Args:
        source: file with structures.
        target: file to be written.
        overwrite: whether the target may exist.

    Raises:
        InputError: if the source is missing, or the target exists, has another ending, or cannot
            be written.
    """
    source, target = resolve(source), resolve(target)
    if not os.path.isfile(source):
        raise InputError(f"{source} does not exist; name a file with structures.")
    if not target.endswith(FORMATS):
        raise InputError(f"{target} must end in one of {', '.join(FORMATS)}; rename it.")
    if os.path.exists(target) and (not overwrite or os.path.samefile(source, target)):
        raise InputError(f"{target} exists already; name another target or add --force.")
    if not os.access(os.path.dirname(target), os.W_OK):
        raise InputError(
            f"The folder of {target} is missing or cannot be written; make it, mend its "
            "permissions or name another target."
        )


def read_predictable(
    source: str, keys: tuple[str, str], scales: tuple[float, float]
) -> Iterator[Prediction]:
    """Yield the structures of a file in Å, with those labels that they carry in eV and eV/Å.

    Args:
        source: absolute path of a SchNetPack database, or of any file that ASE reads.
        keys: names of energy and forces in the file.
        scales: what one unit of these labels is in eV and eV/Å; a database states its own units.

    Raises:
        InputError: naming the structure that cannot be read or predicted.
    """
    frames = _database(source) if _is_schnetpack(source) else read_structures(source)
    if _is_schnetpack(source):
        # Already converted by the units that the database states.
        scales = (1.0, 1.0)
    for number, atoms in enumerate(frames):
        where = f"Structure {number} of {source} (counted from 0)"
        if not len(atoms) or not np.isfinite(atoms.positions).all():
            raise InputError(f"{where} is empty or has positions that are not finite; repair it.")
        if atoms.pbc.any() and atoms.cell.volume < 1e-6:
            raise InputError(
                f"{where} is periodic, but its cell has a dimension of zero; give all three cell "
                "vectors or set pbc to F F F."
            )
        energy, forces = (label_of(atoms, key) for key in keys)
        yield Prediction(
            Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=atoms.pbc),
            label_energy=None if energy is None else float(np.squeeze(energy)) * scales[0],
            label_forces=None if forces is None else np.reshape(forces, (-1, 3)) * scales[1],
        )


def _database(source: str) -> Iterator[Atoms]:
    """Yield the rows of a SchNetPack database in eV and Å, labels in `info` and `arrays`."""
    data = ASEAtomsData(source)
    length = length_in_angstrom(data.distance_unit or "Ang", f"the distance unit of {source}")
    for row in data.iter_properties():
        atoms = Atoms(
            row[properties.Z].numpy(),
            row[properties.R].numpy() * length,
            cell=row[properties.cell].numpy().reshape(3, 3) * length,
            pbc=row[properties.pbc].numpy().reshape(3),
        )
        for name in data.available_properties:
            unit, value = data.units[name], row[name].double().numpy()
            if value.size == 1:
                atoms.info[name] = value * _factor(unit, energy_in_ev)
            elif value.size == 3 * len(atoms):
                atoms.arrays[name] = value.reshape(-1, 3) * _factor(unit, forces_in_ev_per_angstrom)
        yield atoms


def _factor(unit: str, convert: Callable[[str], float]) -> float:
    """Return the factor of a unit; NaN for a unit of another kind, whose values nobody asks for."""
    try:
        return convert(unit)
    except InputError:
        return float("nan")


def _is_schnetpack(source: str) -> bool:
    """Tell whether a file is a database that SchNetPack wrote."""
    if not source.endswith(".db"):
        return False
    try:
        with connect(source, use_lock_file=False) as database:
            return "_property_unit_dict" in database.metadata
    except Exception as error:
        raise InputError(f"{source} cannot be read as a database ({error}); repair it.") from None


def write_predictions(predictions: list[Prediction], target: str) -> None:
    """Write all predictions to one file, whole or not at all.

    Args:
        predictions: with energy and forces.
        target: absolute path, ending in one of `FORMATS`.

    Raises:
        InputError: if the file cannot be written.
    """
    folder, name = os.path.split(target)
    suffix = os.path.splitext(name)[1]
    handle, partial = tempfile.mkstemp(suffix, f".{name}.", folder)
    os.close(handle)
    try:
        if suffix == ".npz":
            np.savez_compressed(partial, **_arrays(predictions))
        else:
            ase.io.write(partial, [_frame(p) for p in predictions], format="extxyz")
        # mkstemp gives a file that only its owner may read; the result shall be as any other file.
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(partial, 0o666 & ~mask)
        os.replace(partial, target)
    except OSError as error:
        raise InputError(
            f"Writing {target} failed ({error.strerror or error}); mend the space or permissions."
        ) from None
    finally:
        if os.path.exists(partial):
            os.remove(partial)


def _frame(prediction: Prediction) -> Atoms:
    """Return a structure as it is written: predictions as results, labels beside them."""
    atoms = prediction.atoms.copy()
    atoms.calc = SinglePointCalculator(atoms, energy=prediction.energy, forces=prediction.forces)
    atoms.info["units"] = "eV, eV/Ang, Ang"
    if prediction.label_energy is not None:
        atoms.info["label_energy"] = prediction.label_energy
    if prediction.label_forces is not None:
        atoms.arrays["label_forces"] = prediction.label_forces
    return atoms


def _arrays(predictions: list[Prediction]) -> dict[str, np.ndarray]:
    """Return the content of an .npz: atoms of all structures one after the other."""
    arrays = {
        "n_atoms": np.array([len(p.atoms) for p in predictions]),
        "numbers": np.concatenate([p.atoms.numbers for p in predictions]),
        "positions": np.concatenate([p.atoms.positions for p in predictions]),
        "energy": np.array([p.energy for p in predictions]),
        "forces": np.concatenate([p.forces for p in predictions]),
        "units": np.array("eV, eV/Ang, Ang"),
    }
    if all(p.label_energy is not None for p in predictions):
        arrays["label_energy"] = np.array([p.label_energy for p in predictions])
    if all(p.label_forces is not None for p in predictions):
        arrays["label_forces"] = np.concatenate([p.label_forces for p in predictions])
    return arrays
