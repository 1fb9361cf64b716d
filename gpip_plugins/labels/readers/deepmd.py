"""Read labelled configurations from folders in DeePMD-kit's format (`deepmd/npy`).

    type.raw        type of every atom, counted from 0
    type_map.raw    element of every type
    set.*/coord.npy, box.npy, energy.npy, force.npy    Å, Å, eV, eV/Å; one row for every frame
    set.*/virial.npy    eV; the stress of ASE is -virial / volume
    set.*/real_atom_types.npy    in the mixed format: types of every frame, -1 for no atom; then
                                 type.raw is not used
    nopbc           present when the frames are not periodic

A folder of such folders is also read, at any depth. Format:
https://docs.deepmodeling.com/projects/deepmd/en/stable/data/system.html
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.data import atomic_numbers
from ase.stress import full_3x3_to_voigt_6_stress

from gpip_plugins.errors import InputError
from gpip_plugins.labels.readers.reader import Reader

__all__ = ["DeepmdFolder"]

#: Numbers of each label for a frame of n atoms.
LABELS = {
    "energy": lambda n: 1,
    "force": lambda n: 3 * n,
    "virial": lambda n: 9,
}
USED = ("coord", "box", "real_atom_types", *LABELS)


class DeepmdFolder(Reader):
    """A folder in DeePMD-kit's format, or a folder of several.

    Labels that are missing in a set are missing in its frames. `elements` replaces a missing
    type_map.raw.
    """

    name = "a folder of DeePMD-kit with type.raw and set.*"
    numbers_types = True

    @classmethod
    def fits(cls, path: str) -> bool:
        """Return whether there is a type.raw."""
        return bool(_systems(path))

    def frames(self, path: str) -> Iterator[Atoms]:
        """Yield the frames of all sets, with energy (eV), forces (eV/Å) and stress (eV/Å^3).

        Raises:
            InputError: when the elements are not known, or an array is missing or of a wrong shape.
        """
        others: set[str] = set()
        for folder in _systems(path):
            sets = sorted(folder.glob("set.*"))
            if not sets:
                raise InputError(
                    f"{folder} holds no set.*; give the folder that holds type.raw and set.000 "
                    "(raw_to_set.sh of DeePMD-kit makes sets of *.raw)."
                )
            for part in sets:
                others |= {file.stem for file in part.glob("*.npy")} - set(USED)
                yield from _frames(folder, part, self.elements)
            if (folder / "nopbc").exists() and any((part / "virial.npy").exists() for part in sets):
                self.notes.append(f"virials in {folder.name} were left out (nopbc: no volume)")
        if others:
            self.notes.append(f"arrays that are not used: {', '.join(sorted(others))}")

    def files(self, path: str) -> list[Path]:
        """Return lists of types and arrays."""
        found: list[Path] = []
        for folder in _systems(path):
            named = (folder / name for name in ("type.raw", "type_map.raw", "nopbc"))
            found += [file for file in named if file.is_file()]
            found += sorted(folder.glob("set.*/*.npy"))
        return found


def _systems(path: str) -> list[Path]:
    """Return the folders with a type.raw: this folder, or those below it."""
    if (Path(path) / "type.raw").is_file():
        return [Path(path)]
    return sorted(found.parent for found in Path(path).rglob("type.raw"))


def _frames(folder: Path, part: Path, elements: tuple[str, ...]) -> Iterator[Atoms]:
    """Yield the frames of one set."""
    periodic = not (folder / "nopbc").exists()
    coord = _load(part, "coord")
    types = _types(folder, part, len(coord))
    n_frames, n_atoms = types.shape
    arrays = {"coord": (coord, 3 * n_atoms)}
    if periodic:
        arrays["box"] = (_load(part, "box"), 9)
    for name, size in LABELS.items():
        if (part / f"{name}.npy").is_file() and (periodic or name != "virial"):
            arrays[name] = (_load(part, name), size(n_atoms))
    for name, (array, size) in arrays.items():
        if array.shape[:1] != (n_frames,) or array.size != n_frames * size:
            raise InputError(
                f"{part}: its arrays do not fit together: {name}.npy has shape {array.shape}, not "
                f"({n_frames}, {size}) for {n_frames} frames of {n_atoms} atoms; repair it."
            )
    numbers = _numbers(folder, types, elements)
    for k in range(n_frames):
        row = {name: np.array(array[k], dtype=float) for name, (array, _) in arrays.items()}
        yield _frame(numbers[k], types[k] >= 0, row)


def _frame(numbers: np.ndarray, there: np.ndarray, row: dict[str, np.ndarray]) -> Atoms:
    """Return one frame; frames of the mixed format are padded to one number of atoms."""
    cell = row["box"].reshape(3, 3) if "box" in row else None
    atoms = Atoms(numbers[there], row["coord"].reshape(-1, 3)[there], cell=cell, pbc="box" in row)
    labels = {}
    if "energy" in row:
        labels["energy"] = float(row["energy"].item())
    if "force" in row:
        labels["forces"] = row["force"].reshape(-1, 3)[there]
    if "virial" in row and atoms.get_volume():
        stress = -row["virial"].reshape(3, 3) / atoms.get_volume()
        labels["stress"] = full_3x3_to_voigt_6_stress(stress)
    if labels:
        atoms.calc = SinglePointCalculator(atoms, **labels)
    return atoms


def _load(part: Path, name: str) -> np.ndarray:
    """Return an array on disk; mapping it compares its stated shape with the size of the file."""
    try:
        return np.load(part / f"{name}.npy", allow_pickle=False, mmap_mode="r")
    except (OSError, ValueError, EOFError, SyntaxError) as error:
        raise InputError(
            f"{part}/{name}.npy cannot be read ({error}); repair the folder."
        ) from None


def _types(folder: Path, part: Path, n_frames: int) -> np.ndarray:
    """Return the types of all atoms, shape (n_frames, n_atoms)."""
    if (part / "real_atom_types.npy").is_file():
        types = _load(part, "real_atom_types")
        if types.shape != (n_frames, types.size // max(n_frames, 1)):
            raise InputError(
                f"{part}: its arrays do not fit together: real_atom_types.npy has shape "
                f"{types.shape} for {n_frames} frames; repair it."
            )
        return np.asarray(types, dtype=int)
    try:
        listed = np.array((folder / "type.raw").read_text().split(), dtype=int)
    except ValueError:
        raise InputError(
            f"{folder}/type.raw must hold whole numbers from 0 on; repair it."
        ) from None
    return np.broadcast_to(listed, (n_frames, len(listed)))


def _numbers(folder: Path, types: np.ndarray, given: tuple[str, ...]) -> np.ndarray:
    """Return the atomic number of every atom; the value for type -1 has no meaning."""
    listed = folder / "type_map.raw"
    elements = listed.read_text().split() if listed.is_file() else []
    if given and elements:
        raise InputError(
            f"elements={','.join(given)} is not used: {listed} states the elements; leave it out."
        )
    elements = elements or list(given)
    highest = types.max(initial=-1)
    if highest >= len(elements):
        raise InputError(
            f"{folder} gives no element for type {highest}; write the elements of all types into "
            "its type_map.raw, in order, or give them, for example elements=H,O."
        )
    used = sorted(set(types[types >= 0].tolist()))
    unknown = [elements[k] for k in used if elements[k] not in atomic_numbers]
    if unknown:
        raise InputError(f"{listed} names {unknown[0]}, which is not an element; correct it.")
    return np.array([atomic_numbers.get(element, 0) for element in elements] or [0])[types]
