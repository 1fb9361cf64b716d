"""Readers of labelled data, one file per format."""
