"""Running sums and products."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import tcc.ops as ops
from tcc.ir.dtype import I64, U64
from tcc.ir.forms import Scan
from tcc.ir.graph import Value
from tcc.ir.op import Array, Op
from tcc.ops import axes, batching, infer, samples
from tcc.ops.elementwise import NUMBER
from tcc.ops.operands import Operand, node, value


def _reference(function: Callable[..., Any]) -> Callable[..., Any]:
    def reference(x: Array, axis: int, reverse: bool) -> Any:
        wide = {"f": np.float64, "V": np.float64, "c": np.complex128}.get(x.dtype.kind, x.dtype)
        turned: Any = np.flip(x, axis) if reverse else x
        found: Any = function(turned.astype(wide), axis, dtype=wide).astype(x.dtype)
        return np.array(np.flip(found, axis) if reverse else found)

    return reference


_SAMPLES = samples.shapes(
    (((5,),), {"axis": 0, "reverse": False}),
    (((3, 4),), {"axis": 1, "reverse": True}),
    (((3, 4),), {"axis": 0, "reverse": False}),
    (((0, 2),), {"axis": 0, "reverse": False}),
    (((1,),), {"axis": 0, "reverse": True}),
)

CUMSUM = Op(
    name="cumsum",
    doc="Each element is the sum of those up to it along ``axis``; with ``reverse`` of those from it on.",
    operands=(f"x: {NUMBER}",),
    infer=infer.same,
    form=Scan("add"),
    gradient=lambda g, x, y, axis, reverse: (node(CUMSUM, g, axis=axis, reverse=not reverse),),
    batch=batching.along("cumsum"),
    reference=_reference(np.cumsum),
    samples=_SAMPLES,
    tolerance=8.0,
)


def _cumprod_gradient(g: Value, x: Value, y: Value, axis: int, reverse: bool) -> tuple[Value]:
    """Sums of g·y/x; at the first zero y/x is the product of the others, after it all products are 0."""
    options = {"axis": axis, "reverse": reverse}

    def after(v: Value) -> Value:
        return node(CUMSUM, v, axis=axis, reverse=not reverse)

    zero = ops.equal(x, 0)
    zeros = node(CUMSUM, ops.astype(zero, I64), **options)
    first = ops.logical_and(zero, ops.equal(zeros, 1))
    others = node(CUMPROD, ops.where(first, 1, x), **options)
    before = ops.divide(after(ops.multiply(g, y)), ops.where(zero, 1, x))
    at_first = after(ops.multiply(g, others))
    return (ops.where(ops.equal(zeros, 0), before, ops.where(first, at_first, ops.zeros_like(x))),)


CUMPROD = Op(
    name="cumprod",
    doc="Each element is the product of those up to it along ``axis``; with ``reverse`` of those from it on.",
    operands=(f"x: {NUMBER}",),
    infer=infer.same,
    form=Scan("mul"),
    gradient=_cumprod_gradient,
    batch=batching.along("cumprod"),
    reference=_reference(np.cumprod),
    samples=_SAMPLES,
    tolerance=16.0,
)


def _cumulative(record: Op, a: Operand, axis: int | None, dtype: Any, reverse: bool) -> Value:
    x = value(a)
    if dtype is not None:
        x = ops.astype(x, dtype)
    elif x.type.dtype.kind in ("bool", "int"):
        x = ops.astype(x, I64)
    elif x.type.dtype.kind == "uint":
        x = ops.astype(x, U64)
    if axis is None:
        x, axis = ops.reshape(x, -1), 0
    return node(record, x, axis=axes.one(record.name, axis, x.type.rank), reverse=reverse)


def cumsum(a: Operand, axis: int | None = None, dtype: Any = None, reverse: bool = False) -> Value:
    """Running sums along an axis (None: flattened); integers as 64 bits unless ``dtype`` is given."""
    return _cumulative(CUMSUM, a, axis, dtype, reverse)


def cumprod(a: Operand, axis: int | None = None, dtype: Any = None, reverse: bool = False) -> Value:
    """Running products along an axis (None: flattened); integers as 64 bits unless ``dtype`` is given."""
    return _cumulative(CUMPROD, a, axis, dtype, reverse)
