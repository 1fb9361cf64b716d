"""Configurations from classical molecular dynamics, generated when they are needed."""

from typing import Any

from gpip_plugins.data import GpipDataModule
from gpip_plugins.errors import InputError
from gpip_plugins.sampling.campaign.generate import generate
from gpip_plugins.sampling.settings import KEYWORDS, SamplingSettings
from gpip_plugins.sampling.systems.sources import SystemSource

__all__ = ["ClassicalMD"]


class ClassicalMD(GpipDataModule):
    """Database sampled by classical dynamics when it is missing.

    SchNetPack's data sets are downloaded in `prepare_data`; this one is generated: every system at
    every temperature (GPIP's first stage, arXiv:2309.15718).

    Args:
        datapath: the database, ending in `.db`, or a folder, ending in `/`; relative to the folder
            in which the command was typed.
        batch_size: configurations in a training batch.
        system: what is sampled, a class of `gpip_plugins.sampling.systems.sources`.
        **kwargs: the other settings of
            `gpip_plugins.sampling.settings.SamplingSettings.from_keywords`, and those of
            `gpip_plugins.data.GpipDataModule`.

    Raises:
        InputError: for settings that cannot work, before anything is simulated.
    """

    def __init__(self, datapath: str, batch_size: int, system: SystemSource, **kwargs: Any):
        sampling = {key: kwargs.pop(key) for key in KEYWORDS & kwargs.keys()}
        self.sampling = SamplingSettings.from_keywords(datapath, system, **sampling)
        super().__init__(datapath=self.sampling.datapath, batch_size=batch_size, **kwargs)
        n_frames = self.sampling.schedule.n_frames
        asked = [n for n in (self.num_train, self.num_val, self.num_test) if isinstance(n, int)]
        if sum(asked) > n_frames:
            raise InputError(
                f"num_train + num_val + num_test = {sum(asked)} is more than n_frames={n_frames}; "
                "raise n_frames or lower the others."
            )
        min_difference = self.sampling.output.min_difference
        if min_difference and sum(asked) == n_frames:
            raise InputError(
                f"min_difference={min_difference} leaves fewer frames than "
                f"n_frames={n_frames}, which num_train, num_val and num_test add up to; give them "
                "as fractions, for example num_train=0.9 num_val=0.1."
            )

    def prepare_data(self) -> None:
        """Generate the database if it is missing, else check that it has these settings."""
        generate(self.sampling)
