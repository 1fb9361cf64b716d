"""Pre-training of interatomic potentials for SchNetPack: GPIP and force-centric methods."""

__version__ = "0.1.0"
