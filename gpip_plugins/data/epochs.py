"""Loader that draws new random numbers in each epoch."""

import torch
from pytorch_lightning import LightningDataModule, seed_everything
from schnetpack.data import AtomsLoader

from gpip_plugins.transform.base import RandomTransform, hashed_generator

__all__ = ["EpochLoader", "share_seed"]


def share_seed() -> None:
    """Give all ranks of a parallel run the seed of the first, if their seeds differ.

    Without `seed`, `spktrain` draws one in every process. Lightning's sampler then divides a
    different order on each rank, so that some configurations come twice and others never.
    """
    parallel = torch.distributed
    if not (parallel.is_available() and parallel.is_initialized()):
        return
    seeds = [None] * parallel.get_world_size()
    parallel.all_gather_object(seeds, torch.initial_seed())
    if len(set(seeds)) > 1:
        seed_everything(seeds[0] % 2**32, workers=True, verbose=False)


class EpochLoader(AtomsLoader):
    """Loader of training batches whose order and corruption are set by seed, rank and epoch.

    With a sampler of SchNetPack (`train_sampler_cls`) that sampler sets the order, drawn from
    torch's global generator; the corruption is still set by seed, rank and epoch.

    A loader that uses torch's global generator gives all ranks of a parallel run the same noise
    and masks, and repeats those of the first epoch in a resumed run. Here every epoch begins with
    new streams of random numbers, and a resumed run equals one without interruption.

    Args:
        dataset: data set with `transforms`; the random ones among them are restarted.
        *args: those of `AtomsLoader`.
        datamodule: its trainer gives rank and epoch; without a trainer, epochs are counted. The
            seed is that of torch's global generator (`seed_everything`).
        **kwargs: those of `AtomsLoader`.
    """

    def __init__(self, dataset, *args, datamodule: LightningDataModule, **kwargs):
        # Lightning builds the loader again for its distributed sampler, from arguments that it
        # finds as attributes.
        self.datamodule = datamodule
        self._epochs_begun = 0
        if kwargs.get("generator") is None:
            kwargs["generator"] = torch.Generator()
        super().__init__(dataset, *args, **kwargs)

    def __iter__(self):
        """Begin an epoch, when its first batch is requested.

        Lightning requests the iterator of a resumed run before it knows the epoch.
        """
        seed, trainer = torch.initial_seed(), self.datamodule.trainer
        if trainer is None:
            rank, epoch = 0, self._epochs_begun
        else:
            rank, epoch = trainer.global_rank, trainer.current_epoch
        self._epochs_begun += 1
        # The same order on all ranks: a sampler divides it among them.
        self.generator.manual_seed(hashed_generator("order", seed, epoch).initial_seed())
        for position, transform in enumerate(self.dataset.transforms):
            if isinstance(transform, RandomTransform):
                transform.restart(seed, rank, epoch, position)
        yield from super().__iter__()
