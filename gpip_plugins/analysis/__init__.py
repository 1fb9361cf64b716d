"""Quantities of configurations and trajectories, as pure functions of arrays.

Positions are in Å with shape (n_frames, n_atoms, 3), cells (n_frames, 3, 3), series (n_frames,) in
the order of time. The modules here do not depend on databases, commands or pictures; they are used
by `report`, the equilibration and the selection of labels.

One file per quantity:

- series of scalars: `error_bars` (statistical inefficiency, standard error), `temperature`;
- single configurations: `bonds`, `distances`, `superposition`, `soap`;
- ensembles: `rdf`;
- sets of configurations: `duplicates` (within one set), `equal_structures` (in two sets),
  `coverage` (of one set by another).

Quantities of dynamics are planned as further files: `msd` and `diffusivity` from positions,
`spectra` from velocities or dipoles, `stability` from bonds and temperatures.
"""
