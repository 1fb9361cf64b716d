"""Quantities of configurations and trajectories, as pure functions of arrays."""
