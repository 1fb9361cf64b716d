"""What is sampled: molecules, boxes, isomers, electrolytes."""
