"""A compilation as a page to read: every stage beside the others, and why the loops are as they are."""

from tcc.explain.report import explain

__all__ = ["explain"]
