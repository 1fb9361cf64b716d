"""SOAP descriptors of atoms, and their averages over structures.

SOAP: Bartók, Kondor, Csányi, Phys. Rev. B 87, 184115 (2013), as computed by DScribe (Himanen et
al., Comput. Phys. Commun. 247, 106949 (2020)). With two channels of elements the size of the
vectors would grow with the square of the number of elements, so one channel is summed over all
elements (`mu1nu1`, Darby, Kermode, Csányi, npj Comput. Mater. 8, 166 (2022)).
"""

import importlib.util
import warnings
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from tqdm import tqdm

from gpip_plugins.errors import InputError

__all__ = ["Described", "Descriptor", "require_analysis"]


def require_analysis(purpose: str) -> None:
    """Check that the optional packages of the extra `analysis` are installed.

    Args:
        purpose: what they are needed for, the beginning of the sentence.

    Raises:
        InputError: when packages are missing; the message states how to install them.
    """
    packages = {"dscribe": "dscribe", "umap": "umap-learn"}
    missing = [name for module, name in packages.items() if not importlib.util.find_spec(module)]
    if missing:
        raise InputError(
            f"{purpose} needs {' and '.join(missing)}, which "
            f"{'is' if len(missing) == 1 else 'are'} not installed; "
            "pip install 'gpip_plugins[analysis]' installs what is missing."
        )


@dataclass(frozen=True)
class Described:
    """Descriptors of a set of structures, vectors of length 1.

    Args:
        structures: averages over all atoms, shape (n_structures, n_features).
        environments: atomic number -> vectors of single atoms, shape (n_atoms_kept, n_features).
        owners: atomic number -> structure and atom of each vector, shape (n_atoms_kept, 2).
    """

    structures: np.ndarray
    environments: dict[int, np.ndarray]
    owners: dict[int, np.ndarray]


class Descriptor:
    """SOAP with a cutoff that includes the third neighbours of an atom.

    All vectors are scaled to length 1, so that the distance between two of them is
    sqrt(2 - 2k) with the SOAP kernel k, between 0 and sqrt(2).

    Args:
        species: atomic numbers of all elements.
        r_cut: cutoff in Å.
        n_max: number of radial functions.
        l_max: highest degree of the spherical harmonics.
        sigma: width of the Gaussian of an atom in Å; thermal motion is 0.1 to 0.3 Å.

    Example:
        >>> from ase.build import molecule
        >>> Descriptor([1, 8])([molecule("H2O")], progress=False).structures.shape
        (1, 360)
    """

    def __init__(
        self,
        species: list[int],
        r_cut: float = 5.0,
        n_max: int = 6,
        l_max: int = 4,
        sigma: float = 0.4,
    ):
        with warnings.catch_warnings():
            # Compiled for the first time, the sources of DScribe complain about their docstrings.
            warnings.simplefilter("ignore", SyntaxWarning)
            from dscribe.descriptors import SOAP

        self.soap = {
            periodic: SOAP(
                species=sorted(species),
                r_cut=r_cut,
                n_max=n_max,
                l_max=l_max,
                sigma=sigma,
                periodic=periodic,
                compression={"mode": "mu1nu1"},
            )
            for periodic in (False, True)
        }

    def __call__(
        self, frames: list[Atoms], n_environments: int = 4000, seed: int = 0, progress: bool = True
    ) -> Described:
        """Describe structures.

        Args:
            frames: structures in Å.
            n_environments: approximate number of atoms of each element that are kept individually,
                drawn evenly from all structures with the element.
            seed: seed of this choice.
            progress: show a progress bar.
        """
        rng = np.random.default_rng(seed)
        per_frame = {
            int(number): max(1, n_environments // sum(number in a.numbers for a in frames))
            for number in np.unique(np.concatenate([atoms.numbers for atoms in frames]))
        }
        structures = []
        vectors: dict[int, list] = {number: [] for number in per_frame}
        owners: dict[int, list] = {number: [] for number in per_frame}
        bar = tqdm(frames, "descriptors", unit="frame", disable=not progress)
        for index, atoms in enumerate(bar):
            features = _unit(self.soap[bool(atoms.pbc.any())].create(atoms))
            structures.append(features.mean(axis=0))
            for number in np.unique(atoms.numbers).tolist():
                members = np.flatnonzero(atoms.numbers == number)
                kept = rng.permutation(members)[: per_frame[number]]
                vectors[number].append(features[kept])
                owners[number].append(np.stack([np.full(len(kept), index), kept], axis=1))
        return Described(
            _unit(np.array(structures)),
            {number: np.concatenate(parts) for number, parts in vectors.items()},
            {number: np.concatenate(parts) for number, parts in owners.items()},
        )


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
