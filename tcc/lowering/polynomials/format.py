"""The float formats the polynomials work in, and the steps they share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tcc.ir import dtype as dt
from tcc.ir.dtype import DType
from tcc.lowering.lanes import Lanes
from tcc.lowering.polynomials.coefficients import CONSTANTS, POLYNOMIALS


@dataclass(frozen=True)
class Format:
    """A binary float format: explicit mantissa bits, exponent bias, the unsigned integer of its width."""

    dtype: DType
    mantissa: int
    bias: int
    bits: DType

    @property
    def magic(self) -> float:
        """Added to a float of moderate size, it rounds it to an integer and leaves that in the low bits."""
        return 1.5 * 2.0**self.mantissa

    @property
    def smallest_normal(self) -> float:
        return 2.0 ** (1 - self.bias)

    @property
    def one(self) -> int:
        """The bits of 1."""
        return self.bias << self.mantissa


_FORMATS = {dt.F32: Format(dt.F32, 23, 127, dt.U32), dt.F64: Format(dt.F64, 52, 1023, dt.U64)}


def format_of(x: Lanes) -> Format:
    """The format of f32 or f64 lanes."""
    return _FORMATS[x.dtype]


def polynomial(name: str, x: Lanes) -> Lanes:
    """A fitted polynomial at ``x``, by Horner's scheme."""
    *rest, y = (x.const(c) for c in POLYNOMIALS[name][x.dtype.name])
    for c in reversed(rest):
        y = y.fma(x, c)
    return y


def constant(name: str, x: Lanes) -> Sequence[float]:
    """The parts of a constant in the format of ``x``."""
    return CONSTANTS[name][x.dtype.name]


def clamp(x: Lanes, low: float, high: float) -> Lanes:
    """``x`` kept between two numbers; nan stays."""
    x = (x < low).select(low, x)
    return (x > high).select(high, x)


def bits(x: Lanes) -> Lanes:
    """The bits of a float as an unsigned integer."""
    return x.bitcast(format_of(x).bits)


def with_sign(x: Lanes, sign: Lanes) -> Lanes:
    """``x`` negated where the integer ``sign`` has its highest bit; its other bits must be 0."""
    return (bits(x) ^ sign).bitcast(x.dtype)


def sign_bits(x: Lanes) -> Lanes:
    """The sign bit of a float alone, as an unsigned integer."""
    return bits(x) & (1 << (x.bits - 1))
