"""What the transforms of gpip_plugins have in common: batches, and controlled random numbers.

Every transform here works on a batch (atoms of many configurations, `idx_m`); a single
configuration is its special case. So the same object serves in SchNetPack's per-sample pipeline
and in the batch-wise one of `gpip_plugins.data`.
"""

import copy
import hashlib

import torch
from schnetpack import properties
from schnetpack.transform import Transform

__all__ = ["BatchTransform", "RandomTransform"]


class BatchTransform(Transform):
    """A transform that takes a whole batch as readily as a single configuration."""

    is_preprocessor: bool = True
    is_postprocessor: bool = False
    #: tells the batch-wise loader that this transform may be applied after collation
    batchwise: bool = True


class RandomTransform(BatchTransform):
    """A transform that draws random numbers for every atom.

    Without a `seed`, numbers come from torch's global generator. Lightning seeds it in the main
    process and in every worker (`seed_everything(workers=True)`, as `spktrain` does), so they
    differ between epochs and workers and repeat with the seed of the run. (Without workers the
    ranks of a parallel run draw equal numbers, for different configurations.) With a `seed`,
    each configuration has its own stream, derived from the seed, the kind of transform and the
    configuration's index in the database (`_idx`): the corruption is then fixed, whatever the
    epoch and the batch, as validation needs.

    Args:
        seed: None to draw anew each time; an integer to fix the draws per configuration.
    """

    def __init__(self, seed: int | None = None):
        super().__init__()
        self.seed = seed

    def frozen(self, seed: int) -> "RandomTransform":
        """Return a copy whose draws are fixed per configuration."""
        twin = copy.deepcopy(self)
        twin.seed = seed
        return twin

    def draw(self, inputs: dict[str, torch.Tensor], n_columns: int, kind: str) -> torch.Tensor:
        """Draw independent numbers for every atom.

        Args:
            inputs: batch or single configuration.
            n_columns: numbers per atom.
            kind: `normal` for N(0, 1), `uniform` for [0, 1).

        Returns:
            shape (n_atoms, n_columns), in the type and on the device of the positions.
        """
        R = inputs[properties.R]
        sample = torch.randn if kind == "normal" else torch.rand
        if self.seed is None:
            drawn = sample(len(R), n_columns, dtype=R.dtype)
        else:
            drawn = torch.cat(
                [
                    sample(n, n_columns, dtype=R.dtype, generator=self._generator(index))
                    for index, n in zip(
                        inputs[properties.idx].tolist(),
                        inputs[properties.n_atoms].tolist(),
                        strict=True,
                    )
                ]
            )
        return drawn.to(R.device)

    def _generator(self, index: int) -> torch.Generator:
        # Consecutive integers would give correlated streams of some generators; a hash does not.
        key = f"{type(self).__name__}/{self.seed}/{index}".encode()
        digest = hashlib.blake2b(key, digest_size=8).digest()
        return torch.Generator().manual_seed(int.from_bytes(digest, "big") >> 1)
