"""NumPy's indexing: a key mapped onto slice, reshape, index and gather; and what is made of gather and scatter."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import tcc.ops as ops
from tcc.errors import Unsupported
from tcc.ir import dim
from tcc.ir import location as locations
from tcc.ir.dim import Dim, Size
from tcc.ir.dtype import BOOL, I64
from tcc.ir.graph import Value
from tcc.ops import axes
from tcc.ops.gathering import GATHER, INDEX, TAKE_ALONG_AXIS
from tcc.ops.operands import Operand, common_dtype, error, node, value
from tcc.ops.scattering import SCATTER_ADD, SCATTER_SET
from tcc.ops.slicing import SLICE


@dataclass(frozen=True)
class Range:
    """What a slice takes from an axis: ``length`` positions, ``start`` and every ``step``-th from there."""

    start: Size
    length: Size
    step: int


def slice_range(key: builtins.slice, size: Size) -> Range:
    """A Python slice of an axis, clamped as NumPy clamps, as canonical sizes.

    ``x[1:]`` and ``x[:-1]`` of one axis have one length, ``max(n - 1, 0)``.
    """
    step = 1 if key.step is None else axes.integer("a slice", "step", _static(key.step))
    if step == 0:
        raise error("a slice has step 0")
    start, stop = (None if k is None else axes.size("a slice", "bound", _static(k)) for k in (key.start, key.stop))
    if step > 0:
        low = 0 if start is None else start if not _from_end(start) else dim.maximum(size + start, 0)
        high = size if stop is None else dim.minimum(stop, size) if not _from_end(stop) else size + stop
        return Range(low, _count(low, high, step), step)
    first = size - 1 if start is None else dim.minimum(start, size - 1) if not _from_end(start) else size + start
    last = -1 if stop is None else stop if not _from_end(stop) else dim.maximum(size + stop, -1)
    return Range(first, _count(last, first, -step), step)


def _static(bound: Any) -> Any:
    if isinstance(bound, Value):
        raise error(
            "a slice has a bound that is a traced value",
            why="the length of the result must be known at compile time",
            fix="take(x, start + np.arange(length), axis) takes so many elements from a traced start",
        )
    return bound


def _from_end(bound: Size) -> bool:
    """Whether a bound counts from the end: it is negative. UserError when a size's sign is not known."""
    if dim.nonnegative(bound):
        return False
    if dim.nonnegative(-bound - 1):
        return True
    raise error(
        f"the slice bound '{bound}' may be negative or not, depending on the sizes",
        why="a negative bound counts from the end",
        fix="give the sizes ranges that settle it, f32[n:4..] for example; x[-3:] are the last elements, three at most",
    )


def _count(low: Size, high: Size, step: int) -> Size:
    """``max(ceildiv(high - low, step), 0)``, with the extrema of the bounds outermost, so that equal lengths
    look equal."""
    low_atom, high_atom = dim.sole_atom(low), dim.sole_atom(high)
    distances = [high - low]
    if isinstance(low_atom, dim.Extremum) and low_atom.kind == "max":
        distances = [high - a for a in low_atom.arguments]
    elif isinstance(high_atom, dim.Extremum) and high_atom.kind == "min":
        distances = [a - low for a in high_atom.arguments]
    return dim.maximum(dim.minimum(*(dim.ceildiv(d, step) for d in distances)), 0)


def getitem(x: Operand, key: Any) -> Value:
    """``x[key]`` with NumPy's meaning.

    A key holds integers, sizes, slices (any step), None, an ellipsis and integer arrays (traced or not),
    which broadcast together and follow NumPy's rule for the place of their axes. A bool array is taken
    when it is known at compile time. An index out of range is an error: now where sizes are known, else
    when the function is called.
    """
    v = value(x)
    entries = _entries(key, v)
    if not any(isinstance(e, Value) and e.type.rank for e in entries):
        return _basic(v, entries)
    return _advanced(v, entries)


def _entries(key: Any, x: Value) -> list[Any]:
    """The key's parts: one for each axis of ``x`` (sizes, slices, values), and None for each new axis."""
    parts: list[Any] = list(key) if isinstance(key, tuple) else [key]
    expanded: list[Any] = []
    for part in parts:
        expanded += _read(part)
    used = sum(1 for p in expanded if p is not None and p is not Ellipsis)
    if sum(1 for p in expanded if p is Ellipsis) > 1:
        raise error("an index has more than one ellipsis")
    if used > x.type.rank:
        raise error(f"{used} indices for {x.type}", why=f"it has {x.type.rank} dimensions")
    rest = [builtins.slice(None)] * (x.type.rank - used)
    if Ellipsis not in [p for p in expanded if p is Ellipsis]:
        return expanded + rest
    at = next(i for i, p in enumerate(expanded) if p is Ellipsis)
    return expanded[:at] + rest + expanded[at + 1 :]


