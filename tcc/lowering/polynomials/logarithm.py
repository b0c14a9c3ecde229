"""log, log2, log10, log1p and the inverse hyperbolic functions.

A positive number is 2^e·(1 + f) with sqrt(1/2) <= 1 + f < sqrt(2). In f64, log(1 + f) comes from the
series of arctanh at f/(2 + f), arranged as in FreeBSD's e_log.c so that f itself is never rounded.
"""

from __future__ import annotations

from dataclasses import dataclass

from tcc.ir import dtype as dt
from tcc.lowering.lanes import Lanes
from tcc.lowering.polynomials.double_word import Pair, fast_two_sum, two_product, two_sum
from tcc.lowering.polynomials.format import bits, constant, format_of, polynomial

SQRT_HALF = {dt.F32: 0x3F3504F3, dt.F64: 0x3FE6A09E667F3BCD}
"""The bits of the least mantissas."""


@dataclass(frozen=True)
class Decomposed:
    """x = 2^e·m; ``e`` as a float."""

    e: Lanes
    m: Lanes


def decompose(x: Lanes) -> Decomposed:
    """Exponent and mantissa (between sqrt(1/2) and sqrt(2)) of a positive finite number."""
    f = format_of(x)
    tiny = x < f.smallest_normal
    shift = f.mantissa + 1
    x = tiny.select(x * 2.0**shift, x)
    biased = bits(x) + (f.one - SQRT_HALF[x.dtype])
    # The exponent field as the low bits of a float, which is then an integer plus 2^mantissa.
    field = ((biased >> f.mantissa) | ((f.bias + f.mantissa) << f.mantissa)).bitcast(x.dtype)
    offset = 2.0**f.mantissa + f.bias
    e = field - tiny.select(x.const(offset + shift), x.const(offset))
    m = ((biased & ((1 << f.mantissa) - 1)) + SQRT_HALF[x.dtype]).bitcast(x.dtype)
    return Decomposed(e, m)


def _tail(f: Lanes) -> Lanes:
    """log(1 + f) - f for -0.3 < f < 0.42."""
    square = f * f
    if f.dtype == dt.F32:
        return square.fma(-0.5, f * square * polynomial("log", f))
    s = f / (f + 2)
    z = s * s
    half = square * 0.5
    return s.fma(z.fma(polynomial("log", z), half), -half)


def _natural(e: Lanes, f: Lanes, correction: Lanes | None = None) -> Lanes:
    """e·log(2) + log(1 + f) (+ correction)."""
    high, low = constant("ln2", f)
    tail = _tail(f)
    if correction is not None:
        tail = tail + correction
    return e.fma(high, f + e.fma(low, tail))


def _in_base(x: Lanes, base: str, two: tuple[float, float]) -> Lanes:
    """log to a base, from the parts of 1/log(base) and of log_base(2)."""
    d = decompose(x)
    f = d.m - 1
    high, low = constant(base, x)
    product = two_product(f, high)
    rest = _tail(f).fma(high, f.fma(low, product.low))
    total = fast_two_sum(d.e * two[0], product.high)
    # Where the exponent is 0 there is nothing larger to add to; the sum is exact then.
    return total.high + (total.low + d.e.fma(two[1], rest))


def _with_edges(x: Lanes, y: Lanes) -> Lanes:
    """``y`` for positive finite ``x``; inf and nan stay, 0 gives -inf and less nan."""
    inf = float("inf")
    y = (x < inf).select(y, x)
    return (x > 0).select(y, x.eq(0).select(-inf, x.const(float("nan"))))


def log(x: Lanes) -> Lanes:
    """The natural logarithm."""
    d = decompose(x)
    return _with_edges(x, _natural(d.e, d.m - 1))


def log2(x: Lanes) -> Lanes:
    """The logarithm to base 2."""
    return _with_edges(x, _in_base(x, "log2_e", (1.0, 0.0)))


def log10(x: Lanes) -> Lanes:
    """The logarithm to base 10."""
    high, low = constant("log10_2", x)
    return _with_edges(x, _in_base(x, "log10_e", (high, low)))


