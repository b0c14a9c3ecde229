"""Choosing elements: where and clip; and a value that gradients do not pass."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

import tcc.ops as ops
from tcc.errors import Unsupported
from tcc.ir import location as locations
from tcc.ir.dtype import DType
from tcc.ir.forms import Elementwise
from tcc.ir.graph import Value
from tcc.ir.op import NOT_DIFFERENTIABLE, Op, Sample
from tcc.ir.scalar import Expr, Scalars
from tcc.ops import batching, infer, samples
from tcc.ops.elementwise import ANY, unary
from tcc.ops.logic import truth
from tcc.ops.operands import Operand, broadcast, error, node, promoted


def _where(s: Scalars, condition: Expr, x: Expr, y: Expr) -> Expr:
    return s.where(condition, x, y)


def _where_gradient(g: Value, condition: Value, x: Value, y: Value, _result: Value) -> tuple[None, Value, Value]:
    zero = ops.zeros_like(g)
    return None, ops.where(condition, g, zero), ops.where(condition, zero, g)


WHERE = Op(
    name="where",
    doc="x where the condition holds, y elsewhere. Both are computed; only one is seen, in the gradient too.",
    operands=("condition: bool", f"x: {ANY}", f"y: {ANY}"),
    infer=infer.selected,
    form=Elementwise(_where),
    gradient=_where_gradient,
    batch=batching.elementwise("where"),
    reference=np.where,
    samples=samples.elementwise(),
    tolerance=0,
)


def where(condition: Operand, x: Operand | None = None, y: Operand | None = None) -> Value:
    """``x`` where the condition is not zero, ``y`` elsewhere; the three broadcast, x and y promote."""
    if x is None and y is None:
        raise Unsupported(
            "where with a condition alone",
            where=locations.current().place(),
            why="the number of results is known only at run time",
            fix="use where(condition, x, y), or sum(condition) for the count",
        )
    if x is None or y is None:
        raise error("where: one of 'x' and 'y' is missing", why="expected both or neither")
    return node(WHERE, *broadcast("where", (truth(condition), *promoted((x, y)))))


def _clip(s: Scalars, x: Expr, low: Expr, high: Expr) -> Expr:
    return s.min(s.max(x, low), high)


def _clip_gradient(g: Value, x: Value, low: Value, high: Value, _result: Value) -> tuple[Value, Value, Value]:
    zero = ops.zeros_like(g)
    below, above = ops.less(x, low), ops.greater(ops.maximum(x, low), high)
    to_x = ops.where(ops.logical_or(below, above), zero, g)
    return to_x, ops.where(ops.logical_and(below, ops.logical_not(above)), g, zero), ops.where(above, g, zero)


def _clip_samples(dtypes: tuple[DType, ...], rng: np.random.Generator) -> Iterator[Sample]:
    dtype = dtypes[0]
    x = samples.random(dtype, (4, 5), rng, -3.0, 3.0)
    low, high = np.full_like(x, 0 if dtype.kind == "uint" else -1), np.full_like(x, 2 if dtype.kind == "uint" else 1)
    yield Sample((x, low, high), label="inside and outside")
    yield Sample((x, high, low), label="crossed limits", gradient=False)
    edges = samples.edges_of(dtype)
    yield Sample((edges, np.zeros_like(edges), np.ones_like(edges)), label="edges", gradient=False)
    yield Sample((x[:0], low[:0], high[:0]), label="empty", gradient=False)


CLIP = Op(
    name="clip",
    doc="Each element limited to [low, high]: minimum(maximum(x, low), high), so that high wins and nan stays.",
    operands=("x: bool|int|uint|float", "low: bool|int|uint|float", "high: bool|int|uint|float"),
    infer=infer.same,
    form=Elementwise(_clip),
    gradient=_clip_gradient,
    batch=batching.elementwise("clip"),
    reference=lambda x, low, high: np.minimum(np.maximum(x, low), high),
    samples=_clip_samples,
    tolerance=0,
)


def clip(
    a: Operand,
    a_min: Operand | None = None,
    a_max: Operand | None = None,
    *,
    min: Operand | None = None,
    max: Operand | None = None,
) -> Value:
    """Each element limited to ``a_min`` ≤ x ≤ ``a_max``; None does not limit. ``min=``/``max=`` are other names."""
    low, high = a_min if min is None else min, a_max if max is None else max
    if low is None and high is None:
        return promoted((a,))[0]
    if low is None or high is None:
        return ops.minimum(a, high) if high is not None else ops.maximum(a, low if low is not None else 0)
    return node(CLIP, *broadcast("clip", promoted((a, low, high))))


stop_gradient = unary(
    "stop_gradient",
    "The operand itself, taken as a constant by differentiation.",
    ANY,
    lambda s, x: x,
    NOT_DIFFERENTIABLE,
    np.copy,
    samples.elementwise(),
    tolerance=0,
)
