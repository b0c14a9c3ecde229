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
        raise UserError(f"adding {whole.type.dtype} to elements of {x.type}", fix="convert it with astype")
    part = ops.broadcast_to(ops.astype(whole, x.type.dtype), picked.type.shape)
    return _in_box(x, part, box, add)


def _in_box(x: Value, part: Value, box: list[tuple[Size, Size]], add: bool) -> Value:
    shape = tuple(stop - start for start, stop in box)
    margins = [(start, size - stop) for (start, stop), size in zip(box, x.type.shape, strict=True)]
    placed = ops.pad(ops.reshape(part, shape), margins)
    if add:
        return ops.add(x, placed)
    return ops.where(ops.pad(ops.full(shape, True), margins), placed, x)


def _box(x: Value, index: Any) -> list[tuple[Size, Size]] | None:
    """(start, stop) for each axis when the index is made of integers and slices of step 1; else None."""
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


def _range(part: Any, size: Size) -> tuple[Size, Size] | None:
    if isinstance(part, (int, Dim)) and not isinstance(part, bool):
        start = _counted(part, size)
        return None if start is None else (start, start + 1)
    if not isinstance(part, slice) or part.step not in (None, 1):
        return None
    start = 0 if part.start is None else _counted(part.start, size)
    stop = size if part.stop is None else _counted(part.stop, size)
    if start is None or stop is None:
        return None
    start = dim.minimum(dim.maximum(start, 0), size)
    return start, dim.maximum(start, dim.minimum(stop, size))


def _counted(bound: Size, size: Size) -> Size | None:
    """A bound counted from the front; None when its sign is not known."""
    if dim.nonnegative(bound):
        return bound
    return size + bound if dim.nonnegative(-bound - 1) else None
