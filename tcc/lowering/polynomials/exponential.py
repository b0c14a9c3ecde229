"""exp, exp2, expm1 and the hyperbolic functions.

An argument is n·log(2) + r with an integer n and \\|r\\| <= log(2)/2, so that exp is 2^n times a polynomial
in r (W. J. Cody and W. Waite, Software Manual for the Elementary Functions, 1980).
"""

from __future__ import annotations

from dataclasses import dataclass

from tcc.ir import dtype as dt
from tcc.lowering.cpu import powers_of_two
from tcc.lowering.lanes import Lanes
from tcc.lowering.polynomials.format import bits, clamp, constant, format_of, polynomial


@dataclass(frozen=True)
class Reduced:
    """An argument as n·log(2) + r. ``n_bits`` has n in its low bits as an integer."""

    n: Lanes
    n_bits: Lanes
    r: Lanes


def reduce(x: Lanes) -> Reduced:
    """Reduction of a moderate argument (n within twice the exponent range)."""
    magic = format_of(x).magic
    shifted = x.fma(constant("log2_e", x)[0], magic)
    n = shifted - magic
    high, low = constant("ln2", x)
    return Reduced(n, bits(shifted), n.fma(-low, n.fma(-high, x)))


def scale(y: Lanes, n: Lanes, n_bits: Lanes) -> Lanes:
    """y·2^n with one rounding, for y near 1 and n within twice the exponent range.

    Without an instruction for it in two steps, as 2^n itself may not be a normal number.
    """
    scaled = powers_of_two.scaled(y, n)
    if scaled is not None:
        return scaled
    f = format_of(y)
    half_bits = bits(n.fma(0.5, f.magic))
    scaled = (bits(y) + (half_bits << f.mantissa)).bitcast(y.dtype)
    return scaled * (((n_bits - half_bits) << f.mantissa) + f.one).bitcast(y.dtype)


def _limits(x: Lanes) -> tuple[float, float]:
    """Arguments beyond which exp is 0 or infinite."""
    return (-104.0, 89.0) if x.dtype == dt.F32 else (-746.0, 710.0)


def exp(x: Lanes) -> Lanes:
    """e^x."""
    return exp_of_sum(clamp(x, *_limits(x)))


def exp_of_sum(high: Lanes, low: Lanes | None = None, name: str = "exp") -> Lanes:
    """e^(high + low) where ``high`` is not far out of the range of exp; by a longer or shorter polynomial."""
    reduced, y = _exp_of_rest(high, low, name)
    return scale(y, reduced.n, reduced.n_bits)


def normal_exp(high: Lanes, low: Lanes | None = None, name: str = "exp") -> Lanes:
    """The same where the result is known to be a normal number."""
    reduced, y = _exp_of_rest(high, low, name)
    return (bits(y) + (reduced.n_bits << format_of(y).mantissa)).bitcast(y.dtype)


def _exp_of_rest(high: Lanes, low: Lanes | None, name: str) -> tuple[Reduced, Lanes]:
    reduced = reduce(high)
    r = reduced.r if low is None else reduced.r + low
    return reduced, 1 + (r * r).fma(polynomial(name, r), r)


def exp2(x: Lanes) -> Lanes:
    """2^x."""
    x = clamp(x, *((-151.0, 129.0) if x.dtype == dt.F32 else (-1076.0, 1025.0)))
    magic = format_of(x).magic
    shifted = x + magic
    n = shifted - magic
    r = x - n
    return scale(r.fma(polynomial("exp2", r), 1), n, bits(shifted))


def exp2_of_normal(x: Lanes, name: str) -> Lanes:
    """2^x where that is known to be a normal number, by the polynomial of that name."""
    magic = format_of(x).magic
    shifted = x + magic
    r = x - (shifted - magic)
    return (bits(r.fma(polynomial(name, r), 1)) + (bits(shifted) << format_of(x).mantissa)).bitcast(x.dtype)


def expm1(x: Lanes) -> Lanes:
    """e^x - 1."""
    f = format_of(x)
    reduced = reduce(clamp(x, *((-18.0, 89.0) if x.dtype == dt.F32 else (-38.0, 710.0))))
    r = reduced.r
    # Half of it, as 2^n may be just too large.
    half = ((reduced.n_bits << f.mantissa) + ((f.bias - 1) << f.mantissa)).bitcast(x.dtype)
    y = half.fma((r * r).fma(polynomial("expm1", r), r), half - 0.5) * 2
    # The nearest float is x where it is small; the above loses its digits there, and the sign of 0.
    return (x.abs() < 2.0 ** -(f.mantissa + 2)).select(x, y)


def _half_exp(x: Lanes) -> Lanes:
    """e^x/2 for x >= 0: finite until that is not."""
    reduced, y = _exp_of_rest(clamp(x, 0, 90.0 if x.dtype == dt.F32 else 711.0), None, "exp")
    return scale(y * 0.5, reduced.n, reduced.n_bits)


def sinh(x: Lanes) -> Lanes:
    """(e^x - e^-x)/2."""
    half = _half_exp(x.abs())
    z = x * x
    near = x.fma(z * polynomial("sinh", z), x)
    return (x.abs() < 1).select(near, (half - 0.25 / half).copysign(x))


def cosh(x: Lanes) -> Lanes:
    """(e^x + e^-x)/2."""
    half = _half_exp(x.abs())
    return half + 0.25 / half


def tanh(x: Lanes) -> Lanes:
    """sinh/cosh."""
    reduced = reduce(clamp(x.abs() * 2, 0, 20.0 if x.dtype == dt.F32 else 40.0))
    r = reduced.r
    f = format_of(x)
    power = ((reduced.n_bits << f.mantissa) + f.one).bitcast(x.dtype)
    plus = power.fma((r * r).fma(polynomial("exp", r), r), power + 1)
    z = x * x
    near = x.fma(z * polynomial("tanh", z), x)
    # Not only the far part takes its sign from x: the near one loses that of 0.
    return (x.abs() < 0.55).select(near, 1 - 2 / plus).copysign(x)
