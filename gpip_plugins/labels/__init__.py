"""Labelled sets: from files with labels, or from sampled structures and a calculator.

| extension | module | to add one |
|---|---|---|
| formats of imported files | `readers` | one file and one line in `readers.READERS` |
| formats of chosen configurations | `writers` | one file and one line in `writers.WRITERS` |
| calculators with a short name | `teachers` | one line in `teachers.TEACHERS` |
| ways to choose configurations | `selection.choice` | one function and one line in its `METHODS` |

`importing` turns a file into a database: `keys_and_units` defines what is read, `values` and
`stress` convert the labels of one frame, `frames` goes through all of them, `inventory` counts what
else they hold. `plausibility` decides whether units and signs can be right, from `outliers`,
`force_checks` and `stress_checks`, which rest on `bond_evidence` and `work_evidence`; `scalars`
does so for scalar properties. `report` describes the result. `labelling` computes labels. `origin`
records where a configuration comes from; the record is kept while it is labelled and imported.
"""