def _read(part: Any) -> list[Any]:
    """One part of a key, checked; a bool array known now becomes the positions where it is true."""
    if part is None or part is Ellipsis or isinstance(part, (builtins.slice, Dim)):
        return [part]
    if isinstance(part, (int, np.integer)) and not isinstance(part, bool):
        return [int(part)]
    if isinstance(part, (list, tuple, np.ndarray, np.generic, bool)):
        array = np.asarray(part)
        if array.dtype == np.bool_:
            return [value(positions) for positions in np.nonzero(array)] if array.ndim else _refuse_mask()
        if array.ndim == 0 and array.dtype.kind in "iu":
            return [int(array)]
        part = value(array.astype(np.int64) if array.size == 0 else array)
    if isinstance(part, Value):
        if part.type.dtype == BOOL:
            return _refuse_mask()
        if not part.type.dtype.is_integer:
            raise error(f"an index has dtype {part.type.dtype}", why="expected integers")
        return [part]
    raise error(f"an index is {type(part).__name__}", why="expected integers, slices, None, an ellipsis or arrays")


def _refuse_mask() -> list[Any]:
    raise Unsupported(
        "indexing with a bool array that is traced",
        where=locations.current().place(),
        why="the number of results is known only at run time",
        fix="use where(mask, x, 0), or sum(where(mask, x, 0)) and the like for what follows",
    )


def _sliced(x: Value, ranges: Sequence[Range]) -> Value:
    """The slice op on all axes; the value itself when it is all of it."""
    whole = all(r.start == 0 and r.step == 1 and r.length == s for r, s in zip(ranges, x.type.shape, strict=True))
    if whole:
        return x
    return node(
        SLICE,
        x,
        start=tuple(r.start for r in ranges),
        length=tuple(r.length for r in ranges),
        step=tuple(r.step for r in ranges),
    )


def _basic(x: Value, entries: Sequence[Any]) -> Value:
    """Slices, integers, new axes; and traced scalars, which select like integers."""
    ranges: list[Range] = []
    dropped: list[int] = []
    checked: list[tuple[int, Any]] = []
    kept: list[Any] = [e for e in entries if e is not None]
    for axis, (entry, size) in enumerate(zip(kept, x.type.shape, strict=True)):
        if isinstance(entry, builtins.slice):
            ranges.append(slice_range(entry, size))
            continue
        at = None if isinstance(entry, Value) else _position(entry, size, axis, x)
        if at is not None and dim.nonnegative(size - 1 - at) and dim.nonnegative(at):
            ranges.append(Range(at, 1, 1))
            dropped.append(axis)
        else:
            ranges.append(Range(0, size, 1))
            checked.append((axis, entry if at is None else at))
    result = _sliced(x, ranges)
    for axis, at in reversed(checked):
        if isinstance(at, Value):
            result = node(GATHER, result, at, axes=(axis,), position=axis)
        else:
            result = node(INDEX, result, axis=axis, at=at)
    gone = {axis for axis, _ in checked}
    sizes = iter(result.type.shape)
    left = {axis: next(sizes) for axis in range(x.type.rank) if axis not in gone}
    shape: list[Size] = []
    axis = 0
    for entry in entries:
        if entry is None:
            shape.append(1)
            continue
        if axis not in gone and axis not in dropped:
            shape.append(left[axis])
        axis += 1
    return ops.reshape(result, tuple(shape))


def _position(entry: Size, size: Size, axis: int, x: Value) -> Size:
    """An integer or a size as a position from the front. UserError when it is out of range for sure."""
    at = size + entry if _from_end(entry) else entry
    if dim.nonnegative(at - size) or dim.nonnegative(-at - 1):
        raise error(f"index {entry} is out of range for axis {axis} of {x.type}", why=f"the axis has size {size}")
    return at


def _advanced(x: Value, entries: Sequence[Any]) -> Value:
    """Integer arrays among slices: slices first, then one gather, then the axes in NumPy's order."""
    pointed = [i for i, e in enumerate(entries) if not (e is None or isinstance(e, builtins.slice))]
    together = pointed == list(range(pointed[0], pointed[-1] + 1))
    plain = [builtins.slice(None) if i in pointed else e for i, e in enumerate(entries)]
    sliced = _basic(x, plain)
    taken = tuple(pointed)
    indices = [_index_value(entries[i]) for i in pointed]
    for at, i in zip(indices, pointed, strict=True):
        _check_constant(at, sliced.type.shape[i], i, x)
    shape = ops.broadcast_shapes("an index", [i.type.shape for i in indices])
    place = pointed[0] if together else 0
    return node(GATHER, sliced, *(ops.broadcast_to(i, shape) for i in indices), axes=taken, position=place)


def _index_value(entry: Any) -> Value:
    return ops.astype(value(entry), I64) if isinstance(entry, (int, Dim)) else value(entry)


