"""Comparing and signing floats as NumPy does."""

from __future__ import annotations

import math

from tcc.ir import dtype as dt
from tcc.lowering.lanes import Lanes

# Compare and select is one instruction each, and one together where what is selected was compared; `arith.maximumf`
# takes five, `maxnumf` three. A nan of our own keeps both selects from being merged into one of two comparisons.
# What is asked whether it is nan is the constant, or the newer of two parts of a reduction.


def maximum(x: Lanes, y: Lanes) -> Lanes:
    """The larger; nan when either is."""
    if x.is_constant():
        x, y = y, x
    return y.isnan().select(math.nan, (y > x).select(y, x))


def minimum(x: Lanes, y: Lanes) -> Lanes:
    """The smaller; nan when either is."""
    if x.is_constant():
        x, y = y, x
    return y.isnan().select(math.nan, (y < x).select(y, x))


def fmax(x: Lanes, y: Lanes) -> Lanes:
    """The larger; the other one when one is nan."""
    return y.isnan().select(x, (x > y).select(x, y))


def fmin(x: Lanes, y: Lanes) -> Lanes:
    """The smaller; the other one when one is nan."""
    return y.isnan().select(x, (x < y).select(x, y))


def sign(x: Lanes) -> Lanes:
    """-1, 0 (for -0 too) or 1; nan stays."""
    return (x > 0).select(1.0, (x < 0).select(-1.0, x.eq(0).select(0.0, x)))


def signbit(x: Lanes) -> Lanes:
    """Whether the sign bit is set, of -0 and nan too."""
    return x.bitcast(dt.I32 if x.dtype == dt.F32 else dt.I64) < 0