def _log1p(x: Pair) -> Lanes:
    """log(1 + x) for x > -1, also of a pair; not for infinity."""
    f = format_of(x.high)
    u = two_sum(x.high, 1)
    rest = u.low + x.low
    d = decompose(u.high)
    # 1/2^e from the difference of the bits; beyond 2^(mantissa + 2) the rest does not matter.
    inverse = (bits(d.m) - bits(u.high) + f.one).bitcast(u.high.dtype)
    rest = (u.high < 2.0 ** (f.mantissa + 3)).select(rest * inverse, 0)
    small = two_sum(d.m - 1, rest)
    # log(1 + f + c) = log(1 + f) + c/(1 + f), nearly.
    return _natural(d.e, small.high, small.low * (1 - small.high))


def log1p(x: Lanes) -> Lanes:
    """log(1 + x)."""
    y = _log1p(Pair(x, x.const(0)))
    inf = float("inf")
    y = (x < inf).select(y, x)
    y = (x > -1).select(y, x.eq(-1).select(-inf, x.const(float("nan"))))
    return _or_itself(x, y)


def arcsinh(x: Lanes) -> Lanes:
    """log(x + sqrt(x² + 1))."""
    f = format_of(x)
    a = x.abs()
    # Beyond 2^mantissa log(2·a); there is no overflow on the way as the factor goes into the exponent.
    large = a >= 2.0**f.mantissa
    t = large.select(1, a)
    square = two_product(t, t)
    root_square = two_sum(square.high, 1)
    root = _root(Pair(root_square.high, root_square.low + square.low))
    # sqrt(t² + 1) - 1 = t²/(sqrt(t² + 1) + 1)
    shifted = two_sum(root.high, 1)
    fraction = _quotient(square, Pair(shifted.high, shifted.low + root.low))
    total = two_sum(t, fraction.high)
    y = _log1p(Pair(large.select(a, total.high), large.select(0, total.low + fraction.low)))
    y = large.select(y + constant("ln2", x)[0] + constant("ln2", x)[1], y)
    y = (a < float("inf")).select(y, a)
    return _or_itself(x, y.copysign(x))


def arccosh(x: Lanes) -> Lanes:
    """log(x + sqrt(x² - 1)), for x >= 1."""
    f = format_of(x)
    large = x >= 2.0**f.mantissa
    t = (large | (x < 1)).select(1, x) - 1
    # x² - 1 = t·(t + 2)
    plus = two_sum(t, 2)
    product = two_product(t, plus.high)
    root = _root(Pair(product.high, t.fma(plus.low, product.low)))
    total = two_sum(root.high, t)
    y = _log1p(Pair(large.select(x, total.high), large.select(0, total.low + root.low)))
    y = large.select(y + constant("ln2", x)[0] + constant("ln2", x)[1], y)
    y = (x < float("inf")).select(y, x)
    return (x >= 1).select(y, x.isnan().select(x, x.const(float("nan"))))


def arctanh(x: Lanes) -> Lanes:
    """log((1 + x)/(1 - x))/2, for \\|x\\| <= 1."""
    a = x.abs()
    inside = (a < 1).select(a, 0)
    below = two_sum(-inside, 1)
    fraction = _quotient(Pair(inside * 2, inside.const(0)), below)
    y = _log1p(fraction) * 0.5
    y = a.eq(1).select(float("inf"), y)
    y = (a > 1).select(float("nan"), y).copysign(x)
    return _or_itself(x, x.isnan().select(x, y))


def _root(x: Pair) -> Pair:
    """The square root as a pair, by one correction of the machine's."""
    root = x.high.sqrt()
    square = two_product(root, root)
    rest = ((x.high - square.high) - square.low) + x.low
    # 0 has the root 0.
    return Pair(root, root.eq(0).select(0, rest / (root * 2)))


def _quotient(x: Pair, y: Pair) -> Pair:
    """x/y as a pair, by one correction of the machine's."""
    quotient = x.high / y.high
    product = two_product(quotient, y.high)
    rest = ((x.high - product.high) - product.low) + x.low - quotient * y.low
    return Pair(quotient, rest / y.high)


def _or_itself(x: Lanes, y: Lanes) -> Lanes:
    """``x`` where it is so small that it is the nearest float: the rest may lose digits or the sign of 0."""
    return (x.abs() < 2.0 ** -(format_of(x).mantissa + 2)).select(x, y)
