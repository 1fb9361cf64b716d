"""Several data sets in memory, joined into one."""

from collections.abc import Sequence

import torch
from schnetpack import properties as spk_properties

from gpip_plugins import properties
from gpip_plugins.data.memory import InMemoryAtomsData
from gpip_plugins.errors import InputError
from gpip_plugins.properties import Kind

__all__ = ["JoinedAtomsData"]


class JoinedAtomsData(InMemoryAtomsData):
    """Several `InMemoryAtomsData`, concatenated.

    Every configuration has the number of its data set (`properties.dataset`) and its kind
    (`properties.kind`). Rows of a label that a data set lacks are NaN, so that they cannot be taken
    for zeros, and False in `properties.has_label(label)`.

    Args:
        parts: loaded data sets in the same units; labels have the same names.
        kinds: kind of the forces of each data set.
        datapath: name of the joined data set in messages.

    Raises:
        InputError: a label has one row per atom in one data set and not in another.
    """

    def __init__(self, parts: Sequence[InMemoryAtomsData], kinds: Sequence[Kind], datapath: str):
        self._transform_module = None
        self.transforms = None
        self.subset_idx = None
        self.datapath = datapath
        self.distance_unit = parts[0].distance_unit
        structure = {spk_properties.idx, *_STRUCTURE}
        labels = dict.fromkeys(k for part in parts for k in part.tensors if k not in structure)
        self._labels = list(labels)
        self._tensors = {
            key: torch.cat([part.tensors[key] for part in parts]) for key in _STRUCTURE
        }
        self._n_atoms = self._tensors[spk_properties.n_atoms]
        self._first = torch.cumsum(self._n_atoms, 0) - self._n_atoms
        sizes = [len(part) for part in parts]
        numbers = torch.arange(len(parts)).repeat_interleave(torch.tensor(sizes))
        self._tensors |= {
            # The fixed corruption depends on it, so it must differ between data sets.
            spk_properties.idx: torch.arange(sum(sizes)),
            properties.dataset: numbers,
            properties.kind: torch.tensor([int(kind) for kind in kinds])[numbers],
        }
        self._rows_per_system = {
            spk_properties.idx: 1,
            spk_properties.n_atoms: 1,
            spk_properties.cell: 1,
            spk_properties.pbc: 3,
            properties.dataset: 1,
            properties.kind: 1,
        }
        for label in self._labels:
            self._join(label, parts)

    def _join(self, label: str, parts: Sequence[InMemoryAtomsData]) -> None:
        """Join a label; fill missing rows with NaN, and mark the rows that exist."""
        having = [part for part in parts if label in part.tensors]
        rows = _rows_per_system(label, having)
        example = having[0].tensors[label]
        present, values = [], []
        for part in parts:
            n_rows = len(part) * rows if rows else int(part.tensors[spk_properties.n_atoms].sum())
            has = label in part.tensors
            present.append(torch.full((n_rows,), has))
            missing = torch.full((n_rows, *example.shape[1:]), torch.nan, dtype=example.dtype)
            values.append(part.tensors[label] if has else missing)
        self._tensors[label] = torch.cat(values)
        self._tensors[properties.has_label(label)] = torch.cat(present)
        if rows:
            self._rows_per_system[label] = rows
            self._rows_per_system[properties.has_label(label)] = rows

    def __len__(self) -> int:
        """Return the number of configurations."""
        return len(self._n_atoms) if self.subset_idx is None else len(self.subset_idx)

    @property
    def available_properties(self) -> list[str]:
        """Labels of at least one of the data sets."""
        return self._labels

    @property
    def atomrefs(self) -> dict:
        """Empty: energies of different data sets have no common reference."""
        return {}


_STRUCTURE = (
    spk_properties.n_atoms,
    spk_properties.Z,
    spk_properties.R,
    spk_properties.cell,
    spk_properties.pbc,
)


def _rows_per_system(label: str, having: Sequence[InMemoryAtomsData]) -> int | None:
    """Return the number of rows of a label per configuration, None for one row per atom."""
    counts = {part.rows_per_system.get(label) for part in having}
    n_atoms = [int(part.tensors[spk_properties.n_atoms].sum()) for part in having]
    atomwise = [len(p.tensors[label]) == n for p, n in zip(having, n_atoms, strict=True)]
    # If all molecules have the same size, both hold: equal numbers of rows, and one per atom.
    if all(atomwise) and counts != {1}:
        return None
    if len(counts) == 1 and None not in counts:
        return counts.pop()
    raise InputError(
        f"the label '{label}' has one row per atom in one data set of the mixture and not in "
        "another; leave it out of load_properties."
    )
