"""Data set in memory that returns whole batches."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from schnetpack import properties
from schnetpack.data import ASEAtomsData
from schnetpack.data.loader import _atoms_collate_fn
from schnetpack.transform import CastMap, RemoveOffsets
from tqdm import tqdm

from gpip_plugins.errors import InputError

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
    step of a small network. Here every row is read once. If all transforms can process a batch
    (`is_batchwise`), a batch is gathered and transformed as a whole; otherwise the samples are
    transformed one by one, as in SchNetPack, with the same result.

    Args: those of `ASEAtomsData`.
    """

    def load(self, progress: bool = True) -> None:
        """Read all rows into memory; called once, before `subset` makes copies."""
        rows = [
            self._get_properties(self.conn, k, self.load_properties, self.load_structure)
            for k in tqdm(range(len(self)), "reading data", disable=not progress, leave=False)
        ]
        self._n_atoms = torch.cat([row[properties.n_atoms] for row in rows])
        self._first = torch.cumsum(self._n_atoms, 0) - self._n_atoms
        self._tensors = {key: torch.cat([row[key] for row in rows]) for key in rows[0]}
        # Labels have a fixed number of rows per configuration, or one row per atom.
        self._rows_per_system = {}
        for key in self._tensors:
            counts = {len(row[key]) for row in rows}
            atomwise = all(len(row[key]) == int(row[properties.n_atoms]) for row in rows)
            if len(counts) == 1:
                self._rows_per_system[key] = counts.pop()
            elif not atomwise:
                raise InputError(
                    f"'{key}' in {self.datapath} has neither one row per atom nor the same number "
                    "of rows in every configuration; leave it out of load_properties."
                )

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
