"""Data sources: one module each; a generated data set is a data source too."""

from gpip_plugins.datasets.classical_md import ClassicalMD

__all__ = ["ClassicalMD"]
