"""The greatest elements along an axis, in order."""

from __future__ import annotations

import numpy as np

import tcc.ops as ops
from tcc.ir import dim
from tcc.ir.dtype import BOOL, F32, F64, I32, I64, U32, U64
from tcc.ir.graph import Value
from tcc.ops import axes
from tcc.ops.operands import Operand, error, value

SELECTED = 24
"""So many greatest elements are found one after the other, half as many where a position does not go along with its
key: more take longer than to sort all."""
HALF = 32
LAST = (1 << (HALF - 1)) - 1


def top_k(a: Operand, k: int, axis: int = -1) -> tuple[Value, Value]:
    """The ``k`` greatest elements along an axis in descending order, and their positions (i64).

    Of equal elements the first ones; nan is greater than all. UserError where there may be fewer than ``k``, and
    for complex numbers.
    """
    x = value(a)
    if x.type.dtype.is_complex:
        raise error(f"top_k of {x.type}", why="complex numbers have no order", fix="take those of the real part")
    along = axes.one("top_k", axis, x.type.rank)
    n = x.type.shape[along]
    if k < 0 or not dim.nonnegative(n - k):
        raise error(
            f"top_k: {k} of {n} elements",
            why="there may be fewer",
            fix="" if isinstance(n, int) else f"give the size a range: [{n}:{k}..]",
        )
    _, most = dim.bounds(n)
    packed = x.type.dtype.bits <= HALF and most is not None and most <= LAST
    if 0 < k <= (SELECTED if packed else SELECTED // 2):
        found = ops.concatenate((_packed if packed else _paired)(_key(x), k, along), along)
    else:
        found = _last_sorted(x, k, along)
    return ops.take_along_axis(x, found, along), found


def _last_sorted(x: Value, k: int, axis: int) -> Value:
    """Positions from the end of a sort: of the elements turned round, so that of equal ones the first is last."""
    n = x.type.shape[axis]
    order = ops.argsort(ops.flip(x, axis), axis)
    last = ops.getitem(order, (*(slice(None),) * axis, slice(n - k, None)))
    return ops.subtract(n - 1, ops.flip(last, axis))


def _packed(key: Value, k: int, axis: int) -> list[Value]:
    """Positions of the greatest, each that of those below the last: key and position are one integer, all different."""
    position = ops.iota(key.type.shape, axis)
    entries = ops.bitwise_or(ops.left_shift(key, HALF), ops.subtract(LAST, position))
    found = [ops.max(entries, axis, keepdims=True)]
    while len(found) < k:
        below = ops.where(ops.less(entries, found[-1]), entries, _LEAST)
        found.append(ops.max(below, axis, keepdims=True))
    return [ops.subtract(LAST, ops.bitwise_and(e, (1 << HALF) - 1)) for e in found]


def _paired(key: Value, k: int, axis: int) -> list[Value]:
    """Positions of the greatest: of what comes after those found the greatest key, then the first place of it."""
    position = ops.iota(key.type.shape, axis)
    found: list[Value] = []
    left = ops.full(key.type.shape, True, BOOL)
    for _ in range(k):
        best = ops.max(ops.where(left, key, _LEAST), axis, keepdims=True)
        here = ops.logical_and(left, ops.equal(key, best))
        found.append(ops.min(ops.where(here, position, np.iinfo(np.int64).max), axis, keepdims=True))
        after = ops.logical_and(ops.equal(key, best), ops.greater(position, found[-1]))
        left = ops.logical_or(ops.less(key, best), after)
    return found


_LEAST = np.iinfo(np.int64).min


def _key(x: Value) -> Value:
    """Integers (i64) in the order of the elements, of 32 bits if these are; nan the greatest, the two zeros one."""
    if not x.type.dtype.is_float:
        if x.type.dtype == U64:
            return ops.bitcast(ops.bitwise_xor(x, np.uint64(1 << 63)), I64)
        wide = ops.astype(x, I64)
        return ops.subtract(wide, 1 << (HALF - 1)) if x.type.dtype == U32 else wide
    number = x if x.type.dtype == F64 else ops.astype(x, F32)
    bits = ops.bitcast(ops.add(number, 0.0), I64 if x.type.dtype == F64 else I32)
    sign = bits.type.dtype.bits - 1
    greatest = (1 << sign) - 1
    turned = ops.bitwise_xor(bits, ops.bitwise_and(ops.right_shift(bits, sign), greatest))
    return ops.astype(ops.where(ops.isnan(number), greatest, turned), I64)
