"""Structures as vectors: SOAP of every atom, and its average over a structure.

SOAP: Bartók, Kondor, Csányi, Phys. Rev. B 87, 184115 (2013), as the library DScribe computes it
(Himanen et al., Comput. Phys. Commun. 247, 106949 (2020)). Two channels of elements would make the
vectors grow with the square of the number of elements; one is summed over all elements (`mu1nu1`,
Darby, Kermode, Csányi, npj Comput. Mater. 8, 166 (2022)).
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
    """Check that the optional packages of the extra `analysis` are there.

    Args:
        purpose: what they are needed for, as the sentence begins.

    Raises:
        InputError: naming those that are missing and how to install them.
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
    """A set of structures as vectors of length 1.

    Args:
        structures: averages over all atoms, shape (n_structures, n_features).
        environments: atomic number to vectors of single atoms, shape (n_atoms_kept, n_features).
        owners: atomic number to the structure and atom of each such vector, (n_atoms_kept, 2).
    """

    structures: np.ndarray
    environments: dict[int, np.ndarray]
    owners: dict[int, np.ndarray]


class Descriptor:
    """SOAP with a cutoff that reaches the third neighbours of an atom.

    All vectors are scaled to length 1, so that the distance of two of them is
    sqrt(2 - 2k) with the SOAP kernel k, between 0 and sqrt(2).

    Args:
        species: atomic numbers of all elements that occur.
        r_cut: cutoff in Å.
        n_max: number of radial functions.
        l_max: highest degree of the spherical harmonics.
        sigma: width of the Gaussian that stands for an atom, in Å; thermal motion is 0.1 to 0.3 Å.

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
            n_environments: about how many atoms of each element are kept one by one; they are
                drawn evenly from all structures that have the element.
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
