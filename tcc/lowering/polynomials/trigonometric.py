"""sin, cos, tan and their inverses."""

from __future__ import annotations

from tcc.lowering.lanes import Lanes
from tcc.lowering.polynomials.double_word import two_product
from tcc.lowering.polynomials.format import constant, polynomial, sign_bits, with_sign
from tcc.lowering.polynomials.reduction import reduce


def _sin_of_rest(r: Lanes) -> Lanes:
    """sin(r) for at most pi/2."""
    z = r * r
    return r.fma(z * polynomial("sin", z), r)


def sin(x: Lanes) -> Lanes:
    """The sine of radians."""
    rest = reduce(x, halvings=1, precise=False)
    y = with_sign(_sin_of_rest(rest.high), rest.n_bits << (x.bits - 1))
    return x.eq(0).select(x, y)


def cos(x: Lanes) -> Lanes:
    """The cosine of radians."""
    # cos(r + (n + 1/2)·pi) = -(-1)^n·sin(r)
    rest = reduce(x, halvings=1, offset=0.5, precise=False)
    return with_sign(_sin_of_rest(rest.high), (rest.n_bits + 1) << (x.bits - 1))


def tan(x: Lanes) -> Lanes:
    """The tangent of radians."""
    rest = reduce(x, halvings=2)
    r = rest.high
    z = r * r
    # tan(r + low) = t + low·(1 + t²), where t² is near z.
    tail = (r * z).fma(polynomial("tan", z), rest.low.fma(z, rest.low))
    t = r + tail
    odd = (rest.n_bits & 1).ne(0)
    # -1/t of the sum r + tail, with the rounding error of t put right.
    inverse = -1 / t
    error = inverse.fma(t, 1) if x.facts.fma else _error(inverse, t)
    inverse = inverse.fma(inverse.fma(tail - (t - r), error), inverse)
    return x.eq(0).select(x, odd.select(inverse, t))


def _error(inverse: Lanes, t: Lanes) -> Lanes:
    product = two_product(inverse, t)
    return (product.high + 1) + product.low


def _arctan_of_ratio(y: Lanes, x: Lanes) -> tuple[Lanes, Lanes]:
    """arctan(y/x) in [0, pi/2] for 0 <= y, 0 < x (or y > 0), as two addends.

    One division: of y by x, x by y, or (y - x) by (y + x), so that the polynomial's argument is at most
    tan(pi/8).
    """
    low_limit, high_limit = 0.41421356, 2.4142137
    above = y > x * high_limit
    below = y < x * low_limit
    numerator = below.select(y, above.select(-x, y - x))
    denominator = below.select(x, above.select(y, y + x))
    q = numerator / denominator
    quarter, rest = constant("pi_over_4", x)
    base = below.select(0.0, above.select(2 * quarter, x.const(quarter)))
    base_rest = below.select(0.0, above.select(2 * rest, x.const(rest)))
    z = q * q
    return base, q + (q.fma(z * polynomial("arctan", z), base_rest))


def arctan(x: Lanes) -> Lanes:
    """The inverse tangent, in radians."""
    base, rest = _arctan_of_ratio(x.abs(), x.const(1))
    return (base + rest).copysign(x)


def arctan2(y: Lanes, x: Lanes) -> Lanes:
    """The angle of the point (x, y), in radians from -pi to pi."""
    inf = float("inf")
    a, b = y.abs(), x.abs()
    both_infinite = a.eq(inf) & b.eq(inf)
    both_zero = a.eq(0) & b.eq(0)
    a = both_infinite.select(1, a)
    b = (both_infinite | both_zero).select(1, b)
    # The sum of two large numbers must not overflow, nor the products of two small ones lose digits; what
    # is lost of the other number then does not matter.
    top, bottom = (2.0**125, 2.0**-60) if x.bits == 32 else (2.0**1021, 2.0**-900)
    large = (a > top) | (b > top)
    small = (a < bottom) & (b < bottom)
    factor = large.select(0.25, small.select(2.0**64, x.const(1)))
    a, b = a * factor, b * factor
    base, rest = _arctan_of_ratio(a, b)
    left = sign_bits(x).ne(0)
    quarter, low = constant("pi_over_4", x)
    base = left.select(4 * quarter - base, base)
    rest = left.select(4 * low - rest, rest)
    return (base + rest).copysign(y)


def _arcsin_series(x: Lanes, z: Lanes) -> Lanes:
    """arcsin(x) - x for z = x² <= 1/4."""
    return x * z * polynomial("arcsin", z)


def arcsin(x: Lanes) -> Lanes:
    """The inverse sine, in radians; nan beyond 1."""
    a = x.abs()
    inner = a < 0.5
    # arcsin(a) = pi/2 - 2·arcsin(sqrt((1 - a)/2))
    z = inner.select(a * a, (1 - a) * 0.5)
    t = inner.select(a, z.sqrt())
    tail = _arcsin_series(t, z)
    quarter, low = constant("pi_over_4", x)
    outer = quarter - (2 * tail - (2 * low + (quarter - 2 * t)))
    return inner.select(t + tail, outer).copysign(x)


def arccos(x: Lanes) -> Lanes:
    """The inverse cosine, in radians; nan beyond 1."""
    a = x.abs()
    inner = a < 0.5
    z = inner.select(a * a, (1 - a) * 0.5)
    t = inner.select(x, z.sqrt())
    tail = _arcsin_series(t, z)
    quarter, low = constant("pi_over_4", x)
    middle = 2 * quarter - (t - (2 * low - tail))
    right = 2 * (t + tail)
    left = 4 * quarter - (right - 4 * low)
    return inner.select(middle, (x < 0).select(left, right))
