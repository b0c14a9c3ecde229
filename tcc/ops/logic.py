"""Logic on bools and on the bits of integers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

import tcc.ops as ops
from tcc.ir.dtype import BOOL
from tcc.ir.graph import Value
from tcc.ir.op import NOT_DIFFERENTIABLE, Array, Op
from tcc.ir.scalar import Expr, Scalars
from tcc.ops import samples
from tcc.ops.elementwise import Binary, binary, unary
from tcc.ops.operands import Operand, broadcast, no_bool, node, value

_BITS = "bool|int|uint"


def truth(x: Operand) -> Value:
    """Whether each element is not zero (nan is not)."""
    v = value(x)
    return v if v.type.dtype == BOOL else ops.not_equal(v, ops.zeros_like(v))


@dataclass(frozen=True)
class Logical:
    """The function of a logical op: its operands count as true where they are not zero."""

    op: Op

    def __post_init__(self) -> None:
        object.__setattr__(self, "__doc__", self.op.doc)
        object.__setattr__(self, "__name__", self.op.name)

    def __call__(self, *operands: Operand) -> Value:
        return node(self.op, *broadcast(self.op.name, [truth(x) for x in operands]))


def _logical(
    name: str, doc: str, compute: Callable[[Scalars, Expr, Expr], Expr], reference: Callable[..., Any]
) -> Logical:
    return Logical(
        binary(name, doc, "bool", compute, NOT_DIFFERENTIABLE, reference, samples.elementwise(), tolerance=0).op
    )


logical_and = _logical("logical_and", "Whether both elements are true.", lambda s, a, b: a & b, np.logical_and)
logical_or = _logical("logical_or", "Whether either element is true.", lambda s, a, b: a | b, np.logical_or)
logical_xor = _logical("logical_xor", "Whether just one element is true.", lambda s, a, b: s.xor(a, b), np.logical_xor)
logical_not = Logical(
    unary(
        "logical_not",
        "Whether each element is false.",
        "bool",
        lambda s, x: ~x,
        NOT_DIFFERENTIABLE,
        np.logical_not,
        samples.elementwise(),
        tolerance=0,
    ).op
)


def _bitwise(
    name: str, doc: str, compute: Callable[[Scalars, Expr, Expr], Expr], reference: Callable[..., Any]
) -> Binary:
    return binary(name, doc, _BITS, compute, NOT_DIFFERENTIABLE, reference, samples.elementwise(), tolerance=0)


bitwise_and = _bitwise("bitwise_and", "The bits set in both elements.", lambda s, a, b: a & b, np.bitwise_and)
bitwise_or = _bitwise("bitwise_or", "The bits set in either element.", lambda s, a, b: a | b, np.bitwise_or)
bitwise_xor = _bitwise("bitwise_xor", "The bits set in just one element.", lambda s, a, b: s.xor(a, b), np.bitwise_xor)
bitwise_invert = unary(
    "bitwise_invert",
    "Each element with its bits flipped; of a bool its negation.",
    _BITS,
    lambda s, x: ~x,
    NOT_DIFFERENTIABLE,
    np.bitwise_invert,
    samples.elementwise(),
    tolerance=0,
)


def _shift(name: str, full: Callable[[Scalars, Expr], Expr]) -> Callable[[Scalars, Expr, Expr], Expr]:
    """A shift that is defined for every count: one of the width or more (or negative) shifts all out."""

    def compute(s: Scalars, x: Expr, count: Expr) -> Expr:
        inside = s.lt(count, x.dtype.bits)
        if x.dtype.kind == "int":
            inside = inside & s.ge(count, 0)
        shifted = s.shl if name == "left_shift" else s.shr
        return s.where(inside, shifted(x, s.where(inside, count, s.const(0, x.dtype))), full(s, x))

    return compute


def _shift_reference(shift: Callable[..., Any], gone: Callable[[Any], Any]) -> Callable[..., Any]:
    def reference(x: Array, count: Array) -> Any:
        inside = (count >= 0) & (count < x.dtype.itemsize * 8)
        return cast("Array", np.where(inside, shift(x, np.where(inside, count, 0).astype(x.dtype)), gone(x)))

    return reference


left_shift = binary(
    "left_shift",
    "Bits moved up, zeros moved in; 0 when the count is negative or not below the width.",
    "int|uint",
    _shift("left_shift", lambda s, x: s.const(0, x.dtype)),
    NOT_DIFFERENTIABLE,
    _shift_reference(np.left_shift, np.zeros_like),
    samples.elementwise((-100.0, 100.0), (0.0, 7.0)),
    promotion=no_bool,
    tolerance=0,
)
right_shift = binary(
    "right_shift",
    "Bits moved down, the sign moved in; the sign alone when the count is negative or not below the width.",
    "int|uint",
    _shift(
        "right_shift",
        lambda s, x: (
            s.where(s.lt(x, 0), s.const(-1, x.dtype), s.const(0, x.dtype))
            if x.dtype.kind == "int"
            else s.const(0, x.dtype)
        ),
    ),
    NOT_DIFFERENTIABLE,
    _shift_reference(np.right_shift, lambda x: np.where(x < 0, -1, 0).astype(x.dtype)),
    samples.elementwise((-100.0, 100.0), (0.0, 7.0)),
    promotion=no_bool,
    tolerance=0,
)
