"""``x.at[index].set(value)``: arrays with some elements changed, since traced arrays never change in place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from tcc import ops
from tcc.errors import UserError
from tcc.frontends.numpy import dispatch
from tcc.frontends.numpy.operand import Traced, as_operand
from tcc.ir import dim
from tcc.ir import dtype as dt
from tcc.ir.dim import Dim, Size
from tcc.ir.graph import Value
from tcc.ops.indexing import Range, slice_range

Wrap = Callable[[Value], Any]


class Updates:
    """``x.at``: indexed, it gives the elements to change."""

    def __init__(self, array: Traced, wrap: Wrap) -> None:
        self._array = array
        self._wrap = wrap

    def __getitem__(self, index: Any) -> Elements:
        return Elements(self._array, index, self._wrap)


class Elements:
    """``x.at[index]``: its methods give the whole array with these elements changed."""

    def __init__(self, array: Traced, index: Any, wrap: Wrap) -> None:
        self._array = array
        self._index = index
        self._wrap = wrap

    def set(self, value: Any) -> Any:
        """The array with ``value`` in these elements; where an element is named twice, the last wins."""
        return self._wrap(dispatch.located(changed, *self._parts(value), False))

    def add(self, value: Any) -> Any:
        """The array with ``value`` added to these elements, as often as each is named."""
        return self._wrap(dispatch.located(changed, *self._parts(value), True))

    def _parts(self, value: Any) -> tuple[Value, Any, Any]:
        return as_operand(self._array), dispatch.index(self._index), as_operand(value)


def changed(x: Value, index: Any, value: Any, add: bool) -> Value:
    """``x`` with the indexed elements set to ``value``, or with ``value`` added to them.

    A box of elements is placed by padding, which fuses; anything else is scattered.
    """
    box = _box(x, index)
    if box is None:
        return (ops.scatter_add if add else ops.scatter_set)(x, index, value)
    picked = ops.getitem(x, index)
    whole = value if isinstance(value, Value) else ops.full((), value, dtype=x.type.dtype)
    if add and dt.promote(whole.type.dtype, x.type.dtype) != x.type.dtype:
        why = "the elements keep their dtype, which does not hold the sum"
        raise UserError(f"adding {whole.type.dtype} to elements of {x.type}", why=why, fix="convert it with astype")
    part = ops.broadcast_to(ops.astype(whole, x.type.dtype), picked.type.shape)
    return _in_box(x, part, box, add)


def _in_box(x: Value, part: Value, box: list[Range], add: bool) -> Value:
    size = tuple(r.length for r in box)
    start = tuple(r.start for r in box)
    gaps = tuple(r.step - 1 for r in box)
    placed = ops.pad_to(ops.reshape(part, size), start, x.type.shape, interior=gaps)
    if add:
        return ops.add(x, placed)
    inside = ops.pad_to(ops.full(size, True), start, x.type.shape, fill=False, interior=gaps)
    return ops.where(inside, placed, x)


def _box(x: Value, index: Any) -> list[Range] | None:
    """What each axis gives when the index is made of integers and slices of positive step; else None."""
    parts = list(cast("tuple[Any, ...]", index)) if isinstance(index, tuple) else [index]
    if any(p is Ellipsis for p in parts):
        place = next(i for i, p in enumerate(parts) if p is Ellipsis)
        parts[place : place + 1] = [slice(None)] * (x.type.rank - len(parts) + 1)
    parts += [slice(None)] * (x.type.rank - len(parts))
    if len(parts) != x.type.rank:
        return None
    ranges = [_range(p, size) for p, size in zip(parts, x.type.shape, strict=True)]
    found = [r for r in ranges if r is not None]
    return found if len(found) == len(ranges) else None


def _range(part: Any, size: Size) -> Range | None:
    if isinstance(part, (int, Dim)) and not isinstance(part, bool):
        if dim.nonnegative(part):
            return Range(part, 1, 1)
        return Range(size + part, 1, 1) if dim.nonnegative(-part - 1) else None
    if isinstance(part, slice) and (part.step is None or part.step > 0):
        return slice_range(part, size)
    return None
