"""Reports on sampled sets as JSON, CSV and pictures.

The quality report is made by `sampled` (reading), `system` and `coverage` (figures), `findings`
(checks), `pictures` and `files` (writing); `quality` combines them. `beside` writes the report of
every new sampling, `leakage` compares a test set with training sets.
"""