def _check_constant(index: Value, size: Size, axis: int, x: Value) -> None:
    """UserError now for a constant index that is out of range of a known size."""
    if not isinstance(size, int) or index.producer is None or index.producer.op.name != "literal":
        return
    array = index.producer.attributes["value"].array
    if array.size and (int(array.max()) >= size or int(array.min()) < -size):
        worst = int(array.max()) if int(array.max()) >= size else int(array.min())
        raise error(f"index {worst} is out of range for axis {axis} of {x.type}", why=f"the axis has size {size}")


def take(a: Operand, indices: Operand, axis: int | None = None, mode: str = "raise") -> Value:
    """The elements at ``indices`` along an axis (None: of the flattened operand).

    ``mode``: ``raise`` fails the call for an index out of range, ``wrap`` and ``clip`` bring it into range.
    """
    x = value(a)
    if axis is None:
        x, axis = ops.reshape(x, -1), 0
    place = axes.one("take", axis, x.type.rank)
    found = _read(indices)
    if len(found) != 1 or found[0] is None or isinstance(found[0], builtins.slice):
        raise error("take: 'indices' is no array of integers")
    at = _index_value(found[0])
    size = x.type.shape[place]
    if mode == "clip":
        at = ops.clip(ops.astype(at, I64), 0, ops.subtract(value(size), 1))
    elif mode == "wrap":
        at = ops.remainder(ops.astype(at, I64), size)
    elif mode != "raise":
        raise error(f"take: unknown mode '{mode}'", why="expected raise, wrap or clip")
    _check_constant(at, size, place, x)
    return node(GATHER, x, at, axes=(place,), position=place)


def take_along_axis(arr: Operand, indices: Operand, axis: int | None = -1) -> Value:
    """For each index the element of ``arr`` at that position of ``axis``; the other axes broadcast."""
    x, at = value(arr), value(indices)
    if axis is None:
        x, axis = ops.reshape(x, -1), 0
    if x.type.rank != at.type.rank:
        raise error(f"take_along_axis: {x.type} and indices {at.type} differ in rank")
    place = axes.one("take_along_axis", axis, x.type.rank)
    shape = ops.broadcast_shapes("take_along_axis", [axes.with_ones(v.type.shape, (place,)) for v in (x, at)])
    wide = [
        ops.broadcast_to(v, tuple(v.type.shape[place] if i == place else s for i, s in enumerate(shape)))
        for v in (x, at)
    ]
    return node(TAKE_ALONG_AXIS, *wide, axis=place)


def scatter_add(x: Operand, key: Any, updates: Operand) -> Value:
    """``x`` with ``updates`` added at ``x[key]``: what ``np.add.at`` does, as a new value."""
    return _scattered(x, key, updates, True)


def scatter_set(x: Operand, key: Any, updates: Operand) -> Value:
    """``x`` with ``x[key]`` replaced by ``updates``: what ``x[key] = updates`` does, as a new value."""
    return _scattered(x, key, updates, False)


def _scattered(x: Operand, key: Any, updates: Operand, add: bool) -> Value:
    v = value(x)
    new = value(updates, v.type.dtype)
    if add and common_dtype((v, new)) != v.type.dtype:
        raise error(f"scatter_add: updates of dtype {new.type.dtype} into {v.type}", fix="convert them with astype")
    new = ops.astype(new, v.type.dtype)
    entries = _entries(key, v)
    arrays = [e for e in entries if isinstance(e, Value)]
    plain = all(isinstance(e, Value) or e == builtins.slice(None) for e in entries)
    if not arrays or not plain:
        return _scatter_flat(v, key, new, add)
    at = [i for i, e in enumerate(entries) if isinstance(e, Value)]
    shape = ops.broadcast_shapes("an index", [a.type.shape for a in arrays])
    together = at == list(range(at[0], at[-1] + 1))
    place = at[0] if together else 0
    kept = axes.without(v.type.shape, at)
    target = (*kept[:place], *shape, *kept[place:])
    return _scatter_node(v, new, target, [ops.broadcast_to(a, shape) for a in arrays], tuple(at), place, add)


def _scatter_node(
    x: Value,
    updates: Value,
    target: tuple[Size, ...],
    indices: Sequence[Value],
    at: tuple[int, ...],
    place: int,
    add: bool,
) -> Value:
    wide = ops.broadcast_to(updates, target)
    record = SCATTER_ADD if add else SCATTER_SET
    for index, axis in zip(indices, at, strict=True):
        _check_constant(index, x.type.shape[axis], axis, x)
    return node(record, x, wide, *indices, axes=at, position=place)


def _scatter_flat(x: Value, key: Any, updates: Value, add: bool) -> Value:
    """Through the flat positions that the key picks: they are indexed as ``x`` would be."""
    flat = ops.reshape(x, (x.type.size,))
    places = getitem(ops.reshape(ops.iota((x.type.size,)), x.type.shape), key)
    return ops.reshape(_scatter_node(flat, updates, places.type.shape, [places], (0,), 0, add), x.type.shape)
