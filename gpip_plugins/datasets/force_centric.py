"""The large data sets of force-centric pre-training (arXiv:2308.14759).

| data set | kind | size | source, licence |
|---|---|---|---|
| PCQM4Mv2 | equilibrium, B3LYP/6-31G(d) | 3,378,606 | OGB-LSC, CC BY 4.0 |
| ANI-1x | off equilibrium, wB97X/6-31G(d) | 4,956,005 | doi:10.6084/m9.figshare.10047041, CC0 |
| poly24 | off equilibrium | 3,851,540 | not public: your own file |

QM9 and MD17 are in `gpip_plugins.datasets.molecules`. Rows are read and written in chunks, so that
memory does not grow with the data set.
"""

import itertools
import os
import tarfile
from abc import abstractmethod
from collections.abc import Iterator
from typing import Any, ClassVar

import h5py
import numpy as np
from ase import Atoms
from schnetpack.data import ASEAtomsData
from tqdm import tqdm

from gpip_plugins.datasets.download import check_md5, download
from gpip_plugins.datasets.labelled_files import LabelledFiles
from gpip_plugins.datasets.prepared import PreparedData
from gpip_plugins.errors import InputError
from gpip_plugins.io.paths import existing, resolve
from gpip_plugins.units import energy_in_ev

__all__ = ["ANI1x", "DownloadedData", "PCQM4Mv2", "Poly24", "read_ani1x", "read_sdf"]

CHUNK = 1000
Row = tuple[Atoms, dict[str, np.ndarray], dict[str, Any]]


class DownloadedData(PreparedData):
    """Downloads a published file and converts it into a database.

    Args:
        datapath: database, made when it is missing.
        batch_size: configurations in a training batch.
        source: the published file, if you have it; by default it is downloaded beside the database.
        n_max: convert only that many configurations, the first ones; None for all.
        check: compare the file with its published checksum.
        progress: show progress bars.
        **kwargs: everything else that `gpip_plugins.data.GpipDataModule` takes.

    Raises:
        InputError: for a file that is missing, cannot be downloaded, or is another.
    """

    URL: ClassVar[str]
    MD5: ClassVar[str]
    FILE: ClassVar[str]
    SIZE: ClassVar[int]
    UNITS: ClassVar[dict[str, str]]

    def __init__(
        self,
        datapath: str,
        batch_size: int,
        source: str | None = None,
        n_max: int | None = None,
        check: bool = True,
        progress: bool = True,
        **kwargs: Any,
    ):
        if n_max is not None and n_max < 1:
            raise InputError(f"data.n_max={n_max} is not positive; leave it out for all.")
        super().__init__(datapath=datapath, batch_size=batch_size, **kwargs)
        self.source, self.n_max, self.check, self.progress = source, n_max, check, progress

    @property
    def settings(self) -> dict[str, Any]:
        """How many configurations were converted, and from what."""
        return {"file": self.FILE, "n_max": self.n_max}

    @abstractmethod
    def rows(self, path: str) -> Iterator[Row]:
        """Yield structures with their labels and what else is known, from the published file."""

    def make(self, path: str) -> None:
        """Bring the file and convert it."""
        if self.source is not None:
            source = existing("data.source", self.source, "leave it out, and it is downloaded")
            if self.check:
                check_md5(source, self.MD5)
        else:
            source = os.path.join(os.path.dirname(resolve(self.datapath)), self.FILE)
            download(self.URL, source, self.MD5, self.progress)
        store = ASEAtomsData.create(path, distance_unit="Ang", property_unit_dict=self.UNITS)
        found = itertools.islice(self.rows(source), self.n_max)
        bar = tqdm(found, self.FILE, self.n_max or self.SIZE, disable=not self.progress)
        n_rows = 0
        with store.conn:
            for chunk in itertools.batched(bar, CHUNK):
                atoms, labels, origin = zip(*chunk, strict=True)
                store.add_systems(list(labels), list(atoms), list(origin))
                n_rows += len(chunk)
        if not n_rows:
            raise InputError(f"{source} holds no configurations; download it again.")


