"""Float remainders and floor division, exact as C's fmod and NumPy's rules on top of it."""

from __future__ import annotations

from tcc.lowering.lanes import Lanes


def remainder(x: Lanes, y: Lanes) -> Lanes:
    """C's fmod, with the sign of ``x``."""
    return x - (x / y).trunc() * y


def modulo(x: Lanes, y: Lanes) -> Lanes:
    """NumPy's remainder, with the sign of ``y``."""
    return x - (x / y).floor() * y


def floor_divide(x: Lanes, y: Lanes) -> Lanes:
    """The quotient rounded down."""
    return (x / y).floor()
