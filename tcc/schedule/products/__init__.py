"""Sums of products: tiles of results in registers, panels of operands."""
