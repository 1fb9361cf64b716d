"""Reads labelled configurations from a folder in DeePMD-kit's format (`deepmd/npy`).

    type.raw        type of every atom, counted from 0
    type_map.raw    element of every type (may be missing)
    set.*/coord.npy, box.npy, energy.npy, force.npy    Å, Å, eV, eV/Å; one row for every frame
    nopbc           present when the frames are not periodic

Format: https://docs.deepmodeling.com/projects/deepmd/en/stable/data/system.html
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.data import atomic_numbers

from gpip_plugins.errors import InputError

__all__ = ["is_deepmd_folder", "read_deepmd_folder"]


def is_deepmd_folder(path: str) -> bool:
    """Tell whether a path is a folder in this format."""
    return (Path(path) / "type.raw").is_file()


def read_deepmd_folder(path: str, elements: Sequence[str] | None = None) -> Iterator[Atoms]:
    """Yield the frames of all sets, with energy (eV) and forces (eV/Å).

    Args:
        path: the folder with type.raw.
        elements: element of every type, where the folder has no type_map.raw.

    Raises:
        InputError: when the elements are not known, or an array is missing or of a wrong shape.
    """
    folder = Path(path)
    types = np.loadtxt(folder / "type.raw", dtype=int, ndmin=1).ravel()
    numbers = _numbers(folder, types, elements)
    periodic = not (folder / "nopbc").exists()
    sets = sorted(folder.glob("set.*"))
    if not sets:
        raise InputError(f"{path} holds no set.*; give the folder that holds type.raw and set.000.")
    for part in sets:
        arrays = {name: _load(part, name) for name in ("coord", "energy", "force")}
        n_frames, shape = len(arrays["energy"].reshape(-1)), (-1, len(types), 3)
        try:
            coord, force = arrays["coord"].reshape(shape), arrays["force"].reshape(shape)
            box = _load(part, "box").reshape(-1, 3, 3) if periodic else np.zeros((n_frames, 3, 3))
            if not len(coord) == len(force) == len(box) == n_frames:
                raise ValueError("different numbers of frames")
        except ValueError as error:
            raise InputError(
                f"{part}: its arrays do not fit together ({error}); repair it."
            ) from None
        for positions, cell, energy, forces in zip(
            coord, box, arrays["energy"].reshape(-1), force, strict=True
        ):
            atoms = Atoms(numbers, positions.astype(float), cell=cell, pbc=periodic)
            atoms.calc = SinglePointCalculator(
                atoms, energy=float(energy), forces=forces.astype(float)
            )
            yield atoms


def _load(part: Path, name: str) -> np.ndarray:
    try:
        return np.load(part / f"{name}.npy", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise InputError(
            f"{part}/{name}.npy cannot be read ({error}); repair the folder."
        ) from None


def _numbers(folder: Path, types: np.ndarray, elements: Sequence[str] | None) -> np.ndarray:
    """Return the atomic number of every atom."""
    listed = folder / "type_map.raw"
    elements = listed.read_text().split() if listed.is_file() else list(elements or [])
    if types.min() < 0 or types.max() >= len(elements):
        raise InputError(
            f"{folder} says no element for type {types.max()}; write the elements of all types, in "
            "order, into its type_map.raw."
        )
    unknown = [e for e in elements if e not in atomic_numbers]
    if unknown:
        raise InputError(f"{listed} names {unknown[0]}, which is no element; correct it.")
    return np.array([atomic_numbers[element] for element in elements])[types]
