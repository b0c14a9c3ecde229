"""Arithmetic: sums, products, quotients, remainders, signs, powers."""

from __future__ import annotations

from typing import Any, cast

import ml_dtypes
import numpy as np

import tcc.ops as ops
from tcc.ir.dtype import BOOL, DType
from tcc.ir.graph import Value
from tcc.ir.op import NOT_DIFFERENTIABLE, Array
from tcc.ir.scalar import Expr, Scalars
from tcc.ops import infer, samples
from tcc.ops.elementwise import ANY, NUMBER, REAL, binary, unary
from tcc.ops.operands import Operand, broadcast, error, inexact, no_bool, promoted, quotient, value

add = binary(
    "add",
    "Sum of two tensors, element by element; of bools their logical or. Integers wrap.",
    ANY,
    lambda s, a, b: a | b if a.dtype == BOOL else a + b,
    lambda g, a, b, y: (g, g),
    np.add,
    samples.elementwise(),
)

subtract = binary(
    "subtract",
    "Difference of two tensors, element by element. Integers wrap; bools have none.",
    NUMBER,
    lambda s, a, b: a - b,
    lambda g, a, b, y: (g, ops.negative(g)),
    np.subtract,
    samples.elementwise(),
)

multiply = binary(
    "multiply",
    "Product of two tensors, element by element; of bools their logical and. Integers wrap.",
    ANY,
    lambda s, a, b: a & b if a.dtype == BOOL else a * b,
    lambda g, a, b, y: (ops.multiply(g, b), ops.multiply(g, a)),
    np.multiply,
    samples.elementwise(),
)

divide = binary(
    "divide",
    "True quotient of two tensors, element by element; integers and bools divide as f64.",
    "float|complex",
    lambda s, a, b: a / b,
    lambda g, a, b, y: (ops.divide(g, b), ops.negative(ops.multiply(ops.divide(g, b), y))),
    np.divide,
    samples.elementwise((-2.0, 2.0), (0.5, 2.0), edge_kinds="float"),
    promotion=quotient,
)

floor_divide = binary(
    "floor_divide",
    "Quotient rounded to minus infinity. An integer divided by zero gives 0.",
    REAL,
    lambda s, a, b: s.floordiv(a, b),
    NOT_DIFFERENTIABLE,
    np.floor_divide,
    samples.elementwise((-20.0, 20.0), (1.0, 5.0)),
    promotion=no_bool,
)


def _remainder_gradient(g: Value, a: Value, b: Value, y: Value) -> tuple[Value, Value]:
    return g, ops.negative(ops.multiply(g, ops.floor_divide(a, b)))


def _fmod_gradient(g: Value, a: Value, b: Value, y: Value) -> tuple[Value, Value]:
    return g, ops.negative(ops.multiply(g, ops.trunc(ops.divide(a, b))))


remainder = binary(
    "remainder",
    "Remainder of `floor_divide`: it has the sign of the divisor. An integer's by zero is 0.",
    REAL,
    lambda s, a, b: s.mod(a, b),
    _remainder_gradient,
    np.remainder,
    samples.elementwise((-20.0, 20.0), (1.0, 5.0)),
    promotion=no_bool,
)

fmod = binary(
    "fmod",
    "Remainder of the quotient rounded to zero: it has the sign of the dividend. An integer's by zero is 0.",
    REAL,
    lambda s, a, b: s.rem(a, b),
    _fmod_gradient,
    np.fmod,
    samples.elementwise((-20.0, 20.0), (1.0, 5.0)),
    promotion=no_bool,
)

negative = unary(
    "negative",
    "Each element with its sign changed. Integers wrap.",
    NUMBER,
    lambda s, x: -x,
    lambda g, x, y: ops.negative(g),
    np.negative,
    samples.elementwise(),
)


def _abs(s: Scalars, x: Expr) -> Expr:
    return x if x.dtype.kind in ("bool", "uint") else s.abs(x)


def _abs_gradient(g: Value, x: Value, y: Value) -> Value:
    if not x.type.dtype.is_complex:
        return ops.multiply(g, ops.sign(x))
    scale = ops.where(ops.equal(y, 0), 0, ops.divide(g, ops.where(ops.equal(y, 0), 1, y)))
    return ops.multiply(ops.conj(x), scale)


abs = unary(
    "abs",
    "Magnitude of each element. That of the least integer of a signed dtype wraps to itself.",
    ANY,
    _abs,
    _abs_gradient,
    np.abs,
    samples.elementwise(),
    infer=infer.real_part,
)

sign = unary(
    "sign",
    "-1, 0 or 1 by the sign of each element; nan stays nan.",
    REAL,
    lambda s, x: s.sign(x),
    NOT_DIFFERENTIABLE,
    np.sign,
    samples.elementwise(),
)

square = unary(
    "square",
    "Each element times itself.",
    NUMBER,
    lambda s, x: x * x,
    lambda g, x, y: ops.multiply(g, ops.multiply(x, 2)),
    np.square,
    samples.elementwise(),
    promotion=no_bool,
)


