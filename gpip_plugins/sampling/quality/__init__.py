"""How good a sampled database is: temperatures, geometries, duplicates, coverage of labels."""
