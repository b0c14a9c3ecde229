"""Sums of products of the small numbers in 32-bit words (`tcc.ir.scalar.DOTS`)."""
# The bindings are untyped.
# pyright: basic

from __future__ import annotations

from collections.abc import Callable, Mapping

from tcc.ir.dtype import F32, I32
from tcc.lowering.cpu import word_products
from tcc.lowering.lanes import Lanes


def emit(op: str, a: Lanes, b: Lanes, c: Lanes) -> Lanes:
    """``c`` and the products of what is in the words of ``a`` and ``b``."""
    made = word_products.instruction(op, a, b, c)
    return _WRITTEN_OUT[op](a, b, c) if made is None else made


def _bf16(a: Lanes, b: Lanes, c: Lanes) -> Lanes:
    upper = [(x & 0xFFFF0000).bitcast(F32) for x in (a, b)]
    lower = [(x << 16).bitcast(F32) for x in (a, b)]
    return lower[0].fma(lower[1], upper[0].fma(upper[1], c))


def _i16(a: Lanes, b: Lanes, c: Lanes) -> Lanes:
    for shift in (16, 0):
        x, y = ((w << (16 - shift)).bitcast(I32) >> 16 for w in (a, b))
        c = c + x * y
    return c


def _u8i8(a: Lanes, b: Lanes, c: Lanes) -> Lanes:
    for shift in (0, 8, 16, 24):
        c = c + ((a >> shift) & 0xFF).bitcast(I32) * ((b << (24 - shift)).bitcast(I32) >> 24)
    return c


_WRITTEN_OUT: Mapping[str, Callable[[Lanes, Lanes, Lanes], Lanes]] = {
    "dot_bf16": _bf16,
    "dot_i16": _i16,
    "dot_u8i8": _u8i8,
}
