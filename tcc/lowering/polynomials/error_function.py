"""erf and erfc.

Far from 0 erf is 1 less a power of a polynomial, as in C. Hastings, Approximations for Digital Computers
(1955), where the power is of the reciprocal.

Of erfc the scaled complement erfc(x)·exp(x²)·(1 + 2·x) is a polynomial in (x - k)/(x + k), as in M. M.
Shepherd and J. G. Laframboise, "Chebyshev approximation of (1 + 2x)exp(x²)erfc x in 0 <= x < inf", Math.
Comp. 36 (1981).
"""

from __future__ import annotations

from collections.abc import Callable

from tcc.ir import dtype as dt
from tcc.lowering.lanes import Lanes
from tcc.lowering.polynomials.double_word import Pair, two_product
from tcc.lowering.polynomials.exponential import exp_of_sum, normal_exp
from tcc.lowering.polynomials.format import clamp, polynomial


def erf(x: Lanes) -> Lanes:
    """The error function."""
    a = x.abs()
    # Beyond the limit the difference from 1 is less than half a unit.
    limit = 4 if x.dtype == dt.F32 else 6
    root = polynomial("root_erfc", (a > limit).select(limit, a) - 1)
    square = root * root
    far = square.fma(-square, 1).copysign(x)
    return (a < 1.125).select(_near(x), far)


def erfc(x: Lanes) -> Lanes:
    """1 - erf(x), without cancellation."""
    if x.dtype == dt.F32:
        # In doubles the polynomials may be short, and nothing is subnormal.
        return _erfc(x.widen(dt.F64), ("erfc_short", 3), 11, lambda s: normal_exp(s.high, s.low, "exp_short")).narrow(
            x.dtype
        )
    # Near 0 the complement's polynomial loses more than the difference from 1.
    near = 1 - _near(x)
    return (x.abs() < 0.5).select(near, _erfc(x, ("erfc", 4), 28, lambda s: exp_of_sum(s.high, s.low)))


def _near(x: Lanes) -> Lanes:
    """erf within 9/8 of 0, by powers from the middle: at the ends they would grow the errors of rounding."""
    return x.fma(polynomial("erf", x.fma(x, -0.5)), x)


def _erfc(x: Lanes, fit: tuple[str, float], limit: float, exponential: Callable[[Pair], Lanes]) -> Lanes:
    name, k = fit
    a = clamp(x.abs(), 0, limit)
    scaled = polynomial(name, (a - k) / (a + k)) / a.fma(2, 1)
    y = scaled * exponential(two_product(-a, a))
    return (x < 0).select(2 - y, y)