def _reciprocal(s: Scalars, x: Expr) -> Expr:
    if x.dtype.is_inexact:
        return s.const(1.0, x.dtype) / x
    one, zero = s.const(1, x.dtype), s.const(0, x.dtype)
    if x.dtype.kind == "uint":
        return s.where(s.eq(x, 1), one, zero)
    return s.where(s.eq(x, 1), one, s.where(s.eq(x, -1), s.const(-1, x.dtype), zero))


def _reciprocal_reference(x: Array) -> Any:
    return np.where(x == 0, x.dtype.type(0), np.reciprocal(x)) if x.dtype.kind in "iu" else np.reciprocal(x)


reciprocal = unary(
    "reciprocal",
    "One divided by each element, rounded to zero for integers (0 gives 0 there).",
    NUMBER,
    _reciprocal,
    lambda g, x, y: ops.negative(ops.multiply(g, ops.square(y))),
    _reciprocal_reference,
    samples.elementwise((0.5, 2.0), edge_kinds="int uint float"),
    promotion=no_bool,
)


def _power_gradient(g: Value, x: Value, p: Value, y: Value) -> tuple[Value, Value]:
    constant = ops.equal(p, 0)
    slope = ops.multiply(p, ops.power(x, ops.where(constant, 1, ops.subtract(p, 1))))
    growth = ops.multiply(y, ops.log(ops.where(ops.equal(x, 0), 1, x)))
    return ops.multiply(g, ops.where(constant, 0, slope)), ops.multiply(g, growth)


def _power_reference(x: Any, p: Any) -> Any:
    if p.dtype.kind != "i":
        return np.power(x, p)
    one = x.dtype.type(1)
    odd = cast("Array", np.where(p % 2 == 0, one, -one))
    inverse: Array = np.where(x == 1, one, np.where(x == -1, odd, x.dtype.type(0)))
    result: Array = np.where(p < 0, inverse, np.power(x, np.maximum(p, 0)))
    return result


def _power(s: Scalars, x: Expr, p: Expr) -> Expr:
    if x.dtype.kind != "int":
        return s.pow(x, p)
    one, minus, zero = (s.const(c, x.dtype) for c in (1, -1, 0))
    odd = s.where(s.eq(p & 1, 0), one, minus)
    inverse = s.where(s.eq(x, 1), one, s.where(s.eq(x, -1), odd, zero))
    return s.where(s.lt(p, 0), inverse, s.pow(x, s.where(s.lt(p, 0), zero, p)))


power = binary(
    "power",
    "The first operand raised to the power of the second. Integers wrap; a negative power of an integer is its"
    " inverse rounded to zero (0 for 0).",
    REAL,
    _power,
    _power_gradient,
    _power_reference,
    samples.elementwise((0.25, 3.0), (-3.0, 3.0)),
    promotion=no_bool,
    tolerance=8.0,
)


def logaddexp(x1: Operand, x2: Operand) -> Value:
    """log(exp(x1) + exp(x2)), without overflow."""
    a, b = broadcast("logaddexp", promoted((x1, x2), inexact))
    top = ops.maximum(a, b)
    gap = ops.abs(ops.subtract(a, b))
    equal_infinities = ops.equal(a, b)
    spread = ops.log1p(ops.exp(ops.negative(ops.where(equal_infinities, 0, gap))))
    return ops.add(top, spread)


def hypot(x1: Operand, x2: Operand) -> Value:
    """√(x1² + x2²), without overflow."""
    a, b = broadcast("hypot", promoted((x1, x2), inexact))
    if a.type.dtype.is_complex:
        raise error(f"hypot: the operands have dtype {a.type.dtype}", why="expected real numbers")
    a, b = ops.abs(a), ops.abs(b)
    large, small = ops.maximum(a, b), ops.minimum(a, b)
    whole = ops.logical_and(ops.greater(large, 0), ops.isfinite(large))
    ratio = ops.divide(small, ops.where(whole, large, 1))
    root = ops.multiply(large, ops.sqrt(ops.add(ops.square(ratio), 1)))
    return ops.where(whole, root, ops.where(ops.logical_or(ops.isinf(a), ops.isinf(b)), np.inf, large))


def nan_to_num(x: Operand, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None) -> Value:
    """nan replaced by ``nan``, infinities by the greatest and least finite numbers unless given."""
    v = value(x)
    if not v.type.dtype.is_float:
        return v
    greatest, least = _finite_range(v.type.dtype)
    high = greatest if posinf is None else posinf
    low = least if neginf is None else neginf
    finite = ops.where(ops.isinf(v), ops.where(ops.greater(v, 0), high, low), v)
    return ops.where(ops.isnan(v), nan, finite)


def _finite_range(dtype: DType) -> tuple[float, float]:
    limits = cast("Any", ml_dtypes.finfo(dtype.numpy))
    return float(limits.max), float(limits.min)
