"""Data set in memory that returns whole batches."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from ase.db.row import AtomsRow
from schnetpack import properties
from schnetpack.data import ASEAtomsData
from schnetpack.data.loader import _atoms_collate_fn
from schnetpack.transform import CastMap, RemoveOffsets

from gpip_plugins.errors import InputError
from gpip_plugins.io.ase_database import Database

__all__ = ["InMemoryAtomsData", "collate", "is_batchwise"]


def is_batchwise(transform: torch.nn.Module) -> bool:
    """Return whether a transform may be applied to a whole batch.

    True for those of gpip_plugins, for SchNetPack's casts, and for its `RemoveOffsets` if it
    removes means only (its atomic references are summed over all atoms of the batch).

    Example:
        >>> from schnetpack.transform import CastTo32, SubtractCenterOfMass
        >>> is_batchwise(CastTo32()), is_batchwise(SubtractCenterOfMass())
        (True, False)
    """
    if isinstance(transform, RemoveOffsets):
        return not transform.remove_atomrefs
    return isinstance(transform, CastMap) or getattr(transform, "batchwise", False)


def collate(samples):
    """Collate samples as SchNetPack does; return a batch unchanged."""
    return samples if isinstance(samples, dict) else _atoms_collate_fn(samples)


class InMemoryAtomsData(ASEAtomsData):
    """SchNetPack's ASE data set, read once, with batches gathered from memory.

    Reading a row of the database and transforming it takes milliseconds, longer than a training
    step of a small network. Here every row is read once, in one pass, also where rows were deleted
    from the database. If all transforms can process a batch
    (`is_batchwise`), a batch is gathered and transformed as a whole; otherwise the samples are
    transformed one by one, as in SchNetPack, with the same result.

    Args: those of `ASEAtomsData`.
    """

    def load(self, progress: bool = True) -> None:
        """Read all rows into memory; called once, before `subset` makes copies.

        Args:
            progress: show a progress bar.

        Raises:
            InputError: names the row that cannot be read, lacks a label, or has one of another
                shape than the other rows.
        """
        parts: dict[str, list[np.ndarray]] = {}
        for number, row in enumerate(Database(self.datapath).rows("reading data", progress)):
            for key, value in self._arrays(number, row).items():
                parts.setdefault(key, []).append(value)
        n_atoms = np.concatenate(parts[properties.n_atoms])
        self._n_atoms = torch.from_numpy(n_atoms)
        self._first = torch.cumsum(self._n_atoms, 0) - self._n_atoms
        # Labels have a fixed number of rows per configuration, or one row per atom.
        self._tensors, self._rows_per_system = {}, {}
        for key in list(parts):
            values = parts.pop(key)  # so that only one label is in memory twice
            rows = _rows_per_system(key, values, n_atoms, self.datapath)
            tensor = torch.from_numpy(np.concatenate(values))
            if key in self.load_properties:
                tensor = tensor * self.conversions[key]
            elif key in (properties.R, properties.cell):
                tensor = tensor * self.distance_conversion
            if rows == 1 and tensor.dim() > 1 and tensor.numel() == len(n_atoms) < n_atoms.sum():
                tensor = tensor.flatten()  # an energy of shape (1, 1) is compared with (n_systems,)
            self._tensors[key] = tensor
            if rows is not None:
                self._rows_per_system[key] = rows

    def _arrays(self, number: int, row: AtomsRow) -> dict[str, np.ndarray]:
        """Return the arrays of one row under SchNetPack's names, in the units of the database."""
        arrays = {properties.idx: np.array([number])}
        for name in self.load_properties:
            if name not in row.data:
                raise InputError(
                    f"configuration {number} of {self.datapath} has no '{name}', which others may "
                    "have; remove it, or leave the label out of load_properties."
                )
            arrays[name] = np.atleast_1d(row.data[name])
        arrays[properties.n_atoms] = np.array([len(row.numbers)])
        if self.load_structure:
            arrays[properties.Z] = row.numbers.astype(np.int64)
            arrays[properties.R] = row.positions
            arrays[properties.cell] = row.cell[None]
            arrays[properties.pbc] = row.pbc
        return arrays

    @property
    def tensors(self) -> dict[str, torch.Tensor]:
        """All rows of the database, concatenated: {name: tensor}."""
        return self._tensors

    @property
    def elements(self) -> list[int]:
        """Atomic numbers in the data set, ascending; in a subset, those of its configurations."""
        return list(self.element_counts)

    @property
    def element_counts(self) -> dict[int, int]:
        """Number of atoms of each element, by atomic number; in a subset, of its configurations."""
        numbers = self._tensors[properties.Z]
        if self.subset_idx is not None:
            wanted = torch.zeros(len(self._n_atoms), dtype=torch.bool)
            wanted[torch.as_tensor(self.subset_idx, dtype=torch.long)] = True
            numbers = numbers[wanted.repeat_interleave(self._n_atoms)]
        found, counts = torch.unique(numbers, return_counts=True)
        return dict(zip(found.tolist(), counts.tolist(), strict=True))

    @property
    def rows_per_system(self) -> dict[str, int]:
        """Number of rows of each label per configuration; not for labels with one row per atom."""
        return self._rows_per_system

    def structures(self) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Yield atomic numbers, positions and periodic directions, as stored in memory."""
        wanted = range(len(self._n_atoms)) if self.subset_idx is None else self.subset_idx
        Z, R = self._tensors[properties.Z].numpy(), self._tensors[properties.R].numpy()
        pbc = self._tensors[properties.pbc].view(-1, 3).numpy()
        for row in wanted:
            atoms = slice(int(self._first[row]), int(self._first[row] + self._n_atoms[row]))
            yield Z[atoms], R[atoms], pbc[row]

    def raw(self) -> dict[str, torch.Tensor]:
        """Return all configurations of this (sub)set as one batch, without transforms."""
        return self._gather(range(len(self)))

    def __getitem__(self, idx: int) -> dict[str, torch.Tensor]:
        """Return one transformed configuration, in SchNetPack's format."""
        return self._apply_transforms(self._gather([idx]))

    def __getitems__(self, indices: Sequence[int]):
        """Return a transformed batch, or a list of transformed samples for `collate`."""
        if not all(is_batchwise(transform) for transform in self.transforms):
            return [self[idx] for idx in indices]
        batch = self._gather(indices)
        n_atoms = batch[properties.n_atoms]
        batch[properties.idx_m] = torch.repeat_interleave(torch.arange(len(n_atoms)), n_atoms)
        return self._apply_transforms(batch)

    def _gather(self, indices: Sequence[int]) -> dict[str, torch.Tensor]:
        if self.subset_idx is not None:
            indices = [self.subset_idx[idx] for idx in indices]
        chosen = torch.as_tensor(indices)
        n_atoms = self._n_atoms[chosen]
        shift = self._first[chosen] - (torch.cumsum(n_atoms, 0) - n_atoms)
        atoms = torch.arange(int(n_atoms.sum())) + torch.repeat_interleave(shift, n_atoms)
        batch = {}
        for key, value in self._tensors.items():
            per_system = self._rows_per_system.get(key)
            if per_system is None:
                batch[key] = value[atoms]
            else:
                rows = value.view(-1, per_system, *value.shape[1:])[chosen]
                batch[key] = rows.flatten(0, 1)
        return batch


def _rows_per_system(
    key: str, values: Sequence[np.ndarray], n_atoms: np.ndarray, datapath: str
) -> int | None:
    """Return the number of rows of a label per configuration, None for one row per atom."""
    for number, value in enumerate(values):
        if value.shape[1:] != values[0].shape[1:]:
            raise InputError(
                f"configuration {number} of {datapath} has a '{key}' of shape {value.shape}, and "
                f"configuration 0 one of shape {values[0].shape}; repair or remove one of them."
            )
    counts = np.array([len(value) for value in values])
    if (counts == counts[0]).all():
        return int(counts[0])
    atomwise = counts == n_atoms
    if atomwise.all():
        return None
    usual = atomwise if atomwise.mean() >= 0.5 else counts == np.bincount(counts).argmax()
    odd = int(usual.argmin())
    raise InputError(
        f"'{key}' in {datapath} has neither one row per atom nor the same number of rows in every "
        f"configuration: configuration {odd} of {n_atoms[odd]} atoms has {counts[odd]}; repair or "
        "remove it, or leave the label out of load_properties."
    )
