"""Base of the transforms of gpip_plugins: batches, and controlled random numbers.

Every transform here works on a batch (atoms of many configurations, `idx_m`) or on a single
configuration. So the same object can be used in SchNetPack's per-sample pipeline and in the
batch-wise one of `gpip_plugins.data`.
"""

import copy
import hashlib

import torch
from schnetpack import properties
from schnetpack.transform import Transform
from torch.utils.data import get_worker_info

from gpip_plugins import properties as gpip_properties
from gpip_plugins.errors import InputError

__all__ = ["BatchTransform", "RandomTransform", "hashed_generator"]


class BatchTransform(Transform):
    """A transform of a whole batch or of a single configuration."""

    is_preprocessor: bool = True
    is_postprocessor: bool = False
    #: states for the batch-wise loader that this transform may be applied after collation
    batchwise: bool = True


class RandomTransform(BatchTransform):
    """A transform that draws random numbers for every atom.

    There are three sources of numbers.

    - With a `seed`, each configuration has its own stream, derived from the seed, the class of the
      transform and the configuration's index in the database (`_idx`): the corruption is then the
      same in every epoch and batch, as validation needs.
    - After `restart`, which the loader of `gpip_plugins.data.GpipDataModule` calls at the start of
      an epoch of training, numbers come from a stream of this transform. It depends on the
      arguments of `restart` (seed of the run, rank, epoch) and on the worker process: ranks,
      workers and epochs differ, and a resumed run continues with the numbers of its epoch.
    - Otherwise they come from torch's global generator, as in SchNetPack's data module.

    Args:
        seed: None to draw new numbers each time; an integer to fix the draws per configuration.
    """

    def __init__(self, seed: int | None = None):
        super().__init__()
        self.seed = seed
        self._key: tuple[int, ...] | None = None
        self._stream: torch.Generator | None = None

    def frozen(self, seed: int) -> "RandomTransform":
        """Return a copy whose draws are fixed per configuration."""
        twin = copy.deepcopy(self)
        twin.seed = seed
        return twin

    def restart(self, *key: int) -> None:
        """Begin a new stream of random numbers; the same key gives the same stream.

        Args:
            key: values that set the stream: seed, rank, epoch, position among the transforms.
        """
        self._key, self._stream = key, None

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
            drawn = sample(len(R), n_columns, dtype=R.dtype, generator=self._running_stream())
        else:
            drawn = torch.cat(
                [
                    sample(n, n_columns, dtype=R.dtype, generator=self._generator(self.seed, index))
                    for index, n in zip(
                        inputs[properties.idx].tolist(),
                        inputs[properties.n_atoms].tolist(),
                        strict=True,
                    )
                ]
            )
        return drawn.to(R.device)

    def corrupted_atoms(self, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        """Return `is_corrupted`, bool of shape (n_atoms,); write it if it is missing.

        Raises:
            InputError: it is missing, but the batch has force targets of these positions.
        """
        chosen = inputs.get(gpip_properties.is_corrupted)
        if chosen is None:
            if gpip_properties.force_targets in inputs:
                raise InputError(
                    f"{type(self).__name__} would change configurations whose forces are learned; "
                    "put SelectCorrupted before ForceTargets in transforms."
                )
            R = inputs[properties.R]
            chosen = torch.ones(len(R), dtype=torch.bool, device=R.device)
            inputs[gpip_properties.is_corrupted] = chosen
        return chosen

    def _running_stream(self) -> torch.Generator | None:
        if self._stream is None and self._key is not None:
            # The process in which numbers are drawn is known only now.
            worker = get_worker_info()
            self._stream = self._generator(*self._key, -1 if worker is None else worker.id)
        return self._stream

    def _generator(self, *key: int) -> torch.Generator:
        return hashed_generator(type(self).__name__, *key)


def hashed_generator(*key: str | int) -> torch.Generator:
    """Return a generator whose stream depends on all parts of a key.

    Consecutive integers as seeds give correlated streams of some generators; a hash does not.

    Example:
        >>> first, again, other = (hashed_generator("order", k) for k in (0, 0, 1))
        >>> first.initial_seed() == again.initial_seed() != other.initial_seed()
        True
    """
    digest = hashlib.blake2b("/".join(map(str, key)).encode(), digest_size=8).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest, "big") >> 1)
