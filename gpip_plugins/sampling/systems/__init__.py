"""Systems to sample: molecules, boxes, isomers, electrolytes."""
