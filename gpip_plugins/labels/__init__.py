"""What becomes a labelled set: readers, checks, selection, teachers, input files."""
