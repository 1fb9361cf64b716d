"""Input files for ab initio programs, and chosen structures."""
