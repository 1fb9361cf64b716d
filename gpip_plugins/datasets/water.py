r"""Liquid water of "Forces are not Enough", the data of GPIP's Table 2.

Fu et al., Trans. Mach. Learn. Res. (2023), arXiv:2210.07237; data: doi:10.5281/zenodo.7196767,
file `water.npy` (64 molecules in a cubic cell, 100,001 frames). The file is a pickled dictionary:

| key | shape | unit |
|---|---|---|
| `wrapped_coords` | (n_frames, 192, 3) | Å |
| `forces` | (n_frames, 192, 3) | kcal/mol/Å |
| `energy` | (n_frames,) | kcal/mol |
| `atom_types` | (192,) | atomic numbers |
| `lengths` | (3,) or (n_frames, 3) | Å |
| `angles` | (3,) or (n_frames, 3) | degrees |

Its labels are those of the flexible classical model SPC/E-fw (Wu, Tepper, Voth, J. Chem. Phys. 124,
024503 (2006)), not of an ab initio method: it serves to compare how well networks learn.
"""

import pickle
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from ase import Atoms
from ase.geometry import cellpar_to_cell
from schnetpack.data import SplittingStrategy
from tqdm import tqdm

from gpip_plugins.datasets.prepared import PreparedData
from gpip_plugins.errors import InputError, check_whole
from gpip_plugins.io.ase_database import Row, write_rows
from gpip_plugins.io.paths import resolve
from gpip_plugins.units import energy_in_ev

__all__ = ["FuWater", "InOrder", "fu_split", "read_water"]

UNITS = {"energy": "eV", "forces": "eV/Ang"}
NEEDED = ("wrapped_coords", "forces", "energy", "atom_types", "lengths")


class InOrder(SplittingStrategy):
    """Split with the first rows for training, the next for validation, then the test."""

    def split(self, dataset, *split_sizes: int) -> list[list[int]]:
        """Return the rows of each part.

        Args:
            dataset: data set with a length.
            split_sizes: number of rows of each part.
        """
        ends = np.cumsum(split_sizes)
        return [list(range(int(e) - n, int(e))) for e, n in zip(ends, split_sizes, strict=True)]


def fu_split(n_total: int, n_train: int, n_val: int, n_test: int) -> list[np.ndarray]:
    """Return the frames of the split that Fu et al. publish (scikit-learn's, with seed 123).

    First the test frames are drawn from all frames, then training and validation frames from the
    first `n_train + n_val` of the rest; so the test frames do not depend on the other sizes.

    Args:
        n_total: frames in the file.
        n_train: frames for training.
        n_val: frames for validation.
        n_test: frames for the test; 10,000 in the paper.

    Returns:
        Frames of each part, counted from 0.

    Raises:
        InputError: when the file holds too few frames.
    """
    if n_train + n_val + n_test > n_total:
        raise InputError(
            f"num_train={n_train}, num_val={n_val}, num_test={n_test} ask for "
            f"{n_train + n_val + n_test} frames, but the file holds {n_total}; lower one of them."
        )
    order = np.random.RandomState(123).permutation(n_total)
    test, pool = order[:n_test], order[n_test:]
    pool = pool[: n_train + n_val]
    order = np.random.RandomState(123).permutation(len(pool))
    return [pool[order[n_val:]], pool[order[:n_val]], test]


def read_water(path: str) -> dict[str, np.ndarray]:
    """Return the arrays of `water.npy`, without conversion.

    The pickle in the file may contain only NumPy arrays, so that no other code is run.

    Args:
        path: absolute path.

    Raises:
        InputError: when the file has another format.
    """
    try:
        with open(path, "rb") as file:
            version = np.lib.format.read_magic(file)
            read_header = getattr(np.lib.format, f"read_array_header_{version[0]}_0")
            read_header(file)
            content = _ArraysOnly(file).load()
        content = content.item()
        data = {key: np.asarray(content[key]) for key in NEEDED}
        data["angles"] = np.asarray(content.get("angles", (90.0, 90.0, 90.0)))
    except FileNotFoundError:
        raise InputError(
            f"source={path} does not exist; download water.npy from "
            "https://doi.org/10.5281/zenodo.7196767 and name it."
        ) from None
    except (OSError, ValueError, KeyError, AttributeError, pickle.UnpicklingError, EOFError) as e:
        raise InputError(
            f"source={path} is not the file water.npy of Fu et al. ({type(e).__name__}: {e}); "
            "download it again."
        ) from None
    n_frames, n_atoms = data["wrapped_coords"].shape[:2]
    shapes = {"forces": (n_frames, n_atoms, 3), "energy": (n_frames,), "atom_types": (n_atoms,)}
    for key, shape in shapes.items():
        data[key] = data[key].reshape(-1) if len(shape) == 1 else data[key]
        if data[key].shape != shape:
            raise InputError(
                f"source={path} has {key} of shape {data[key].shape} instead of {shape}; "
                "download it again."
            )
    return data


