"""Labelled sets: from files that others computed, or from sampled structures and a calculator.

| what | where | something new is |
|---|---|---|
| file formats that are imported | `readers` | one file and one line in `readers.READERS` |
| formats of chosen configurations | `writers` | one file and one line in `writers.WRITERS` |
| calculators with a short name | `teachers` | one line in `teachers.TEACHERS` |
| ways to choose configurations | `selection.choice` | one function and one line in its `METHODS` |

`importing` turns a file into a database: `keys_and_units` says what is read, `frames` checks and
converts frame by frame, `plausibility` and `scalars` judge whether the units can be right, `report`
says what was done. `labelling` computes labels. `origin` is what a configuration keeps of where it
comes from, on the way to the labels and back.
"""
