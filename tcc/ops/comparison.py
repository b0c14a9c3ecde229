"""Comparisons, extremes, and tests of single elements."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import tcc.ops as ops
from tcc.ir.dtype import BOOL, U64, DType
from tcc.ir.graph import Value
from tcc.ir.op import NOT_DIFFERENTIABLE, Op
from tcc.ir.scalar import Expr, Scalars
from tcc.ops import infer, samples
from tcc.ops.elementwise import ANY, Unary, binary, unary
from tcc.ops.operands import Operand, broadcast, common_dtype, is_weak, no_bool, node, value

_ORDERED = "bool|int|uint|float"


@dataclass(frozen=True)
class Comparison:
    """The function of a comparison. Integers compare by their values, also i64 with u64.

    ``signed`` is what it gives for a negative number and an unsigned one, ``swapped`` the other way.
    """

    op: Op
    signed: bool
    swapped: bool

    def __post_init__(self) -> None:
        object.__setattr__(self, "__doc__", self.op.doc)
        object.__setattr__(self, "__name__", self.op.name)

    def __call__(self, x1: Operand, x2: Operand, /) -> Value:
        dtype = common_dtype((x1, x2))
        if dtype.is_float and not is_weak(x1) and not is_weak(x2):
            a, b = value(x1), value(x2)
            if a.type.dtype.is_integer and b.type.dtype.is_integer:
                return self._mixed(a, b)
        beyond = self._beyond(x1, x2, dtype)
        if beyond is not None:
            return beyond
        pair = [ops.astype(value(x, dtype if is_weak(x) else None), dtype) for x in (x1, x2)]
        return node(self.op, *broadcast(self.op.name, pair))

    def _beyond(self, x1: Operand, x2: Operand, dtype: DType) -> Value | None:
        """The result where a Python integer is outside of the other operand's dtype: the same everywhere."""
        for number, other, signs in ((x1, x2, (1, 0)), (x2, x1, (0, 1))):
            if dtype.is_integer and is_weak(number) and isinstance(number, int) and not is_weak(other):
                limits = np.iinfo(dtype.numpy)
                if not limits.min <= number <= limits.max:
                    sign = 1 if number > 0 else -1
                    return ops.full_like(other, bool(self.op.reference(*(sign * s for s in signs))), BOOL)
        return None

    def _mixed(self, a: Value, b: Value) -> Value:
        a, b = broadcast(self.op.name, (a, b))
        negative, outcome = (a, self.signed) if a.type.dtype.kind == "int" else (b, self.swapped)
        unsigned = node(self.op, ops.astype(a, U64), ops.astype(b, U64))
        return ops.where(ops.less(negative, 0), outcome, unsigned)


def _comparison(
    name: str,
    doc: str,
    kinds: str,
    compute: Callable[[Scalars, Expr, Expr], Expr],
    reference: Callable[..., Any],
    signed: bool,
    swapped: bool,
) -> Comparison:
    function = binary(
        name,
        doc,
        kinds,
        compute,
        NOT_DIFFERENTIABLE,
        reference,
        samples.elementwise((-2.0, 2.0), (-2.0, 2.0)),
        infer=infer.predicate,
        tolerance=0,
    )
    return Comparison(function.op, signed, swapped)


equal = _comparison(
    "equal",
    "Whether elements are equal; nan equals nothing.",
    ANY,
    lambda s, a, b: s.eq(a, b),
    np.equal,
    False,
    False,
)
not_equal = _comparison(
    "not_equal",
    "Whether elements differ; nan differs from everything.",
    ANY,
    lambda s, a, b: s.ne(a, b),
    np.not_equal,
    True,
    True,
)
less = _comparison(
    "less", "Whether x1 < x2, element by element.", _ORDERED, lambda s, a, b: a < b, np.less, True, False
)
less_equal = _comparison(
    "less_equal", "Whether x1 ≤ x2, element by element.", _ORDERED, lambda s, a, b: a <= b, np.less_equal, True, False
)
greater = _comparison(
    "greater", "Whether x1 > x2, element by element.", _ORDERED, lambda s, a, b: a > b, np.greater, False, True
)
greater_equal = _comparison(
    "greater_equal",
    "Whether x1 ≥ x2, element by element.",
    _ORDERED,
    lambda s, a, b: a >= b,
    np.greater_equal,
    False,
    True,
)


def _extreme_gradient(
    first: Callable[[Value, Value], Value],
) -> Callable[[Value, Value, Value, Value], tuple[Value, Value]]:
    """The cotangent goes to the operand that was taken; of equal ones each gets half."""

    def gradient(g: Value, a: Value, b: Value, y: Value) -> tuple[Value, Value]:
        half, zero = ops.multiply(g, 0.5), ops.zeros_like(g)
        shared = ops.where(ops.equal(a, b), half, zero)
        return ops.where(first(a, b), g, shared), ops.where(first(b, a), g, shared)

    return gradient


maximum = binary(
    "maximum",
    "The greater of two elements; nan if either is nan.",
    _ORDERED,
    lambda s, a, b: s.max(a, b),
    _extreme_gradient(lambda a, b: ops.greater(a, b)),
    np.maximum,
    samples.elementwise(),
)
minimum = binary(
    "minimum",
    "The lesser of two elements; nan if either is nan.",
    _ORDERED,
    lambda s, a, b: s.min(a, b),
    _extreme_gradient(lambda a, b: ops.less(a, b)),
    np.minimum,
    samples.elementwise(),
)
fmax = binary(
    "fmax",
    "The greater of two elements; of a number and a nan the number.",
    _ORDERED,
    lambda s, a, b: s.fmax(a, b) if a.dtype.is_float else s.max(a, b),
    _extreme_gradient(lambda a, b: ops.logical_or(ops.greater(a, b), ops.isnan(b))),
    np.fmax,
    samples.elementwise(),
)
fmin = binary(
    "fmin",
    "The lesser of two elements; of a number and a nan the number.",
    _ORDERED,
    lambda s, a, b: s.fmin(a, b) if a.dtype.is_float else s.min(a, b),
    _extreme_gradient(lambda a, b: ops.logical_or(ops.less(a, b), ops.isnan(b))),
    np.fmin,
    samples.elementwise(),
)


def _test(name: str, doc: str, join: str, otherwise: bool, reference: Callable[..., Any]) -> Unary:
    """A test of floats: on complex numbers of either or both parts, constant on integers."""

    def compute(s: Scalars, x: Expr) -> Expr:
        if x.dtype.is_complex:
            re, im = getattr(s, name)(s.real(x)), getattr(s, name)(s.imag(x))
            return re | im if join == "or" else re & im
        return getattr(s, name)(x) if x.dtype.is_float else s.const(otherwise, BOOL)

    return unary(
        name,
        doc,
        ANY,
        compute,
        NOT_DIFFERENTIABLE,
        reference,
        samples.elementwise(),
        infer=infer.predicate,
        tolerance=0,
    )


isnan = _test("isnan", "Whether each element is nan; False for integers.", "or", False, np.isnan)
isinf = _test("isinf", "Whether each element is infinite; False for integers.", "or", False, np.isinf)
isfinite = _test("isfinite", "Whether each element is neither infinite nor nan.", "and", True, np.isfinite)

signbit = unary(
    "signbit",
    "Whether the sign of each element is set: True for -0.0 and for nan with a sign.",
    "int|uint|float",
    lambda s, x: s.signbit(x) if x.dtype.is_float else s.lt(x, 0),
    NOT_DIFFERENTIABLE,
    np.signbit,
    samples.elementwise(),
    promotion=no_bool,
    infer=infer.predicate,
    tolerance=0,
)