class _ArraysOnly(pickle.Unpickler):
    """Unpickler that accepts NumPy arrays and refuses all other objects."""

    ALLOWED = {
        (module, name)
        for root in ("numpy.core", "numpy._core")
        for module, name in (
            (f"{root}.multiarray", "_reconstruct"),
            (f"{root}.multiarray", "scalar"),
            (f"{root}.numeric", "_frombuffer"),
        )
    } | {("numpy", "ndarray"), ("numpy", "dtype"), ("_codecs", "encode")}

    def find_class(self, module: str, name: str):
        if (module, name) not in self.ALLOWED:
            raise pickle.UnpicklingError(f"it names {module}.{name}")
        return super().find_class(module.replace("numpy.core", "numpy._core"), name)


class FuWater(PreparedData):
    """The water of Fu et al. with their split, in eV and Å.

    The database holds only the frames of the split, in the order training, validation, test; each
    row has `source_row`. Reading the source needs as much memory as the size of the file.

    Args:
        datapath: database, created when it is missing.
        source: the file `water.npy`; relative to the folder in which the command was typed.
        batch_size: configurations in a training batch.
        num_train: 950 or 9,500 in GPIP's Table 2.
        num_val: 50 or 500.
        num_test: 10,000.
        progress: show a progress bar while converting.
        **kwargs: everything else that `gpip_plugins.data.GpipDataModule` takes.

    Raises:
        InputError: for a missing or different file, or one with too few frames.
    """

    def __init__(
        self,
        datapath: str,
        source: str,
        batch_size: int,
        num_train: int = 950,
        num_val: int = 50,
        num_test: int = 10000,
        progress: bool = True,
        **kwargs: Any,
    ):
        sizes = {"num_train": num_train, "num_val": num_val, "num_test": num_test}
        for key, value in sizes.items():
            check_whole(key, value, least=0 if key == "num_test" else 1)
        super().__init__(
            datapath=datapath, batch_size=batch_size, splitting=InOrder(), **sizes, **kwargs
        )
        self.source = resolve(source)
        self.progress = progress

    @property
    def settings(self) -> dict[str, Any]:
        """The split, which determines the content of the database."""
        return {"num_train": self.num_train, "num_val": self.num_val, "num_test": self.num_test}

    def make(self, path: str) -> None:
        """Write the frames of the split."""
        data = read_water(self.source)
        rows = np.concatenate(fu_split(len(data["energy"]), *self.settings.values())).tolist()
        bar = tqdm(rows, "water", unit="frame", disable=not self.progress)
        write_rows(path, _frames(data, bar), UNITS)


def _frames(data: dict[str, np.ndarray], rows: Iterable[int]) -> Iterator[Row]:
    """Yield frames of the file in eV and Å."""
    unit = energy_in_ev("kcal/mol")
    for row in rows:
        box = [data[k][row] if data[k].ndim == 2 else data[k] for k in ("lengths", "angles")]
        cell = cellpar_to_cell(np.concatenate(box).astype(float))
        positions = data["wrapped_coords"][row].astype(float)
        atoms = Atoms(data["atom_types"].astype(int), positions, cell=cell, pbc=True)
        labels = {
            "energy": np.array([data["energy"][row] * unit], float),
            "forces": data["forces"][row].astype(float) * unit,
        }
        yield atoms, labels, {"system": "water64", "source_row": row}
