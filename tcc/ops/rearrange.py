"""NumPy's ways to rearrange axes and parts, made of reshape, transpose, slice and concatenate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Union

import numpy as np

import tcc.ops as ops
from tcc.ir import dim
from tcc.ir.dim import Dim, Size
from tcc.ir.graph import Value
from tcc.ops import axes
from tcc.ops.layout import DIAGONAL
from tcc.ops.operands import Operand, error, node, promoted, value
from tcc.ops.slicing import part, parts


def expand_dims(a: Operand, axis: axes.Axes) -> Value:
    """New axes of size 1 at these places of the result."""
    x = value(a)
    count = 1 if axis is None or isinstance(axis, (int, np.integer)) else len(axis)
    rank = x.type.rank + count
    places = axes.several("expand_dims", axis, rank)
    rest = iter(x.type.shape)
    return ops.reshape(x, tuple(1 if i in places else next(rest) for i in range(rank)))


def squeeze(a: Operand, axis: axes.Axes = None) -> Value:
    """The operand without axes of size 1: those named, or all whose size is a literal 1."""
    x = value(a)
    if axis is None:
        places = tuple(i for i, s in enumerate(x.type.shape) if s == 1)
    else:
        places = axes.several("squeeze", axis, x.type.rank)
    wrong = [i for i in places if x.type.shape[i] != 1]
    if wrong:
        raise error(f"squeeze: axis {wrong[0]} of {x.type} has size '{x.type.shape[wrong[0]]}'", why="expected 1")
    return ops.reshape(x, axes.without(x.type.shape, places))


def ravel(a: Operand) -> Value:
    """The elements as a vector, in row-major order."""
    return ops.reshape(a, -1)


def moveaxis(a: Operand, source: int | Sequence[int], destination: int | Sequence[int]) -> Value:
    """The axes ``source`` moved to the places ``destination``; the others keep their order."""
    x = value(a)
    rank = x.type.rank
    start = [axes.one("moveaxis", i, rank) for i in _listed(source)]
    goal = [axes.one("moveaxis", i, rank) for i in _listed(destination)]
    if len(start) != len(goal) or len(set(start)) != len(start) or len(set(goal)) != len(goal):
        raise error(f"moveaxis: source {source} and destination {destination} do not pair")
    order = [i for i in range(rank) if i not in start]
    for place, axis in sorted(zip(goal, start, strict=True)):
        order.insert(place, axis)
    return ops.transpose(x, order)


def _listed(axis: int | Sequence[int]) -> tuple[int, ...]:
    return (int(axis),) if isinstance(axis, (int, np.integer)) else tuple(axis)


def swapaxes(a: Operand, axis1: int, axis2: int) -> Value:
    """The operand with two axes exchanged."""
    x = value(a)
    order = list(range(x.type.rank))
    i, j = (axes.one("swapaxes", k, x.type.rank) for k in (axis1, axis2))
    order[i], order[j] = order[j], order[i]
    return ops.transpose(x, order)


def stack(arrays: Sequence[Operand], axis: int = 0) -> Value:
    """Operands of one shape along a new axis."""
    if not len(arrays):
        raise error("stack: there is nothing to join", why="expected at least one operand")
    values = promoted([value(a) for a in arrays])
    first = values[0].type.shape
    for other in values[1:]:
        if other.type.shape != first:
            raise error(f"stack: the operands {values[0].type} and {other.type} differ in shape")
    place = axes.one("stack", axis, len(first) + 1)
    return ops.concatenate([expand_dims(v, place) for v in values], place)


def split(ary: Operand, indices_or_sections: Union[int, Sequence[Size]], axis: int = 0) -> list[Value]:
    """Parts along an axis: so many equal ones, or cut at the given positions (which clamp, as slices do)."""
    x = value(ary)
    where = axes.one("split", axis, x.type.rank)
    size = x.type.shape[where]
    if isinstance(indices_or_sections, (int, np.integer)):
        sections = int(indices_or_sections)
        length, rest = dim.divide(size, sections) if sections > 0 else (0, 1)
        if rest != 0:
            raise error(f"split: axis {where} of size '{size}' does not divide into {sections} equal parts")
        return list(parts(x, [length] * sections, where))
    cuts = [_cut(c, size) for c in indices_or_sections]
    starts, stops = [0, *cuts], [*cuts, size]
    return [part(x, where, a, dim.maximum(b - a, 0)) for a, b in zip(starts, stops, strict=True)]


def _cut(position: Size, size: Size) -> Size:
    at = axes.size("split", "indices_or_sections", position)
    from_end = isinstance(at, int) and at < 0
    return dim.maximum(size + at, 0) if from_end else dim.minimum(at, size)


def roll(a: Operand, shift: Union[int, Sequence[int]], axis: axes.Axes = None) -> Value:
    """The elements moved along axes, those that leave coming in at the other end; None: flattened."""
    x = value(a)
    if axis is None:
        return ops.reshape(roll(ravel(x), shift, 0), x.type.shape)
    along = _listed(axis)
    shifts = (int(shift),) * len(along) if isinstance(shift, (int, np.integer)) else tuple(shift)
    if len(shifts) != len(along):
        raise error(f"roll: {len(shifts)} shifts for {len(along)} axes")
    for by, which in zip(shifts, along, strict=True):
        place = axes.one("roll", which, x.type.rank)
        x = _rolled(x, axes.size("roll", "shift", by), place)
    return x


def _rolled(x: Value, by: Size, axis: int) -> Value:
    size = x.type.shape[axis]
    if size == 0 or by == 0:
        return x
    moved = dim.mod(by, dim.maximum(size, 1)) if isinstance(size, Dim) else dim.mod(by, size)
    if isinstance(size, Dim):
        moved = dim.minimum(moved, size)
    return ops.concatenate([part(x, axis, size - moved, moved), part(x, axis, 0, size - moved)], axis)


def tile(A: Operand, reps: Union[Size, Sequence[Size]]) -> Value:
    """The operand repeated so many times along each axis, counted from the last."""
    x = value(A)
    counts = axes.shape("tile", reps)
    rank = max(len(counts), x.type.rank)
    counts = (1,) * (rank - len(counts)) + counts
    shape = (1,) * (rank - x.type.rank) + x.type.shape
    paired = [s for c, n in zip(counts, shape, strict=True) for s in (c, n)]
    ones = [s for n in shape for s in (1, n)]
    wide = ops.broadcast_to(ops.reshape(x, ones), tuple(paired))
    return ops.reshape(wide, tuple(c * n for c, n in zip(counts, shape, strict=True)))


def repeat(a: Operand, repeats: Size, axis: int | None = None) -> Value:
    """Each element ``repeats`` times in a row along an axis (None: flattened)."""
    x = value(a)
    if axis is None:
        return repeat(ravel(x), repeats, 0)
    count = axes.size("repeat", "repeats", repeats)
    place = axes.one("repeat", axis, x.type.rank) + 1
    shape = x.type.shape
    wide = ops.broadcast_to(expand_dims(x, place), (*shape[:place], count, *shape[place:]))
    return ops.reshape(wide, (*shape[: place - 1], shape[place - 1] * count, *shape[place:]))


def pad(array: Operand, pad_width: Any, mode: str = "constant", constant_values: Any = 0) -> Value:
    """NumPy's pad: ``pad_width`` is a number, a (before, after) pair, or a pair for each axis.

    Modes: constant (with one number), edge, reflect, symmetric, wrap; the last three up to the operand's size.
    """
    x = value(array)
    widths = _widths(pad_width, x.type.rank)
    if mode == "constant":
        return _constant_pad(x, widths, constant_values)
    if mode not in _MODES:
        raise error(f"pad: unknown mode '{mode}'", why=f"expected constant or one of {', '.join(_MODES)}")
    for axis, (before, after) in enumerate(widths):
        pieces = [_border(x, axis, before, mode, True), x, _border(x, axis, after, mode, False)]
        x = ops.concatenate([p for p in pieces if p.type.shape[axis] != 0] or [x], axis)
    return x


_MODES = ("edge", "reflect", "symmetric", "wrap")


def _widths(pad_width: Any, rank: int) -> list[tuple[Size, Size]]:
    if isinstance(pad_width, (int, np.integer, Dim)):
        entries: list[Any] = [(pad_width, pad_width)] * rank
    elif len(pad_width) and isinstance(pad_width[0], (int, np.integer, Dim)):
        pair = (pad_width[0], pad_width[-1])
        entries = [pair] * rank
    elif len(pad_width) == 1:
        entries = [tuple(pad_width[0])] * rank
    else:
        entries = [tuple(p) for p in pad_width]
    if len(entries) != rank:
        raise error(f"pad: {len(entries)} pairs of widths for {rank} axes")
    found: list[tuple[Size, Size]] = []
    for entry in entries:
        before, after = (axes.size("pad", "pad_width", e) for e in (entry[0], entry[-1]))
        if any(isinstance(w, int) and w < 0 for w in (before, after)):
            raise error(f"pad: pad_width {pad_width} has a negative width")
        found.append((before, after))
    return found


def _constant_pad(x: Value, widths: Sequence[tuple[Size, Size]], constant: Any) -> Value:
    if np.ndim(constant) or isinstance(constant, Value):
        raise error("pad: 'constant_values' is no number", why="expected one number known at compile time")
    return ops.pad_to(
        x,
        low=tuple(before for before, _ in widths),
        shape=tuple(before + s + after for (before, after), s in zip(widths, x.type.shape, strict=True)),
        fill=constant,
    )


def _border(x: Value, axis: int, width: Size, mode: str, before: bool) -> Value:
    """The part that pads one side of an axis."""
    size = x.type.shape[axis]
    if width == 0:
        return part(x, axis, 0, 0)
    if mode == "edge":
        line = part(x, axis, 0 if before else size - 1, 1)
        return ops.broadcast_to(line, tuple(width if i == axis else s for i, s in enumerate(x.type.shape)))
    room = size - 1 if mode == "reflect" else size
    if isinstance(width, int) and isinstance(room, int) and width > room:
        raise error(f"pad: width {width} in mode '{mode}' on an axis of size {size}", why=f"expected at most {room}")
    if mode == "wrap":
        return part(x, axis, size - width if before else 0, width)
    skip = 1 if mode == "reflect" else 0
    start = skip + width - 1 if before else size - 1 - skip
    return part(x, axis, start, width, -1)


def diagonal(a: Operand, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Value:
    """The ``offset``-th diagonal of two axes, as a new last axis. Their sizes must be comparable."""
    x = value(a)
    rank = x.type.rank
    rows, columns = (axes.one("diagonal", i, rank) for i in (axis1, axis2))
    if rows == columns:
        raise error("diagonal: 'axis1' and 'axis2' are one axis")
    shift = axes.integer("diagonal", "offset", offset)
    height, width = x.type.shape[rows], x.type.shape[columns]
    down, right = (0, shift) if shift >= 0 else (-shift, 0)
    length = dim.maximum(dim.minimum(height - down, width - right), 0)
    square = part(part(x, rows, down, length), columns, right, length)
    first, second = sorted((rows, columns))
    return moveaxis(node(DIAGONAL, square, axes=(first, second)), first, -1)


def trace(a: Operand, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Value:
    """The sum over a diagonal."""
    return ops.sum(diagonal(a, offset, axis1, axis2), -1)
