"""Judging: reports on sampled sets as JSON, CSV and pictures."""