class PCQM4Mv2(DownloadedData):
    """PCQM4Mv2: equilibrium structures of 3.4 million molecules (Hu et al., arXiv:2103.09430).

    B3LYP/6-31G(d) geometries of PubChemQC (Nakata, Shimazaki, J. Chem. Inf. Model. 57, 1300
    (2017)), hydrogens included; those of the training set, which alone are public, and no labels.

    Args: those of `DownloadedData`.
    """

    URL = "http://ogb-data.stanford.edu/data/lsc/pcqm4m-v2-train.sdf.tar.gz"
    MD5 = "fd72bce606e7ddf36c2a832badeec6ab"
    FILE = "pcqm4m-v2-train.sdf.tar.gz"
    SIZE = 3_378_606
    UNITS = {}

    def rows(self, path: str) -> Iterator[Row]:
        """Yield the structures of the archive, one by one, without unpacking it."""
        try:
            with tarfile.open(path, "r|gz") as archive:
                for entry in archive:
                    if entry.isfile() and entry.name.endswith(".sdf"):
                        for k, atoms in enumerate(read_sdf(archive.extractfile(entry), path)):
                            yield atoms, {}, {"source_row": k}
        except (tarfile.TarError, EOFError, OSError) as error:
            raise InputError(
                f"{path} cannot be unpacked ({type(error).__name__}: {error}); download it again."
            ) from error


class ANI1x(DownloadedData):
    """ANI-1x: 5 million off-equilibrium configurations of C, H, N, O molecules.

    Smith et al., Sci. Data 7, 134 (2020). Energies and forces are those of wB97X/6-31G(d)
    (`wb97x_dz`), converted to eV and eV/Å; configurations without them are left out. The file has
    one group for every composition.

    Args: those of `DownloadedData`.
    """

    URL = "https://ndownloader.figshare.com/files/18112775"
    MD5 = "98090dd6679106da861f52bed825ffb7"
    FILE = "ani1x-release.h5"
    SIZE = 4_956_005
    UNITS = {"energy": "eV", "forces": "eV/Ang"}

    def rows(self, path: str) -> Iterator[Row]:
        """Yield the configurations that have energies and forces."""
        return read_ani1x(path)


class Poly24(LabelledFiles):
    """poly24: configurations of polymers with forces, from your own files.

    The data set of ET-OREO's authors (3,851,540 configurations) is not public, nor is its format.
    This reads extended XYZ, or anything else that `gpip import` reads.

    Args: those of `gpip_plugins.datasets.LabelledFiles`.
    """


def read_sdf(file, name: str) -> Iterator[Atoms]:
    """Yield the structures of an SDF file (V2000), read as a stream.

    Only elements and positions are taken; a parser that perceives bonds refuses some molecules.

    Args:
        file: opened for reading, bytes.
        name: what messages call it.

    Raises:
        InputError: naming the entry that is not such a structure.
    """
    lines = (line.decode("ascii", "replace").rstrip("\r\n") for line in file)
    for number in itertools.count():
        entry = list(itertools.takewhile(lambda line: not line.startswith("$$$$"), lines))
        if not any(line.strip() for line in entry):
            return
        try:
            n_atoms = int(entry[3][:3])
            rows = entry[4 : 4 + n_atoms]
            symbols = [row[31:34].strip() for row in rows]
            positions = [[float(row[k : k + 10]) for k in (0, 10, 20)] for row in rows]
            if n_atoms < 1 or len(rows) < n_atoms:
                raise ValueError(f"{len(rows)} of {n_atoms} atoms")
            atoms = Atoms(symbols, positions)
        except (IndexError, KeyError, ValueError) as error:
            raise InputError(
                f"{name} has no V2000 structure at entry {number}, counted from 0 "
                f"({type(error).__name__}: {error}); download it again."
            ) from error
        yield atoms


def read_ani1x(path: str) -> Iterator[Row]:
    """Yield the configurations of ANI-1x with wB97X/6-31G(d) energies and forces, in eV and Å.

    Args:
        path: of `ani1x-release.h5`.

    Raises:
        InputError: when it is not such a file.
    """
    hartree = energy_in_ev("Hartree")
    names = ("atomic_numbers", "coordinates", "wb97x_dz.energy", "wb97x_dz.forces")
    try:
        with h5py.File(path, "r") as file:
            for formula, group in file.items():
                numbers, positions, energies, forces = (group[name][()] for name in names)
                usable = np.isfinite(energies) & np.isfinite(forces).all(axis=(1, 2))
                for k in np.flatnonzero(usable).tolist():
                    labels = {
                        "energy": np.array([energies[k] * hartree], float),
                        "forces": forces[k].astype(float) * hartree,
                    }
                    origin = {"system": formula, "source_row": k}
                    yield Atoms(numbers, positions[k].astype(float)), labels, origin
    except (OSError, KeyError, AttributeError, IndexError) as error:
        raise InputError(
            f"{path} is not the file ani1x-release.h5 ({type(error).__name__}: {error}); download "
            "it again."
        ) from error
