"""Names of the tensors that gpip_plugins adds to SchNetPack's dictionary of inputs.

They stand beside `schnetpack.properties`; with `n_atoms` the number of atoms of the whole batch
and `n_systems` the number of configurations in it:

| name | shape | unit | meaning |
|---|---|---|---|
| `R_clean` | (n_atoms, 3) | Å | positions before the noise was added |
| `Z_clean` | (n_atoms,) | -- | atomic numbers before atoms were masked |
| `noise` | (n_atoms, 3) | sigma | noise divided by its standard deviation |
| `is_masked` | (n_atoms,) bool | -- | atoms whose element is hidden |
| `is_corrupted` | (n_atoms,) bool | -- | atoms of configurations with noise and mask |
| `is_labelled` | (n_atoms,) bool | -- | atoms of configurations left as they were |
| `masked_atoms` | (n_atoms, n_out) | -- | restored features of the atoms |
| `embedding_clean` | (n_atoms, n_basis) | -- | embedding rows of the clean atomic numbers |
| `structure_latent` | (n_systems, n_out) | -- | pooled representation of a configuration |
| `geometry_latent` | (n_systems, n_out) | -- | Net3D's representation of the clean configuration |
| `pseudo_energy` | (n_systems,) | -- | scalar whose gradient predicts the noise |

Example:
    >>> from gpip_plugins import properties
    >>> properties.noise
    'noise'
"""

from typing import Final

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
