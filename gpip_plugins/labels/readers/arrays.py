"""Frames from the arrays of one molecule, of many molecules of one size, or of one frame.

The first axis counts frames, the second atoms; without an axis of frames, as in QM7-X, the arrays
are one frame. Blocks of frames are read, so that a data set on disk is never in memory as a whole.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.data import atomic_numbers

from gpip_plugins.errors import InputError
from gpip_plugins.labels.readers.layouts import Layout, is_gradient

__all__ = ["frames_of_arrays"]

#: Numbers of positions in a block.
BLOCK = 300_000


def frames_of_arrays(
    arrays: Mapping[str, Any],
    layout: Layout,
    sizes: Mapping[str, float],
    keys: Sequence[str],
    unused: set[str],
    where: str,
) -> Iterator[Atoms]:
    """Yield the frames.

    Args:
        arrays: arrays in memory, or data sets of HDF5.
        layout: which array holds what.
        sizes: size in eV and Å of the units that the file states, by the name of the array.
        keys: names that the user gave for energy and forces; other names that are recognised
            become `energy` and `forces`.
        unused: the names of arrays that fit neither frames nor atoms are added.
        where: file and group, for messages.

    Yields:
        Frames with labels under their ASE names, and all further numbers for a frame in `info`, for
        an atom in `arrays`, under their names in the file.

    Raises:
        InputError: for arrays that do not fit together or elements that are not known.
    """
    n_frames, n_atoms, single = _sizes(arrays, layout, where)
    numbers = _numbers(arrays[layout.numbers], n_frames, n_atoms, f"{where}: {layout.numbers}")
    labels = {}
    for name in arrays:
        if name not in (layout.positions, layout.numbers, layout.cell):
            shape = _shape(arrays[name], n_frames, n_atoms, single)
            if shape is None:
                unused.add(name)
            else:
                labels[name] = shape
    _check_labels(arrays, layout, labels, where)
    block = max(1, BLOCK // (3 * n_atoms))
    for start in range(0, n_frames, block):
        rows = slice(start, min(start + block, n_frames))
        read = {
            name: _read(arrays[name], rows, single) * sizes.get(name, 1.0)
            for name in (layout.positions, *labels)
        }
        cells = _cells(arrays, layout, rows, single, sizes, where)
        for k in range(rows.stop - rows.start):
            row = {name: read[name][k].reshape(shape) for name, shape in labels.items()}
            there = numbers[start + k] > 0
            positions = read[layout.positions][k].reshape(n_atoms, 3)
            yield _frame(numbers[start + k], positions, there, cells[k], row, layout, keys)


def _frame(numbers, positions, there, cell, row, layout, keys) -> Atoms:
    """Return one frame without the padding up to a common number of atoms."""
    atoms = Atoms(numbers[there], positions[there], cell=cell, pbc=cell is not None)
    named = [key for key in keys if key not in ("energy", "forces")]
    results = {}
    for name, value in row.items():
        value = value[there] if value.ndim else float(value)
        if name == layout.forces and is_gradient(name):
            value = -value
        if name == layout.energy and name not in named:
            results["energy"] = value
        elif name == layout.forces and name not in named:
            results["forces"] = value
        elif np.ndim(value):
            atoms.arrays[name] = value
        else:
            atoms.info[name] = value
    if results:
        atoms.calc = SinglePointCalculator(atoms, **results)
    return atoms


def _sizes(arrays: Mapping[str, Any], layout: Layout, where: str) -> tuple[int, int, bool]:
    """Return the numbers of frames and atoms, and whether there is no axis of frames."""
    shape = arrays[layout.positions].shape
    atoms = arrays[layout.numbers].shape[-1:] or (0,)
    if len(shape) == 2 and shape[1] == 3:
        found = (1, shape[0], True)
    elif len(shape) == 3 and shape[2] == 3:
        found = (shape[0], shape[1], False)
    elif len(shape) == 2 and shape[1] == 3 * atoms[0]:
        found = (shape[0], atoms[0], False)
    else:
        raise InputError(
            f"{where}: {layout.positions} has shape {shape}, not (n_frames, n_atoms, 3); repair it."
        )
    if not found[1]:
        raise InputError(f"{where} has no atoms; remove it.")
    return found


def _numbers(array: Any, n_frames: int, n_atoms: int, where: str) -> np.ndarray:
    """Return atomic numbers, shape (n_frames, n_atoms); 0 for no atom."""
    values = np.asarray(array[()])
    if values.dtype.kind in "SUO":
        symbols = [v.decode() if isinstance(v, bytes) else str(v) for v in values.ravel()]
        unknown = [s for s in symbols if s not in atomic_numbers or s == "X"]
        if unknown:
            raise InputError(f"{where} names {unknown[0]!r}, which is not an element; correct it.")
        values = np.array([atomic_numbers[s] for s in symbols]).reshape(values.shape)
    if values.dtype.kind not in "iuf" or (values != np.round(values)).any():
        raise InputError(f"{where} holds no atomic numbers; correct it.")
    if values.shape not in ((n_atoms,), (n_frames, n_atoms), (1, n_atoms)):
        raise InputError(
            f"{where} has shape {values.shape}, not ({n_atoms},) as the positions have; repair it."
        )
    whole = values.astype(int)
    return np.broadcast_to(whole, (n_frames, n_atoms))


def _shape(array: Any, n_frames: int, n_atoms: int, single: bool) -> tuple[int, ...] | None:
    """Return the shape of one frame's numbers: one number, or one or three for an atom."""
    if np.dtype(array.dtype).kind not in "iuf":
        return None
    shape = tuple(array.shape)
    if not single:
        if shape[:1] != (n_frames,):
            return None
        shape = shape[1:]
    shape = shape[:-1] if shape[-1:] == (1,) and shape != (n_atoms,) else shape
    if shape == (3 * n_atoms,):
        return (n_atoms, 3)
    return shape if shape in ((), (n_atoms,), (n_atoms, 3)) else None


def _check_labels(arrays, layout, labels, where) -> None:
    """Check that energy and forces, where they are recognised, have a usable shape."""
    for role, name in (("energy", layout.energy), ("forces", layout.forces)):
        if name is None:
            continue
        ndim = 0 if role == "energy" else 2
        if len(labels.get(name, (0, 0, 0))) != ndim:
            raise InputError(
                f"{where}: {name} has shape {tuple(arrays[name].shape)}, which does not fit the "
                f"positions {tuple(arrays[layout.positions].shape)}; repair it or name the {role} "
                f"with {role}_key."
            )


def _read(array: Any, rows: slice, single: bool) -> np.ndarray:
    """Return a block, the first axis being frames."""
    return np.asarray(array[()], float)[None] if single else np.asarray(array[rows], float)


def _cells(arrays, layout, rows, single, sizes, where) -> list[np.ndarray | None]:
    """Return the cell of every frame, Å."""
    count = rows.stop - rows.start
    if layout.cell is None:
        return [None] * count
    array = arrays[layout.cell]
    common = single or array.shape in ((3, 3), (9,), (3,))
    values = np.asarray(array[()] if common else array[rows], float) * sizes.get(layout.cell, 1.0)
    if common:
        values = np.broadcast_to(values, (count, *values.shape))
    size = values[0].size
    if size == 3:
        return [np.diag(lengths.ravel()) for lengths in values]
    if size != 9 or len(values) != count:
        raise InputError(
            f"{where}: {layout.cell} has shape {tuple(array.shape)}, not (n_frames, 3, 3); "
            "repair it."
        )
    return list(values.reshape(count, 3, 3))
