"""Integer arithmetic as NumPy's: wrapping, and defined where the machine traps or C is silent."""

from __future__ import annotations

from tcc.ir import dtype as dt
from tcc.ir.dtype import BOOL
from tcc.lowering.lanes import Lanes, while_any


def sign(x: Lanes) -> Lanes:
    """-1, 0 or 1."""
    positive = (x > 0).resize(x.dtype)
    return positive - (x < 0).resize(x.dtype) if x.dtype.kind == "int" else positive


def maximum(x: Lanes, y: Lanes) -> Lanes:
    """The larger; of bools: either."""
    return x | y if x.dtype == BOOL else (x > y).select(x, y)


def minimum(x: Lanes, y: Lanes) -> Lanes:
    """The smaller; of bools: both."""
    return x & y if x.dtype == BOOL else (x < y).select(x, y)


def _divide(x: Lanes, y: Lanes) -> tuple[Lanes, Lanes, Lanes]:
    """The quotient towards zero, the remainder, and where ``y`` is not zero (elsewhere: x/1).

    The quotient of the least integer by -1 wraps to itself.
    """
    nonzero = y.ne(0)
    trap = ~nonzero
    if x.dtype.kind == "int":
        trap = trap | (x.eq(1 << (x.bits - 1)) & y.eq(-1))
    divisor = trap.select(1, y)
    if x.length is not None and x.bits <= 32 and not y.is_constant():
        # No machine divides vectors of integers. The float quotient is exact enough: its distance from
        # the integer above is at least 1/|x|, relatively, which is more than its rounding error.
        float_dtype = dt.F32 if x.bits <= 16 else dt.F64
        quotient = (x.to_float(float_dtype) / divisor.to_float(float_dtype)).to_int(x.dtype)
    else:
        quotient = x / divisor
    return quotient, x - quotient * divisor, nonzero


def floor_divide(x: Lanes, y: Lanes) -> Lanes:
    """The quotient rounded down; 0 for y = 0."""
    quotient, remainder, nonzero = _divide(x, y)
    if x.dtype.kind == "int":
        below = remainder.ne(0) & ((remainder ^ y) < 0)
        quotient = quotient - below.resize(x.dtype)
    return nonzero.select(quotient, 0)


def modulo(x: Lanes, y: Lanes) -> Lanes:
    """x - y·floor_divide(x, y), with the sign of ``y``; 0 for y = 0."""
    _, remainder, nonzero = _divide(x, y)
    if x.dtype.kind == "int":
        below = remainder.ne(0) & ((remainder ^ y) < 0)
        remainder = below.select(remainder + y, remainder)
    return nonzero.select(remainder, 0)


def remainder(x: Lanes, y: Lanes) -> Lanes:
    """C's remainder, with the sign of ``x``; 0 for y = 0."""
    _, remainder, nonzero = _divide(x, y)
    return nonzero.select(remainder, 0)


def shift_left(x: Lanes, y: Lanes) -> Lanes:
    """x·2^y; 0 when ``y`` is negative or not less than the width."""
    inside = _inside(x, y)
    return inside.select(x << inside.select(y, 0), 0)


def shift_right(x: Lanes, y: Lanes) -> Lanes:
    """floor(x / 2^y); 0 or -1, by the sign of ``x``, when ``y`` is negative or not less than the width."""
    inside = _inside(x, y)
    if x.dtype.kind == "int":
        return x >> inside.select(y, x.bits - 1)
    return inside.select(x >> inside.select(y, 0), 0)


def _inside(x: Lanes, y: Lanes) -> Lanes:
    return y.bitcast(dt.BY_NAME[f"u{x.bits}"]) < x.bits


def power(x: Lanes, y: Lanes) -> Lanes:
    """x^y, wrapping, by repeated squaring. A negative exponent gives the true value towards zero:
    1 and -1 have powers, 0 and all others give 0."""
    exponent = y.bitcast(dt.BY_NAME[f"u{x.bits}"])
    if x.dtype.kind == "int":
        # Only 1 and -1 matter below zero, and only the exponent's lowest bit for them.
        unit = x.eq(1) | x.eq(-1)
        negative = y < 0
        base = (negative & ~unit).select(0, x)
        exponent = negative.select((exponent & 1) | 2, exponent)
    else:
        base = x

    def step(result: Lanes, base: Lanes, exponent: Lanes) -> tuple[Lanes, Lanes, Lanes]:
        return (exponent & 1).ne(0).select(result * base, result), base * base, exponent >> 1

    return while_any(lambda _r, _b, e: e.ne(0), step, [x.const(1), base, exponent])[0]
