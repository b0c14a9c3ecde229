"""Sorting and searching: loops that no form describes."""
