"""pow and cbrt."""

from __future__ import annotations

from tcc.ir import dtype as dt
from tcc.lowering.cpu import mantissas
from tcc.lowering.lanes import Lanes
from tcc.lowering.polynomials.double_word import fast_two_sum, residual, two_product
from tcc.lowering.polynomials.exponential import exp2_of_normal, exp_of_sum
from tcc.lowering.polynomials.format import bits, clamp, constant, format_of, polynomial
from tcc.lowering.polynomials.logarithm import SQRT_HALF, Decomposed, decompose


def cbrt(x: Lanes) -> Lanes:
    """The cube root."""
    f = format_of(x)
    a = x.abs()
    usual = (a > 0) & (a < float("inf"))
    d = decompose(usual.select(a, 1))
    # e = 3·third + rest with rest -1, 0 or 1; a third of an integer is never near a half.
    shifted = d.e * (1 / 3) + f.magic
    third = shifted - f.magic
    rest = d.e - third * 3
    up, down = rest.eq(1), rest.eq(-1)
    m = d.m * up.select(2.0, down.select(0.5, x.const(1)))
    y = polynomial("cbrt", d.m) * up.select(2 ** (1 / 3), down.select(2 ** (-1 / 3), x.const(1)))
    # Halley's step from y in half its bits, so that y² and the residual y³ - m are exact.
    large = y * 2.0 ** ((f.mantissa + 2) // 2)
    y = (y + large) - large
    cube = two_product(y * y, y)
    residual = (cube.high - m) + cube.low
    y = y - y * (residual / (cube.high * 2 + m))
    power = ((bits(shifted) << f.mantissa) + f.one).bitcast(x.dtype)
    return usual.select(y * power, a).copysign(x)


def power(x: Lanes, y: Lanes) -> Lanes:
    """x^y with C's rules for special values."""
    # So large an exponent gives 0, 1 or infinity already; it is even, as infinity counts, and overflows nowhere.
    y = clamp(y, -(2.0**100), 2.0**100)
    magnitude = _power_in_doubles(x, y) if x.dtype == dt.F32 else _power_in_pairs(x, y)
    # A negative number has powers with integers; the odd ones are negative.
    integer = y.trunc().eq(y)
    odd = integer & (y * 0.5).trunc().ne(y * 0.5)
    result = odd.select(magnitude.copysign(x), magnitude)
    # From the least negative number to the greatest, as bits: their order is that of magnitudes.
    f = format_of(x)
    least = (1 << (x.bits - 1)) + 1
    negative = bits(x) - least < ((2 * f.bias + 1) << f.mantissa) - 1
    result = (negative & ~integer).select(float("nan"), result)
    return (y.eq(0) | x.eq(1)).select(1, result)


def _split(x: Lanes) -> Decomposed:
    """The magnitude decomposed, with the exponent -inf for 0, inf for infinity and nan for nan."""
    found = mantissas.parts(x)
    if found is not None:
        e, m = found
        high = m >= 2 * x.const(SQRT_HALF[x.dtype], format_of(x).bits).bitcast(x.dtype)
        return Decomposed(high.select(e + 1, e), high.select(m * 0.5, m))
    a, inf = x.abs(), float("inf")
    d = decompose(a)
    e = (a < inf).select(d.e, a)
    return Decomposed(a.eq(0).select(-inf, e), d.m)


def _power_in_doubles(x: Lanes, y: Lanes) -> Lanes:
    """\\|x\\|^y of floats. Doubles have so many bits more that the polynomials may be short."""
    d = _split(x)
    f = (d.m - 1).widen(dt.F64)
    s = f / (f + 2)
    logarithm = s.fma(polynomial("log2_short", s * s), d.e.widen(dt.F64))
    return exp2_of_normal(clamp(logarithm * y.widen(dt.F64), -300, 300), "exp2_short").narrow(dt.F32)


def _power_in_pairs(x: Lanes, y: Lanes) -> Lanes:
    """\\|x\\|^y of doubles, by a logarithm of about 65 bits."""
    d = _split(x)
    f = d.m - 1
    # s = f/(2 + f) as a pair
    below = fast_two_sum(f.const(2), f)
    inverse = 1 / below.high
    s = f * inverse
    s_low = (-below.low).fma(s, residual(f, s, below.high)) * inverse
    # 2·s + s·z·(2/3 + z·P(z)), of which only the first terms have a low part
    z = two_product(s, s)
    z_low = (s + s).fma(s_low, z.low)
    cube = two_product(s, z.high)
    cube_low = s.fma(z_low, s_low.fma(z.high, cube.low))
    third, rest = constant("two_thirds", x)
    term = two_product(cube.high, third)
    p = polynomial("log_long", z.high)
    tail = z.high.fma(p, z_low.fma(p, rest))
    series = fast_two_sum(s + s, term.high)
    low = series.low + cube_low.fma(tail + third, s_low.fma(2, term.low))
    # The larger addend comes first where the exponent is not 0; where it is, so is its multiple.
    ln2, ln2_rest = constant("ln2", x)
    whole = fast_two_sum(d.e * ln2, series.high)
    low = cube.high.fma(tail, d.e.fma(ln2_rest, whole.low + low))
    whole = fast_two_sum(whole.high, low)
    product = two_product(y, (d.e.abs() < float("inf")).select(whole.high, d.e))
    # What is clamped, infinite or nan has no low part.
    low = (product.high.abs() < 800).select(y.fma(whole.low, product.low), 0)
    return exp_of_sum(clamp(product.high, -800, 800), low)
