"""Choice of configurations to label."""
