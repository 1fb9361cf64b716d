"""Names of the tensors that gpip_plugins adds to SchNetPack's dictionary of inputs.

They supplement `schnetpack.properties`; `n_atoms` is the number of atoms of the whole batch and
`n_systems` the number of its configurations:

| name | shape | unit | meaning |
|---|---|---|---|
| `R_clean` | (n_atoms, 3) | Å | positions before the noise was added |
| `Z_clean` | (n_atoms,) | -- | atomic numbers before atoms were masked |
| `noise` | (n_atoms, 3) | sigma | noise divided by its standard deviation |
| `is_masked` | (n_atoms,) bool | -- | atoms whose element is masked |
| `is_corrupted` | (n_atoms,) bool | -- | atoms of configurations with noise and mask |
| `is_labelled` | (n_atoms,) bool | -- | atoms of configurations without noise and mask |
| `masked_atoms` | (n_atoms, n_out) | -- | predicted features of the atoms |
| `embedding_clean` | (n_atoms, n_basis) | -- | embedding rows of the clean atomic numbers |
| `structure_latent` | (n_systems, n_out) | -- | pooled representation of a configuration |
| `geometry_latent` | (n_systems, n_out) | -- | Net3D's representation of the clean configuration |
| `pseudo_energy` | (n_systems,) | -- | scalar whose gradient predicts the noise |
| `kind` | (n_systems,) int | -- | kind of its forces: a `Kind` |
| `dataset` | (n_systems,) int | -- | number of the data set in a mixture |
| `force_targets` | (n_atoms, 3) | eV/Å | target forces; NaN where there are none |
| `is_off_equilibrium` | (n_atoms,) bool | -- | atoms whose target is the DFT force |
| `is_equilibrium` | (n_atoms,) bool | -- | atoms at a minimum, whose target is zero |
| `is_perturbed` | (n_atoms,) bool | -- | atoms displaced from a minimum, with a restoring target |
| `has_label(name)` | as the label, bool | -- | rows of a mixture that have the label `name` |

Example:
    >>> from gpip_plugins import properties
    >>> properties.noise
    'noise'
"""

from enum import IntEnum
from typing import Final

from gpip_plugins.errors import check_choice

R_clean: Final[str] = "_positions_clean"
Z_clean: Final[str] = "_atomic_numbers_clean"
noise: Final[str] = "noise"
is_masked: Final[str] = "_is_masked"
is_corrupted: Final[str] = "_is_corrupted"
is_labelled: Final[str] = "_is_labelled"
masked_atoms: Final[str] = "masked_atoms"
embedding_clean: Final[str] = "_embedding_clean"
structure_latent: Final[str] = "structure_latent"
geometry_latent: Final[str] = "geometry_latent"
pseudo_energy: Final[str] = "pseudo_energy"
kind: Final[str] = "_kind"
dataset: Final[str] = "_dataset"
force_targets: Final[str] = "_force_targets"
is_off_equilibrium: Final[str] = "_is_off_equilibrium"
is_equilibrium: Final[str] = "_is_equilibrium"
is_perturbed: Final[str] = "_is_perturbed"


def has_label(name: str) -> str:
    """Return the key of the mask of rows that have a label, for mixtures of data sets.

    Args:
        name: name of the label, such as `forces`.

    Example:
        >>> has_label("forces")
        '_has_forces'
    """
    return f"_has_{name}"


class Kind(IntEnum):
    """Kinds of configurations in force-centric pre-training (arXiv:2308.14759).

    `OFF_EQUILIBRIUM` has computed forces, `EQUILIBRIUM` is a minimum, where they vanish, and
    `PERTURBED` is a minimum with displaced atoms, made by the transform `ForceTargets`.
    The forces of `UNLABELLED` are unknown; it is used for pretexts without forces.

    Example:
        >>> Kind.of("equilibrium").value
        1
    """

    OFF_EQUILIBRIUM = 0
    EQUILIBRIUM = 1
    UNLABELLED = 2
    PERTURBED = 3

    @classmethod
    def of(cls, name: str) -> "Kind":
        """Return the kind with a name that a data set can have.

        Args:
            name: off_equilibrium, equilibrium or unlabelled.

        Raises:
            InputError: for another name.
        """
        names = [kind.name.lower() for kind in cls if kind != cls.PERTURBED]
        return cls[check_choice("kind", name, names).upper()]
