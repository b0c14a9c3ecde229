"""What the gradient of max_pool needs: where each greatest element is, its transpose, and that one's."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np

from tcc.errors import UserError
from tcc.ir.dim import Size
from tcc.ir.dtype import I64, DType
from tcc.ir.forms import Access, Coordinates, Nest, Window
from tcc.ir.graph import Attributes, Value
from tcc.ir.op import NOT_DIFFERENTIABLE, Array, Op, Sample
from tcc.ir.scalar import SCALARS, Const, Expr, compute_dtype, lowest
from tcc.ir.types import TensorType
from tcc.ops import batching, samples
from tcc.ops.operands import node
from tcc.ops.pooling import (
    BATCH,
    place_number,
    place_under,
    pool_samples,
    pooled_shape,
    slides,
    windows_of,
)

Types = tuple[TensorType, ...]


def _argmax_nest(types: Types, results: Types, attributes: Attributes) -> Nest:
    moves = slides(types[0].shape, attributes)
    dtype = compute_dtype(types[0].dtype)

    def body(access: Access, space: Coordinates, reduced: Coordinates) -> tuple[Expr, ...]:
        at, guard = place_under(access, moves, space, reduced)
        element = SCALARS.cast(access.read(0, at, guard), dtype)
        number = access.position(place_number(reduced, attributes["window"]), I64)
        if guard is None:
            return element, number
        none = Const(I64, int(np.iinfo(np.int64).max))
        return SCALARS.where(guard, element, Const(dtype, lowest(dtype))), SCALARS.where(guard, number, none)

    return Nest(
        results[0].shape, body, tuple(attributes["window"]), "argmax_among", (dtype, I64), lambda parts: (parts[1],)
    )


def _argmax_reference(x: Array, **attributes: Any) -> Any:
    there = windows_of(np.ones(x.shape, np.bool_), False, attributes)
    seen = windows_of(x, 0, attributes)
    result = np.empty(there.shape[:-1], np.int64)
    for at in product(*map(range, result.shape)):
        found = seen[at][there[at]]
        places = np.flatnonzero(there[at])
        result[at] = places[np.argmax(found)] if len(places) else np.iinfo(np.int64).max
    return result


ARGMAX_POOL = Op(
    name="argmax_pool",
    doc="The place in its window (a row-major number, i64) of each element that `max_pool` gives; the first of equals.",
    operands=("x: int|uint|float",),
    infer=lambda types, attributes: (TensorType(I64, pooled_shape(types, attributes)),),
    form=Window("pool", _argmax_nest),
    gradient=NOT_DIFFERENTIABLE,
    batch=batching.leading("argmax_pool", BATCH),
    reference=_argmax_reference,
    samples=pool_samples,
    tolerance=0,
)


def _take_samples(dtypes: tuple[DType, ...], rng: np.random.Generator) -> Iterator[Sample]:
    for sample in pool_samples(dtypes, rng):
        (x,) = sample.operands
        yield Sample((x, _argmax_reference(x, **sample.attributes)), sample.attributes, sample.label)


def _unpool_samples(dtypes: tuple[DType, ...], rng: np.random.Generator) -> Iterator[Sample]:
    for sample in _take_samples(dtypes, rng):
        x, winners = sample.operands
        g = samples.random(dtypes[0], winners.shape, rng)
        yield Sample((g, winners), {**sample.attributes, "shape": x.shape}, sample.label)


def _unpool_type(types: Types, attributes: Attributes) -> Types:
    g, winners = types
    shape: tuple[Size, ...] = attributes["shape"]
    pooled = pooled_shape((g.with_shape(shape),), attributes)
    if g.shape != pooled or winners.shape != pooled:
        raise UserError(f"max_unpool: {g} and {winners}", why=f"expected the shape {pooled}")
    return (g.with_shape(shape),)


def _unpool_nest(types: Types, results: Types, attributes: Attributes) -> Nest:
    moves = slides(attributes["shape"], attributes)
    dtype = compute_dtype(types[0].dtype)

    def body(access: Access, space: Coordinates, reduced: Coordinates) -> tuple[Expr, ...]:
        found = [m.over(c, o) for m, c, o in zip(moves, space, reduced, strict=True)]
        guard = access.inside([c for _, conditions in found for c in conditions])
        at = tuple(c for c, _ in found)
        number = access.position(place_number(reduced, attributes["window"]), I64)
        won = SCALARS.eq(access.read(1, at, guard), number)
        won = won if guard is None else won & guard
        return (SCALARS.where(won, SCALARS.cast(access.read(0, at, guard), dtype), Const(dtype, 0.0)),)

    return Nest(results[0].shape, body, tuple(attributes["window"]), "add", (dtype,))


def _unpool_reference(g: Array, winners: Array, shape: tuple[int, ...], **attributes: Any) -> Any:
    numbers = windows_of(np.arange(int(np.prod(shape))).reshape(shape), -1, attributes)
    total = np.zeros(int(np.prod(shape)), np.float64)
    for at in product(*map(range, winners.shape)):
        if winners[at] < numbers.shape[-1]:
            total[numbers[at][winners[at]]] += float(g[at])
    return total.reshape(shape).astype(g.dtype)


def _unpool_gradient(
    g: Value, _x: Value, winners: Value, _y: Value, shape: tuple[Size, ...], **attributes: Any
) -> tuple[Value, None]:
    del shape
    return node(TAKE_POOL, g, winners, **attributes), None


MAX_UNPOOL = Op(
    name="max_unpool",
    doc="The transpose of `max_pool`: zeros of ``shape``, with each element of g added where `argmax_pool` points.",
    operands=("g: float", "winners: i64"),
    infer=_unpool_type,
    form=Window("pool", _unpool_nest),
    gradient=_unpool_gradient,
    batch=batching.leading(
        "max_unpool",
        batching.prefixed(window=1, strides=1, padding=(0, 0), lhs_dilation=1, rhs_dilation=1, shape=batching.SIZE),
    ),
    reference=_unpool_reference,
    samples=_unpool_samples,
)


def _take_type(types: Types, attributes: Attributes) -> Types:
    x, winners = types
    pooled = pooled_shape(types, attributes)
    if winners.shape != pooled:
        raise UserError(f"take_pool: {x} and {winners}", why=f"expected winners of the shape {pooled}")
    return (x.with_shape(pooled),)


def _take_nest(types: Types, results: Types, attributes: Attributes) -> Nest:
    moves = slides(types[0].shape, attributes)
    dtype = compute_dtype(types[0].dtype)

    def body(access: Access, space: Coordinates, reduced: Coordinates) -> tuple[Expr, ...]:
        at, guard = place_under(access, moves, space, reduced)
        number = access.position(place_number(reduced, attributes["window"]), I64)
        won = SCALARS.eq(access.read(1, space), number)
        return (SCALARS.where(won, SCALARS.cast(access.read(0, at, guard), dtype), Const(dtype, 0.0)),)

    return Nest(results[0].shape, body, tuple(attributes["window"]), "add", (dtype,))


def _take_reference(x: Array, winners: Array, **attributes: Any) -> Any:
    seen = windows_of(x, 0, attributes)
    inside = winners < seen.shape[-1]
    picked = np.take_along_axis(seen, np.where(inside, winners, 0)[..., None], -1)[..., 0]
    return np.where(inside, picked, 0).astype(x.dtype)


def _take_gradient(g: Value, x: Value, winners: Value, _y: Value, **attributes: Any) -> tuple[Value, None]:
    return node(MAX_UNPOOL, g, winners, **attributes, shape=x.type.shape), None


TAKE_POOL = Op(
    name="take_pool",
    doc="The element of x under each window at the place that `argmax_pool` numbers; 0 where there is none.",
    operands=("x: float", "winners: i64"),
    infer=_take_type,
    form=Window("pool", _take_nest),
    gradient=_take_gradient,
    batch=batching.leading("take_pool", BATCH),
    reference=_take_reference,
    samples=_take_samples,
)
