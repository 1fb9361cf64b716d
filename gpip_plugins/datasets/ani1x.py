"""ANI-1x, off-equilibrium configurations of force-centric pre-training (arXiv:2308.14759).

Published under doi:10.6084/m9.figshare.10047041 (CC0) as one HDF5 file with a group for every
composition. Data sets that are read from a group, in Å and Hartree:

| data set | shape |
|---|---|
| `atomic_numbers` | (n_atoms,) |
| `coordinates` | (n_frames, n_atoms, 3) |
| `wb97x_dz.energy` | (n_frames,) |
| `wb97x_dz.forces` | (n_frames, n_atoms, 3) |

A label that was not computed is NaN. The file also has other methods and properties.
"""

from collections.abc import Iterator

import h5py
import numpy as np
from ase import Atoms

from gpip_plugins.datasets.downloaded import DownloadedData
from gpip_plugins.errors import InputError
from gpip_plugins.io.ase_database import Row
from gpip_plugins.units import energy_in_ev

__all__ = ["ANI1x", "read_ani1x"]


class ANI1x(DownloadedData):
    """ANI-1x: 5 million off-equilibrium configurations of C, H, N, O molecules.

    Smith et al., Sci. Data 7, 134 (2020). Energies and forces are those of wB97X/6-31G(d)
    (`wb97x_dz`), converted to eV and eV/Å; configurations without them are left out. The file has
    one group for every composition.

    Args: as for `DownloadedData`.
    """

    URL = "https://ndownloader.figshare.com/files/18112775"
    MD5 = "98090dd6679106da861f52bed825ffb7"
    FILE = "ani1x-release.h5"
    SIZE = 4_956_005
    UNITS = {"energy": "eV", "forces": "eV/Ang"}

    def rows(self, path: str) -> Iterator[Row]:
        """Yield the configurations that have energies and forces."""
        return read_ani1x(path)


def read_ani1x(path: str) -> Iterator[Row]:
    """Yield the configurations of ANI-1x with wB97X/6-31G(d) energies and forces, in eV and Å.

    Args:
        path: path of `ani1x-release.h5`.

    Raises:
        InputError: when the file has another format.
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
