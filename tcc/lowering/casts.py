"""Conversions between dtypes, the same on every machine."""

from __future__ import annotations

from tcc.ir import dtype as dt
from tcc.ir.dtype import BOOL, DType
from tcc.lowering.lanes import Lanes


def cast(x: Lanes, to: DType) -> Lanes:
    """``x`` in another dtype: floats round to nearest even; a float out of an integer's range
    saturates, nan becomes 0; integers wrap; bool is ``x != 0``."""
    if x.dtype == to:
        return x
    if x.dtype in (dt.F16, dt.BF16):
        return cast(_from_half(x), to)
    if to == BOOL:
        return x.ne(0)
    if to in (dt.F16, dt.BF16):
        wide = x if x.dtype.is_float else x.to_float(dt.F32)
        return _to_half(_odd(wide) if wide.dtype == dt.F64 else wide, to)
    if not x.dtype.is_float:
        return x.to_float(to) if to.is_float else x.resize(to)
    if to.is_float:
        return x.widen(to) if to.bits > x.bits else x.narrow(to)
    return _saturate(x, to)


def _saturate(x: Lanes, to: DType) -> Lanes:
    """A float towards zero, kept in the range of an integer dtype; nan gives 0."""
    signed = to.kind == "int"
    low = -(1 << (to.bits - 1)) if signed else 0
    high = (1 << (to.bits - signed)) - 1
    # Narrow integers by way of i32, which machines convert to directly.
    by = to if to.bits >= 32 else dt.I32
    mantissa = 24 if x.dtype == dt.F32 else 53
    exact = (
        high
        if high.bit_length() <= mantissa
        else (high >> (high.bit_length() - mantissa)) << (high.bit_length() - mantissa)
    )
    inside = (x > low).select(x, float(low))  # nan too
    inside = (inside < exact).select(inside, float(exact))
    y = inside.to_int(by).resize(to)
    if exact != high:
        y = (x > exact).select(high, y)
    return x.isnan().select(0, y) if signed else y


def _odd(x: Lanes) -> Lanes:
    """An f64 in f32, rounded to odd: a second rounding, to a half float, then gives what one would."""
    y = x.narrow(dt.F32)
    back = y.widen(dt.F64)
    inexact = back.compare("lt", x) | back.compare("gt", x)
    bits = y.bitcast(dt.I32)
    # The rounded value is one unit too far from zero, or already the truncated one.
    bits = (back.abs() > x.abs()).select(bits - 1, bits)
    return inexact.select(bits | 1, bits).bitcast(dt.F32)


def _from_half(x: Lanes) -> Lanes:
    """A half float in f32: exact."""
    if x.dtype == dt.F16 and x.facts.half:
        return x.widen(dt.F32)
    bits = x.bitcast(dt.U16).resize(dt.U32)
    if x.dtype == dt.BF16:
        return (bits << 16).bitcast(dt.F32)
    # The exponent and mantissa moved into place are the value times 2^-112, subnormals included; the
    # product repairs that, but for infinity and nan, whose exponent is set.
    magnitude = (bits & 0x7FFF) << 13
    value = (magnitude.bitcast(dt.F32) * 2.0**112).bitcast(dt.U32)
    value = (magnitude >= 0x7C00 << 13).select(magnitude | 0x7F800000, value)
    return (value | ((bits & 0x8000) << 16)).bitcast(dt.F32)


def _to_half(x: Lanes, to: DType) -> Lanes:
    """An f32 in a half float, to nearest even."""
    if to == dt.F16 and x.facts.half:
        return x.narrow(to)
    bits = x.bitcast(dt.U32)
    magnitude = bits & 0x7FFFFFFF
    if to == dt.BF16:
        # The machine's own instructions, where there are any, lose subnormals.
        rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16
        half = (magnitude > 0x7F800000).select((bits >> 16) | 0x7FC0, rounded)
        return half.resize(dt.U16).bitcast(to)
    # Normal: rebias the exponent and round away 13 bits. Below 2^-14 adding 1/2 leaves the rounded
    # subnormal in the low bits of the sum.
    normal = (magnitude - (112 << 23) + 0xFFF + ((magnitude >> 13) & 1)) >> 13
    subnormal = (magnitude.bitcast(dt.F32) + 0.5).bitcast(dt.U32) - 0x3F000000
    half = (magnitude < 113 << 23).select(subnormal, normal)
    half = (magnitude >= 143 << 23).select((magnitude > 0x7F800000).select(0x7E00, half.const(0x7C00)), half)
    return (half | ((bits >> 16) & 0x8000)).resize(dt.U16).bitcast(to)
