"""Machine code for the scalar ops of `tcc.ir.scalar`, on scalars and vectors.

NumPy is the judge of meaning. Where C leaves a result open, it is fixed here for every machine:
a float out of an integer's range saturates and nan becomes 0, integers divided by zero give 0, a
negative integer power truncates towards zero, a shift by the width or more gives 0 or the sign.
"""
# The bindings are untyped.
# pyright: basic, reportAttributeAccessIssue=false

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from tcc.errors import InternalError
from tcc.ir import dtype as dt
from tcc.ir.dtype import DType
from tcc.ir.scalar import DOTS
from tcc.loops.facts import Facts
from tcc.lowering import division, dots, floats, integers
from tcc.lowering.casts import cast
from tcc.lowering.lanes import Lanes
from tcc.lowering.mlir import ir
from tcc.lowering.polynomials import TABLE as POLYNOMIALS

_HALF = (dt.F16, dt.BF16)


def emit(op: str, args: Sequence[ir.Value], dtypes: Sequence[DType], result: DType, facts: Facts) -> ir.Value:
    """The value of a scalar op of `tcc.ir.scalar.TABLE` (but ``real imag conj complex``).

    ``args`` are scalars, or vectors of one length, of the element types that `element_type` gives.
    Inserted at the current insertion point with the current location.
    """
    lanes = [Lanes(value, dtype, facts) for value, dtype in zip(args, dtypes, strict=True)]
    if op == "cast":
        return cast(lanes[0], result).value
    if op == "bitcast":
        return lanes[0].bitcast(result).value
    if op == "select":
        return lanes[0].select(lanes[1], lanes[2]).value
    if op in DOTS:
        return dots.emit(op, *lanes).value
    if op not in _TABLE:
        raise InternalError(f"no machine code for the scalar op '{op}'")
    # Half floats are computed in f32.
    y = _TABLE[op](*(cast(x, dt.F32) if x.dtype in _HALF else x for x in lanes))
    return (cast(y, result) if result in _HALF else y).value


def _by_kind(on_float: Callable[..., Lanes], on_int: Callable[..., Lanes]) -> Callable[..., Lanes]:
    return lambda x, *rest: (on_float if x.dtype.is_float else on_int)(x, *rest)


def _compare(predicate: str) -> Callable[[Lanes, Lanes], Lanes]:
    return lambda x, y: x.compare(predicate, y)


_TABLE: Mapping[str, Callable[..., Lanes]] = {
    "add": lambda x, y: x + y,
    "sub": lambda x, y: x - y,
    "mul": lambda x, y: x * y,
    "div": lambda x, y: x / y,
    "neg": lambda x: -x,
    "abs": lambda x: x.abs(),
    "fma": lambda x, y, z: x.fma(y, z),
    "and": lambda x, y: x & y,
    "or": lambda x, y: x | y,
    "xor": lambda x, y: x ^ y,
    "not": lambda x: ~x,
    "sqrt": lambda x: x.sqrt(),
    "rsqrt": lambda x: 1 / x.sqrt(),
    "floor": lambda x: x.floor(),
    "ceil": lambda x: x.ceil(),
    "trunc": lambda x: x.trunc(),
    "rint": lambda x: x.rint(),
    "copysign": lambda x, y: x.copysign(y),
    "isnan": lambda x: x.isnan(),
    "isinf": lambda x: x.abs().eq(float("inf")),
    "isfinite": lambda x: x.abs() < float("inf"),
    **{predicate: _compare(predicate) for predicate in ("eq", "ne", "lt", "le", "gt", "ge")},
    "signbit": floats.signbit,
    "sign": _by_kind(floats.sign, integers.sign),
    "max": _by_kind(floats.maximum, integers.maximum),
    "min": _by_kind(floats.minimum, integers.minimum),
    "fmax": floats.fmax,
    "fmin": floats.fmin,
    "floordiv": _by_kind(division.floor_divide, integers.floor_divide),
    "mod": _by_kind(division.modulo, integers.modulo),
    "rem": _by_kind(division.remainder, integers.remainder),
    "pow": _by_kind(POLYNOMIALS["pow"], integers.power),
    "shl": integers.shift_left,
    "shr": integers.shift_right,
    **{name: function for name, function in POLYNOMIALS.items() if name != "pow"},
}
