"""Files: databases, structures, paths and locks."""
