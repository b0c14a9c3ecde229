"""Comparing and signing floats as NumPy does."""

from __future__ import annotations

from tcc.ir import dtype as dt
from tcc.lowering.lanes import Lanes

# Compare and select is one instruction each; `arith.maximumf` takes five, `maxnumf` three.


def maximum(x: Lanes, y: Lanes) -> Lanes:
    """The larger; nan when either is."""
    return x.isnan().select(x, (x > y).select(x, y))


def minimum(x: Lanes, y: Lanes) -> Lanes:
    """The smaller; nan when either is."""
    return x.isnan().select(x, (x < y).select(x, y))


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
