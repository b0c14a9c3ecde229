"""Places in sorted rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product

import numpy as np

import tcc.ops as ops
from tcc.errors import UserError
from tcc.ir.dim import Size
from tcc.ir.dtype import BF16, I32, I64, DType
from tcc.ir.forms import Opaque
from tcc.ir.graph import Attributes, Value
from tcc.ir.op import NOT_DIFFERENTIABLE, Array, Op, Sample
from tcc.ir.types import TensorType
from tcc.ops import batching, samples
from tcc.ops.operands import Operand, error, node, promoted

COUNTED = 16
"""Rows of so few elements are compared whole: that takes no gathers, and goes along with what uses the result."""


def _type(types: tuple[TensorType, ...], _attributes: Attributes) -> tuple[TensorType, ...]:
    table, x = types
    if table.rank < 1 or x.shape[: table.rank - 1] != table.shape[:-1]:
        raise UserError(f"searchsorted: {table} has no row for each row of {x}")
    return (TensorType(I64, x.shape),)


def _reference(table: Array, x: Array, right: bool) -> Array:
    rows, sought = (v.astype(np.float32) if v.dtype == BF16.numpy else v for v in (table, x))
    found = np.zeros(x.shape, np.int64)
    for k in product(*map(range, table.shape[:-1])):
        found[k] = np.searchsorted(rows[k], sought[k], "right" if right else "left")
    return found


def _samples(dtypes: tuple[DType, ...], rng: np.random.Generator) -> Iterator[Sample]:
    def ordered(x: Array) -> Array:
        return np.sort(x.astype(np.float32), -1).astype(x.dtype) if x.dtype == BF16.numpy else np.sort(x, -1)

    dtype = dtypes[0]
    for table, shape in (((7,), (5,)), ((33,), (2, 3)), ((2, 5), (2, 3)), ((1,), ()), ((0,), (3,)), ((4,), (0,))):
        for right in (False, True):
            rows, x = (samples.random(dtype, s, rng, 0.0, 6.0) for s in (table, shape))
            label = f"{shape} in {table}"
            yield Sample((ordered(rows), x), {"right": right}, label, gradient=False)
    edges = samples.edges_of(dtype)
    for right in (False, True):
        yield Sample((ordered(edges), edges), {"right": right}, "edges: nan comes last", gradient=False)


def _batch(size: Size, operands: Sequence[Value], batched: Sequence[bool], attributes: Attributes) -> tuple[Value]:
    table, x = operands
    if batched[0] or table.type.rank > 1:
        table, x = (batching.led(size, v, b) for v, b in zip(operands, batched, strict=True))
    return (node(SEARCHSORTED, table, x, **attributes),)


SEARCHSORTED = Op(
    name="searchsorted",
    doc="For each element of x how many elements of its row of the table, which is in ascending order, come before it;"
    " with ``right`` also those equal to it. nan comes after all numbers. The table's leading axes are x's.",
    operands=("table: bool|int|uint|float", "x: bool|int|uint|float"),
    infer=_type,
    form=Opaque("search"),
    gradient=NOT_DIFFERENTIABLE,
    batch=_batch,
    reference=_reference,
    samples=_samples,
    tolerance=0,
)


def searchsorted(table: Operand, x: Operand, side: str = "left") -> Value:
    """Where in a sorted table of one dimension each element would go (i64, of the shape of ``x``).

    ``side``: ``left`` of equal elements or ``right`` of them. UserError for another rank or side.
    """
    rows, sought = promoted((table, x))
    if rows.type.rank != 1:
        raise error(f"searchsorted: the table is {rows.type}", why="expected one dimension")
    if side not in ("left", "right"):
        raise error(f"searchsorted: side is '{side}'", why="expected 'left' or 'right'")
    length = rows.type.shape[0]
    if isinstance(length, int) and 0 < length <= COUNTED:
        return _counted(rows, ops.expand_dims(sought, -1), side == "right")
    return node(SEARCHSORTED, rows, sought, right=side == "right")


def _counted(rows: Value, sought: Value, right: bool) -> Value:
    before = (ops.less_equal if right else ops.less)(rows, sought)
    if rows.type.dtype.is_float:
        last = ops.isnan(sought)
        before = ops.logical_or(before, last if right else ops.logical_and(last, ops.logical_not(ops.isnan(rows))))
    return ops.astype(ops.sum(before, -1, dtype=I32), I64)
