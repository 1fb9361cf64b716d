"""Judging: reports on sampled sets as JSON, CSV and pictures.

The quality report goes through `sampled` (reading), `system` and `coverage` (figures), `findings`
(judgement), `pictures` and `files` (writing); `quality` puts them together, `beside` is the report
that comes with every sampling, `leakage` the comparison of a test set with what was learned from.
"""
