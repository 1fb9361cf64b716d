"""Pre-training of interatomic potentials for SchNetPack: GPIP and classical labels."""

__version__ = "0.1.0"
