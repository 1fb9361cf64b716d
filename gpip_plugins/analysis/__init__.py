"""Quantities of configurations and trajectories, as pure functions of arrays.

Positions are in Å with shape (n_frames, n_atoms, 3), cells (n_frames, 3, 3), series (n_frames,) in
the order of time. The modules here do not depend on databases, commands or pictures; they are used
by `report`, the equilibration and the selection of labels.

One file per quantity:

- series of scalars: `error_bars` (statistical inefficiency, standard error), `temperature`;
- single configurations: `bonds`, `distances`, `superposition`, `soap`, `packing`;
- ensembles: `rdf`;
- sets of configurations: `first_fault` (that cannot be real), `duplicates` (within one set),
  `equal_structures` (in two sets), `coverage` (of one set by another).

There is none of dynamics yet. A mean square displacement, a spectrum or a stability is a further
file here, a function of positions, velocities or temperatures with the time between two frames.
"""
