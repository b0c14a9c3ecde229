"""Targets: from LLVM text to objects, and from objects to libraries."""
