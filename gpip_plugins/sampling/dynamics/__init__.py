"""Classical molecular dynamics with OpenMM."""
