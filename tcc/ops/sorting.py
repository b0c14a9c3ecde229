"""Sorting along an axis."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

import tcc.ops as ops
from tcc.ir.dtype import BF16, I64, DType
from tcc.ir.forms import Opaque
from tcc.ir.graph import Value
from tcc.ir.op import NOT_DIFFERENTIABLE, Array, Op, Sample
from tcc.ir.types import TensorType
from tcc.ops import axes, batching, infer, samples
from tcc.ops.operands import Operand, node, value


def _samples(dtypes: tuple[DType, ...], rng: np.random.Generator) -> Iterator[Sample]:
    (dtype,) = dtypes
    for shape, axis in (((7,), 0), ((3, 5), 1), ((5, 2), 0), ((33,), 0), ((1,), 0)):
        yield Sample((samples.distinct(dtype, shape, rng),), {"axis": axis}, f"{shape} along {axis}")
    ties = samples.random(dtype, (40,), rng, 0.0, 3.0)
    yield Sample((np.round(ties) if dtype.is_float else ties,), {"axis": 0}, "ties", gradient=False)
    yield Sample((samples.distinct(dtype, (2, 0), rng),), {"axis": 1}, "empty", gradient=False)
    yield Sample((samples.edges_of(dtype),), {"axis": 0}, "edges: nan comes last", gradient=False)


def _order(x: Array, axis: int) -> Array:
    """The stable order. bf16 is ordered as f32: its own comparison puts nan anywhere."""
    plain = x.astype(np.float32) if x.dtype == BF16.numpy else x
    return np.argsort(plain, axis, kind="stable").astype(np.int64)


def _sort_gradient(g: Value, x: Value, _y: Value, axis: int) -> tuple[Value]:
    back = node(ARGSORT, node(ARGSORT, x, axis=axis), axis=axis)
    return (ops.take_along_axis(g, back, axis),)


SORT = Op(
    name="sort",
    doc="The elements in ascending order along ``axis``; nan comes last.",
    operands=("x: bool|int|uint|float",),
    infer=infer.same,
    form=Opaque("sort"),
    gradient=_sort_gradient,
    batch=batching.along("sort"),
    reference=lambda x, axis: np.take_along_axis(x, _order(x, axis), axis),
    samples=_samples,
    tolerance=0,
)

ARGSORT = Op(
    name="argsort",
    doc="The positions (i64) that sort the elements along ``axis``; equal elements keep their order, nan comes last.",
    operands=("x: bool|int|uint|float",),
    infer=lambda types, attributes: (TensorType(I64, types[0].shape),),
    form=Opaque("sort_positions"),
    gradient=NOT_DIFFERENTIABLE,
    batch=batching.along("argsort"),
    reference=_order,
    samples=_samples,
    tolerance=0,
)


def _sorted(record: Op, a: Operand, axis: int | None) -> Value:
    x = value(a)
    if axis is None:
        x, axis = ops.reshape(x, -1), 0
    return node(record, x, axis=axes.one(record.name, axis, x.type.rank))


def sort(a: Operand, axis: int | None = -1) -> Value:
    """The elements in ascending order along an axis (None: flattened); nan comes last."""
    return _sorted(SORT, a, axis)


def argsort(a: Operand, axis: int | None = -1) -> Value:
    """The positions that sort the elements along an axis; equal elements keep their order."""
    return _sorted(ARGSORT, a, axis)
