"""pow and cbrt."""

from __future__ import annotations

from tcc.ir import dtype as dt
from tcc.lowering.lanes import Lanes
from tcc.lowering.polynomials.double_word import Pair, add, fast_two_sum, multiply, two_product, two_sum
from tcc.lowering.polynomials.exponential import exp_of_sum, normal_exp
from tcc.lowering.polynomials.format import bits, clamp, constant, format_of, polynomial
from tcc.lowering.polynomials.logarithm import decompose


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
    magnitude = _power_in_doubles(x, y) if x.dtype == dt.F32 else _power_in_pairs(x.abs(), y)
    inf = float("inf")
    # A negative number has powers with integers; the odd ones are negative.
    integer = y.trunc().eq(y)
    odd = integer & (y * 0.5).trunc().ne(y * 0.5)
    result = odd.select(magnitude.copysign(x), magnitude)
    result = ((x < 0) & (x > -inf) & ~integer).select(float("nan"), result)
    one = y.eq(0) | x.eq(1) | (x.eq(-1) & y.abs().eq(inf))
    return one.select(1, result)


def _log_edges(x: Lanes, logarithm: Lanes) -> Lanes:
    """``logarithm`` for positive finite ``x``; -inf for 0; inf and nan stay."""
    logarithm = (x < float("inf")).select(logarithm, x)
    return x.eq(0).select(-float("inf"), logarithm)


def _power_in_doubles(x: Lanes, y: Lanes) -> Lanes:
    """\\|x\\|^y of floats. Doubles have so many bits more that the polynomials may be short."""
    a = x.abs().widen(dt.F64)
    d = decompose(a)
    f = d.m - 1
    s = f / (f + 2)
    z = s * s
    logarithm = d.e.fma(constant("log_2", a)[0], s.fma(2, s * z * polynomial("log_short", z)))
    product = _log_edges(a, logarithm) * y.widen(dt.F64)
    return normal_exp(clamp(product, -200, 200), None, "exp_short").narrow(dt.F32)


def _power_in_pairs(a: Lanes, y: Lanes) -> Lanes:
    """a^y of positive doubles, by a logarithm of about 68 bits."""
    d = decompose(a)
    f = d.m - 1
    # s = f/(2 + f) as a pair
    below = two_sum(f, 2)
    inverse = 1 / below.high
    s_high = f * inverse
    product = two_product(s_high, below.high)
    s = fast_two_sum(s_high, (((f - product.high) - product.low) - s_high * below.low) * inverse)
    # 2·s + s·z·(2/3 + z·P(z))
    z = multiply(s, s)
    third, rest = constant("two_thirds", a)
    tail = z.high * polynomial("log_long", z.high)
    factor = fast_two_sum(a.const(third), tail)
    series = multiply(multiply(s, z), Pair(factor.high, factor.low + rest))
    logarithm = add(Pair(s.high * 2, s.low * 2), series)
    ln2, ln2_rest = constant("ln2", a)
    exponent = two_product(d.e, ln2_rest)
    # The larger addend comes first where the exponent is not 0; where it is, so are both its parts.
    whole = add(fast_two_sum(d.e * ln2, exponent.high), logarithm)
    # So large an exponent gives 0, 1 or infinity already, and overflows nowhere on the way.
    y = clamp(y, -(2.0**100), 2.0**100)
    product = two_product(y, _log_edges(a, whole.high))
    low = y.fma(whole.low + exponent.low, product.low)
    high = clamp(product.high, -800, 800)
    # What is clamped, infinite or nan has no low part.
    return exp_of_sum(high, (high.abs() < 800).select(low, 0))
