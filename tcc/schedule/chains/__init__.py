"""Kernels of several groups that meet in a block of rows."""
