"""Complex arithmetic on pairs of registers, in terms of the scalar ops."""
# The bindings are untyped.
# pyright: basic

from __future__ import annotations

from collections.abc import Sequence

from tcc.errors import InternalError
from tcc.ir import dtype as dt
from tcc.ir.dtype import BOOL, DType
from tcc.loops.facts import Facts
from tcc.lowering import scalar
from tcc.lowering.lanes import Lanes
from tcc.lowering.registers import Register, select


def emit(op: str, args: Sequence[Register], dtypes: Sequence[DType], result: DType, facts: Facts) -> Register:
    """A scalar op with a complex operand or result."""
    if op == "select":
        return select(args[0][0], args[1], args[2])
    if op == "complex":
        return (args[0][0], args[1][0])
    pairs = [tuple(Lanes(v, d.real, facts) for v in register) for register, d in zip(args, dtypes, strict=True)]
    if op == "cast":
        return _cast(pairs[0], dtypes[0], result, facts)
    if op not in _TABLE:
        raise InternalError(f"no machine code for the scalar op '{op}' on complex numbers")
    return tuple(part.value for part in _TABLE[op](*pairs))


Pair = tuple[Lanes, ...]


def _cast(x: Pair, source: DType, result: DType, facts: Facts) -> Register:
    if not result.is_complex:
        if result == BOOL:
            return (_not_zero(x).value,)
        return (scalar.emit("cast", [x[0].value], [source.real], result, facts),)
    parts = [scalar.emit("cast", [p.value], [source.real], result.real, facts) for p in x]
    if not source.is_complex:
        parts.append(Lanes(parts[0], result.real, facts).const(0.0).value)
    return tuple(parts)


def _not_zero(x: Pair) -> Lanes:
    return x[0].ne(0.0) | x[1].ne(0.0)


def _multiply(x: Pair, y: Pair) -> Pair:
    (a, b), (c, d) = x, y
    return a * c - b * d, a * d + b * c


def _divide(x: Pair, y: Pair) -> Pair:
    """R. L. Smith, Algorithm 116: Complex division, CACM 1962; as NumPy computes it."""
    (a, b), (c, d) = x, y
    wide = c.abs() >= d.abs()
    large, small = wide.select(c, d), wide.select(d, c)
    ratio = small / large
    scale = 1.0 / (large + small * ratio)
    # For a large imaginary part of y: (a·r + b)/s and (b·r − a)/s.
    real = wide.select(a + b * ratio, a * ratio + b) * scale
    imaginary = wide.select(b - a * ratio, b * ratio - a) * scale
    nothing = c.eq(0.0) & d.eq(0.0)
    zero = c.abs()
    return nothing.select(a / zero, real), nothing.select(b / zero, imaginary)


def _hypot(a: Lanes, b: Lanes) -> Lanes:
    """The root of the sum of squares. f32 in f64, where squares neither overflow nor vanish; f64 scaled
    by a power of two."""
    a, b = a.abs(), b.abs()
    infinite = a.eq(float("inf")) | b.eq(float("inf"))
    if a.dtype == dt.F32:
        wide_a, wide_b = a.widen(dt.F64), b.widen(dt.F64)
        root = (wide_a * wide_a + wide_b * wide_b).sqrt().narrow(dt.F32)
    else:
        large = (a < b).select(b, a)
        big, tiny = large > 2.0**500, large < 2.0**-500
        down = big.select(a.const(2.0**-600), tiny.select(a.const(2.0**600), a.const(1.0)))
        up = big.select(a.const(2.0**600), tiny.select(a.const(2.0**-600), a.const(1.0)))
        x, y = a * down, b * down
        root = (x * x + y * y).sqrt() * up
    return infinite.select(a.const(float("inf")), root)


_TABLE = {
    "add": lambda x, y: (x[0] + y[0], x[1] + y[1]),
    "sub": lambda x, y: (x[0] - y[0], x[1] - y[1]),
    "mul": _multiply,
    "div": _divide,
    "neg": lambda x: (-x[0], -x[1]),
    "conj": lambda x: (x[0], -x[1]),
    "abs": lambda x: (_hypot(*x),),
    "real": lambda x: (x[0],),
    "imag": lambda x: (x[1],),
    "eq": lambda x, y: (x[0].eq(y[0]) & x[1].eq(y[1]),),
    "ne": lambda x, y: (x[0].ne(y[0]) | x[1].ne(y[1]),),
}
