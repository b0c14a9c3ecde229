"""Numbers as unevaluated sums of two floats.

T. J. Dekker, "A floating-point technique for extending the available precision", Numer. Math. 18 (1971);
D. E. Knuth, The Art of Computer Programming, vol. 2, 4.2.2. A product is exact with a fused
multiply-add, and by Dekker's splitting on machines that have none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tcc.lowering.lanes import Lanes
from tcc.lowering.polynomials.format import format_of


@dataclass(frozen=True)
class Pair:
    """``high + low``, where ``low`` is small beside ``high``."""

    high: Lanes
    low: Lanes

    def sum(self) -> Lanes:
        """The nearest float."""
        return self.high + self.low


def two_sum(a: Lanes, b: Any) -> Pair:
    """a + b exactly."""
    total = a + b
    from_b = total - a
    return Pair(total, (a - (total - from_b)) + (b - from_b))


def fast_two_sum(a: Lanes, b: Any) -> Pair:
    """a + b exactly, when \\|a\\| >= \\|b\\| or a = 0."""
    total = a + b
    return Pair(total, b - (total - a))


def two_product(a: Lanes, b: Any) -> Pair:
    """a·b exactly, barring overflow and underflow."""
    b = b if isinstance(b, Lanes) else a.const(b)
    product = a * b
    if a.facts.fma:
        return Pair(product, a.fma(b, -product))
    a_high, a_low = _halves(a)
    b_high, b_low = _halves(b)
    low = ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low
    return Pair(product, low)


def residual(a: Lanes, b: Lanes, c: Lanes) -> Lanes:
    """a - b·c, where that is small beside a and exact."""
    if a.facts.fma:
        return (-b).fma(c, a)
    product = two_product(b, c)
    return (a - product.high) - product.low


def _halves(a: Lanes) -> tuple[Lanes, Lanes]:
    """Two parts of half the mantissa each."""
    large = a * (2.0 ** ((format_of(a).mantissa + 2) // 2) + 1)
    high = large - (large - a)
    return high, a - high


def multiply(x: Pair, y: Pair) -> Pair:
    """x·y to about twice the precision."""
    product = two_product(x.high, y.high)
    low = x.high.fma(y.low, x.low.fma(y.high, product.low))
    return fast_two_sum(product.high, low)


def add(x: Pair, y: Pair) -> Pair:
    """x + y to about twice the precision, when \\|x\\| >= \\|y\\| or x = 0."""
    total = fast_two_sum(x.high, y.high)
    return fast_two_sum(total.high, total.low + (x.low + y.low))
