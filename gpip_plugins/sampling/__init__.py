"""Unlabelled configurations from classical molecular dynamics."""
