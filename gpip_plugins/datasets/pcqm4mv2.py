"""PCQM4Mv2, the equilibrium structures of force-centric pre-training (arXiv:2308.14759).

Published by OGB-LSC (https://ogb.stanford.edu/docs/lsc/pcqm4mv2/) under CC BY 4.0 as a compressed
archive of one SDF file: V2000 entries as RDKit writes them, hydrogens included, in Å.
"""

import itertools
import tarfile
from collections.abc import Iterator

from ase import Atoms

from gpip_plugins.datasets.downloaded import DownloadedData
from gpip_plugins.errors import InputError
from gpip_plugins.io.ase_database import Row

__all__ = ["PCQM4Mv2", "read_sdf"]


class PCQM4Mv2(DownloadedData):
    """PCQM4Mv2: equilibrium structures of 3.4 million molecules (Hu et al., arXiv:2103.09430).

    B3LYP/6-31G(d) geometries of PubChemQC (Nakata, Shimazaki, J. Chem. Inf. Model. 57, 1300
    (2017)), hydrogens included. Only the structures of the training set are public. No labels.

    Args: as for `DownloadedData`.
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


def read_sdf(file, name: str) -> Iterator[Atoms]:
    """Yield the structures of an SDF file (V2000), read as a stream.

    Only elements and positions are taken; a parser that perceives bonds refuses some molecules.

    Args:
        file: opened for reading, bytes.
        name: name of the file in messages.

    Raises:
        InputError: for an entry that is not a V2000 structure; the message gives its number.
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
