"""Float remainders and floor division: exact as C's fmod, and NumPy's rules on top of it."""

from __future__ import annotations

from tcc.ir import dtype as dt
from tcc.lowering.lanes import Lanes, while_any
from tcc.lowering.polynomials.double_word import two_product
from tcc.lowering.polynomials.format import bits, format_of

# Divisors below the first are scaled by the second, so that no step meets subnormal numbers.
_SMALL, _SCALE = 2.0**-900, 2.0**160


def remainder(x: Lanes, y: Lanes) -> Lanes:
    """C's fmod: x - n·y with the integer n = trunc(x/y), exact; with the sign of ``x``.

    nan when ``x`` is infinite or ``y`` is 0.
    """
    a, b = x.abs(), y.abs()
    inf = float("inf")
    usual = (a < inf) & (b > 0) & (b < inf)
    a, b = usual.select(a, 0), usual.select(b, 1)
    if x.dtype == dt.F32:
        # Every float is a normal double, and fewer steps lead to the end.
        r = _reduce(a.widen(dt.F64), b.widen(dt.F64)).narrow(dt.F32)
    else:
        small = b < _SMALL
        divisor = small.select(b * _SCALE, b)
        r = _reduce(a, divisor)
        r = _reduce(small.select(r * _SCALE, r), divisor)
        r = small.select(r * (1 / _SCALE), r)
    unusual = ((x.abs() < inf) & y.abs().eq(inf)).select(x, x.const(float("nan")))
    return usual.select(r.copysign(x), unusual)


def _reduce(a: Lanes, b: Lanes) -> Lanes:
    """a mod b for a >= 0 and a normal b > 0, by long division in digits of 50 bits."""
    f = format_of(a)
    field_b = (bits(b) >> f.mantissa).bitcast(dt.I64)

    def step(r: Lanes) -> list[Lanes]:
        k = (bits(r) >> f.mantissa).bitcast(dt.I64) - field_b - (f.mantissa - 2)
        k = (k > 0).select(k, 0).bitcast(dt.U64)
        multiple = (bits(b) + (k << f.mantissa)).bitcast(b.dtype)
        # The quotient is less than 2^mantissa, and right or one too large; so the difference is exact.
        quotient = (r / multiple).trunc()
        if r.facts.fma:
            rest = quotient.fma(-multiple, r)
        else:
            # The product of very large numbers would overflow on the way.
            large = multiple > 2.0**700
            product = two_product(quotient, multiple * large.select(2.0**-200, r.const(1)))
            rest = (r * large.select(2.0**-200, r.const(1)) - product.high) - product.low
            rest = rest * large.select(2.0**200, r.const(1))
        return [(r < b).select(r, (rest < 0).select(rest + multiple, rest))]

    return while_any(lambda r: r >= b, step, [a])[0]


def _divide(x: Lanes, y: Lanes) -> tuple[Lanes, Lanes]:
    """Quotient (not yet rounded) and remainder of floor division, for y other than 0."""
    rest = remainder(x, y)
    quotient = (x - rest) / y
    differs = rest.ne(0) & ((rest < 0) ^ (y < 0))
    return differs.select(quotient - 1, quotient), differs.select(rest + y, rest.eq(0).select(rest.copysign(y), rest))


def modulo(x: Lanes, y: Lanes) -> Lanes:
    """NumPy's remainder: fmod with the sign of ``y``; nan where y = 0."""
    return _divide(x, y)[1]


def floor_divide(x: Lanes, y: Lanes) -> Lanes:
    """NumPy's floor_divide: the integer nearest to (x - modulo(x, y))/y; x/y where y = 0."""
    quotient, _ = _divide(x, y)
    floor = quotient.floor()
    floor = (quotient - floor > 0.5).select(floor + 1, floor)
    floor = quotient.eq(0).select(x.const(0).copysign(x / y), floor)
    return y.eq(0).select(x / y, floor)
