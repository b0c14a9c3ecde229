"""erf and erfc.

The scaled complement erfc(x)·exp(x²)·(1 + 2·x) is a polynomial in (x - k)/(x + k), as in M. M. Shepherd
and J. G. Laframboise, "Chebyshev approximation of (1 + 2x)exp(x²)erfc x in 0 <= x < inf", Math. Comp. 36
(1981).
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
    a, z = x.abs(), x * x
    near = x.fma(polynomial("erf", z), x)
    # Beyond the limit the difference from 1 is less than half a unit.
    logarithm = polynomial("log_erfc", clamp(a, 1, 4 if x.dtype == dt.F32 else 6))
    far = (1 - normal_exp(logarithm)).copysign(x)
    return (a < 1).select(near, far)


def erfc(x: Lanes) -> Lanes:
    """1 - erf(x), without cancellation."""
    if x.dtype == dt.F32:
        # In doubles the polynomials may be short, and nothing is subnormal.
        return _erfc(x.widen(dt.F64), ("erfc_short", 3), 11, lambda s: normal_exp(s.high, s.low, "exp_short")).narrow(
            x.dtype
        )
    # Near 0 the complement's polynomial loses more than the difference from 1.
    z = x * x
    near = 1 - x.fma(polynomial("erf", z), x)
    return (x.abs() < 0.5).select(near, _erfc(x, ("erfc", 4), 28, lambda s: exp_of_sum(s.high, s.low)))


def _erfc(x: Lanes, fit: tuple[str, float], limit: float, exponential: Callable[[Pair], Lanes]) -> Lanes:
    name, k = fit
    a = clamp(x.abs(), 0, limit)
    scaled = polynomial(name, (a - k) / (a + k)) / a.fma(2, 1)
    y = scaled * exponential(two_product(-a, a))
    return (x < 0).select(2 - y, y)
