"""Read labelled configurations from folders in DeePMD-kit's format (`deepmd/npy`).

    type.raw        type of every atom, counted from 0
    type_map.raw    element of every type
    set.*/coord.npy, box.npy, energy.npy, force.npy    Å, Å, eV, eV/Å; one row for every frame
    set.*/real_atom_types.npy    in the mixed format: types of every frame, -1 for no atom; then
                                 type.raw is not used
    nopbc           present when the frames are not periodic

A folder of such folders is also read. Format:
https://docs.deepmodeling.com/projects/deepmd/en/stable/data/system.html
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.data import atomic_numbers

from gpip_plugins.errors import InputError
from gpip_plugins.labels.readers.reader import Reader

__all__ = ["DeepmdFolder"]


class DeepmdFolder(Reader):
    """A folder in DeePMD-kit's format, or a folder of several."""

    name = "a folder of DeePMD-kit with type.raw and set.*"

    def fits(self, path: str) -> bool:
        """Return whether there is a type.raw."""
        return bool(_systems(path))

    def frames(self, path: str) -> Iterator[Atoms]:
        """Yield the frames of all sets, with energy (eV) and forces (eV/Å).

        Raises:
            InputError: when the elements are not known, or an array is missing or of a wrong shape.
        """
        for folder in _systems(path):
            sets = sorted(folder.glob("set.*"))
            if not sets:
                raise InputError(
                    f"{folder} holds no set.*; give the folder that holds type.raw and set.000."
                )
            for part in sets:
                yield from _frames(folder, part)

    def files(self, path: str) -> list[Path]:
        """Return lists of types and arrays."""
        found: list[Path] = []
        for folder in _systems(path):
            named = (folder / name for name in ("type.raw", "type_map.raw", "nopbc"))
            found += [file for file in named if file.is_file()]
            found += sorted(folder.glob("set.*/*.npy"))
        return found


def _systems(path: str) -> list[Path]:
    """Return the folders with a type.raw: this folder, or its sub-folders."""
    if (Path(path) / "type.raw").is_file():
        return [Path(path)]
    return sorted(found.parent for found in Path(path).glob("*/type.raw"))


def _frames(folder: Path, part: Path) -> Iterator[Atoms]:
    """Yield the frames of one set."""
    periodic = not (folder / "nopbc").exists()
    energy = _load(part, "energy").reshape(-1)
    n_frames = len(energy)
    if (part / "real_atom_types.npy").is_file():
        types = _load(part, "real_atom_types")
    else:
        listed = np.loadtxt(folder / "type.raw", dtype=int, ndmin=1).ravel()
        types = np.broadcast_to(listed, (n_frames, len(listed)))
    coord, force = _load(part, "coord"), _load(part, "force")
    box = _load(part, "box") if periodic else np.zeros((n_frames, 9))
    try:
        coord, force = (array.reshape(*types.shape, 3) for array in (coord, force))
        box = box.reshape(len(types), 3, 3)
        if len(types) != n_frames:
            raise ValueError(f"{len(types)} lists of types for {n_frames} energies")
    except ValueError as error:
        raise InputError(f"{part}: its arrays do not fit together ({error}); repair it.") from None
    numbers = _numbers(folder, types)
    for k in range(n_frames):
        there = types[k] >= 0  # frames of the mixed format are padded to one number of atoms
        atoms = Atoms(numbers[k][there], coord[k][there].astype(float), cell=box[k], pbc=periodic)
        atoms.calc = SinglePointCalculator(
            atoms, energy=float(energy[k]), forces=force[k][there].astype(float)
        )
        yield atoms


def _load(part: Path, name: str) -> np.ndarray:
    try:
        return np.load(part / f"{name}.npy", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise InputError(
            f"{part}/{name}.npy cannot be read ({error}); repair the folder."
        ) from None


def _numbers(folder: Path, types: np.ndarray) -> np.ndarray:
    """Return the atomic number of every atom; the value for type -1 has no meaning."""
    listed = folder / "type_map.raw"
    elements = listed.read_text().split() if listed.is_file() else []
    if types.max() >= len(elements):
        raise InputError(
            f"{folder} gives no element for type {types.max()}; write the elements of all types "
            "into its type_map.raw, in order."
        )
    used = sorted(set(types[types >= 0].tolist()))
    unknown = [elements[k] for k in used if elements[k] not in atomic_numbers]
    if unknown:
        raise InputError(f"{listed} names {unknown[0]}, which is not an element; correct it.")
    return np.array([atomic_numbers.get(element, 0) for element in elements])[types]
