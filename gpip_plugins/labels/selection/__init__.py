"""Choice of the configurations that are labelled."""
