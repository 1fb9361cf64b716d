"""Read containers of arrays: `.npz` as of MD17 and rMD17, HDF5 as of ANI-1x, SPICE and QM7-X.

Every group of an HDF5 file that holds positions and atomic numbers is a molecule. Units are used
where the file states them: attributes `units` of HDF5 (SPICE), `e_unit` and `r_unit` of `.npz`
(sGDML). Otherwise the user names them. Names of arrays: `layouts`.
"""

import contextlib
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from ase import Atoms

from gpip_plugins.errors import InputError
from gpip_plugins.labels.readers.arrays import frames_of_arrays
from gpip_plugins.labels.readers.layouts import (
    NUMBERS,
    POSITIONS,
    Layout,
    described,
    is_gradient,
    layout_of,
    size_of_unit,
)
from gpip_plugins.labels.readers.reader import Reader

__all__ = ["ArrayFile"]

#: Units in a file of sGDML, by role.
UNITS_OF_NPZ = {"positions": "r_unit", "cell": "r_unit", "energy": "e_unit"}
DEPTH = 8  # of groups; SPICE has 1, QM7-X 2


class ArrayFile(Reader):
    """A `.npz` or HDF5 file of structures and labels."""

    name = "arrays in .npz or HDF5"

    @classmethod
    def fits(cls, path: str) -> bool:
        """Return whether it is a .npz or an HDF5 file."""
        return Path(path).is_file() and (_is_npz(path) or h5py.is_hdf5(path))

    def states_units(self, path: str) -> bool:
        """Return whether the first molecule states the units of positions, energy and forces."""
        with _opened(path) as molecules:
            first = next(iter(self._recognised(molecules, path)), None)
        return first is not None and bool(first[3])

    def frames(self, path: str) -> Iterator[Atoms]:
        """Yield all frames, in eV and Å if the file states its units.

        Raises:
            InputError: for a file that cannot be read, or in which no molecule is recognised.
        """
        unused: set[str] = set()
        taken: set[str] = set()
        stated: set[bool] = set()
        with _opened(path) as molecules:
            for where, arrays, layout, sizes in self._recognised(molecules, path):
                stated.add(bool(sizes))
                if len(stated) > 1:
                    raise InputError(
                        f"{where} does not state its units as the molecules before it do; convert "
                        "the file to eV and Ang."
                    )
                roles = layout.roles
                taken |= {
                    _taken(role, roles[role]) for role in ("energy", "forces") if role in roles
                }
                yield from frames_of_arrays(arrays, layout, sizes, self.keys, unused, where)
        if taken:
            self.notes.append(f"taken from the file: {', '.join(sorted(taken))}")
        unused -= set(UNITS_OF_NPZ.values())
        if unused:
            self.notes.append(f"arrays that are not used: {', '.join(sorted(unused))}")

    def _recognised(
        self, molecules: Iterator[tuple[str, Mapping[str, Any]]], path: str
    ) -> Iterator[tuple[str, Mapping[str, Any], Layout, dict[str, float]]]:
        """Yield name, arrays, layout and sizes of the stated units of every molecule."""
        seen: Mapping[str, Any] = {}
        found = False
        for name, arrays in molecules:
            where = f"{path}{name}"
            try:
                layout = layout_of(arrays.keys(), self.keys)
            except InputError as error:
                raise InputError(f"{where}: {error}") from None
            if layout is None:
                seen = seen or arrays
                continue
            found = True
            yield where, arrays, layout, _stated(arrays, layout, where)
        if not found:
            raise InputError(
                f"{path} holds no molecule that is recognised, with positions "
                f"({', '.join(POSITIONS)}) and atomic numbers ({', '.join(NUMBERS)}); it contains "
                f"{described(seen)}; rename its arrays (energies and forces can "
                "also be named by energy_key and forces_key)."
            )


def _taken(role: str, name: str) -> str:
    return f"{role} = {'minus ' if role == 'forces' and is_gradient(name) else ''}{name}"


def _is_npz(path: str) -> bool:
    if not zipfile.is_zipfile(path):
        return path.endswith(".npz")
    with contextlib.suppress(zipfile.BadZipFile), zipfile.ZipFile(path) as packed:
        return any(name.endswith(".npy") for name in packed.namelist())
    return False


@contextlib.contextmanager
def _opened(path: str) -> Iterator[Iterator[tuple[str, Mapping[str, Any]]]]:
    """Open a file and give names and arrays of its groups; convert errors while it is read."""
    try:
        if _is_npz(path):
            if not zipfile.is_zipfile(path):
                raise InputError(
                    f"{path} is not a complete .npz archive; copy or download it again."
                )
            with np.load(path, allow_pickle=False) as packed:
                yield iter([("", _loaded(packed))])
        else:
            with h5py.File(path, "r") as file:
                yield _groups(file, "", DEPTH)
    except InputError:
        raise
    except (OSError, ValueError, RuntimeError, KeyError, MemoryError, EOFError, zipfile.error) as e:
        text = " ".join(str(e).split()) or type(e).__name__
        if "Object arrays" in text:
            raise InputError(
                f"{path} holds Python objects, which may run code when they are loaded; save it as "
                "plain arrays."
            ) from None
        raise InputError(
            f"{path} cannot be read ({text}); copy or download it again, or save it as plain "
            "arrays."
        ) from None


def _loaded(packed: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return all arrays; accessing one of `packed` unpacks it anew."""
    return {name: packed[name] for name in packed}


def _groups(group: h5py.Group, name: str, depth: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the data sets of a group and of those below; only hard links are followed."""
    sets: dict[str, h5py.Dataset] = {}
    below = []
    for key in group:
        if isinstance(group.get(key, getlink=True), h5py.HardLink):
            kind = group.get(key, getclass=True)
            if kind is h5py.Dataset:
                sets[key] = group[key]
            elif kind is h5py.Group and depth:
                below.append(key)
    if sets:
        yield name, sets
    for key in below:
        yield from _groups(group[key], f"{name}/{key}", depth - 1)


def _stated(arrays: Mapping[str, Any], layout: Layout, where: str) -> dict[str, float]:
    """Return the sizes of the units of all arrays, or nothing unless all roles state theirs."""
    sizes: dict[str, float] = {}
    for role, name in layout.roles.items():
        if role == "numbers":
            continue
        unit = _unit(arrays, role, name)
        if unit is None:
            return {}
        sizes[name] = size_of_unit(unit, role, f"{where}: {name}")
    for name in arrays:  # other energies and forces; what is neither keeps its unit
        unit = _unit(arrays, "", name)
        for role in ("energy", "forces") if unit and name not in sizes else ():
            with contextlib.suppress(InputError):
                sizes[name] = size_of_unit(unit, role, name)
    return sizes


def _unit(arrays: Mapping[str, Any], role: str, name: str) -> str | None:
    """Return the unit that a file states for an array."""
    attributes = getattr(arrays[name], "attrs", {})
    unit = attributes.get("units", attributes.get("unit"))
    if role == "forces" and unit is None and {"e_unit", "r_unit"} <= arrays.keys():
        return f"{_text(arrays['e_unit'])}/{_text(arrays['r_unit'])}"
    if unit is None and UNITS_OF_NPZ.get(role) in arrays:
        unit = arrays[UNITS_OF_NPZ[role]]
    return None if unit is None else _text(unit)


def _text(value: Any) -> str:
    value = value[()] if hasattr(value, "shape") else value
    value = value.item() if hasattr(value, "item") else value
    return value.decode() if isinstance(value, bytes) else str(value)
