"""Parts of tensors and tensors of parts: slice, pad, concatenate."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any

import numpy as np

import tcc.ops as ops
from tcc.errors import UserError
from tcc.ir import dim
from tcc.ir.dim import Size
from tcc.ir.dtype import BF16, DType
from tcc.ir.forms import Coordinates, IndexMap, Piece
from tcc.ir.graph import Attributes, Value
from tcc.ir.op import Array, Op, Sample
from tcc.ir.scalar import Number
from tcc.ir.types import TensorType
from tcc.ops import axes, batching, samples
from tcc.ops.elementwise import ANY
from tcc.ops.layout import whole
from tcc.ops.operands import Operand, error, node, promoted, value

Types = tuple[TensorType, ...]


# --- slice ------------------------------------------------------------------------------------------


def _slice_type(types: Types, attributes: Attributes) -> Types:
    parts = (attributes["start"], attributes["length"], attributes["step"])
    if any(len(p) != types[0].rank for p in parts) or 0 in attributes["step"]:
        raise UserError(f"slice: start, length and step must have an entry for each axis of {types[0]}")
    return (types[0].with_shape(attributes["length"]),)


def _slice_pieces(c: Coordinates, _types: Types, result: TensorType, attributes: Attributes) -> tuple[Piece, ...]:
    parts = zip(c, attributes["start"], attributes["step"], strict=True)
    return (Piece(0, whole(result), tuple(start + step * i for i, start, step in parts)),)


def _slice_reference(x: Array, start: tuple[int, ...], length: tuple[int, ...], step: tuple[int, ...]) -> Array:
    result: Any = x
    for axis, (a, n, s) in enumerate(zip(start, length, step, strict=True)):
        result = np.take(result, a + s * np.arange(n), axis)
    return np.array(result)


def _slice_gradient(
    g: Value, x: Value, _y: Value, start: tuple[Size, ...], length: tuple[Size, ...], step: tuple[int, ...]
) -> tuple[Value]:
    backwards = tuple(i for i, s in enumerate(step) if s < 0)
    turned = ops.flip(g, backwards) if backwards else g
    low = tuple(a if s > 0 else a + (n - 1) * s for a, n, s in zip(start, length, step, strict=True))
    interior = tuple((s if s > 0 else -s) - 1 for s in step)
    return (pad_to(turned, low, x.type.shape, interior=interior),)


SLICE = Op(
    name="slice",
    doc="``length[i]`` elements of axis i: ``start[i]`` and every ``step[i]``-th from there (backwards if negative).",
    operands=(f"x: {ANY}",),
    infer=_slice_type,
    form=IndexMap(_slice_pieces),
    gradient=_slice_gradient,
    batch=batching.leading("slice", batching.prefixed(start=0, length=batching.SIZE, step=1)),
    reference=_slice_reference,
    samples=samples.shapes(
        (((5,),), {"start": (1,), "length": (3,), "step": (1,)}),
        (((5, 7),), {"start": (4, 1), "length": (3, 3), "step": (-2, 2)}),
        (((5, 2),), {"start": (0, 1), "length": (0, 1), "step": (1, 1)}),
        (((),), {"start": (), "length": (), "step": ()}),
    ),
    tolerance=0,
)


# --- pad --------------------------------------------------------------------------------------------


def _pad_type(types: Types, attributes: Attributes) -> Types:
    if any(len(attributes[n]) != types[0].rank for n in ("low", "interior", "shape")):
        raise UserError(f"pad: low, interior and shape must have an entry for each axis of {types[0]}")
    return (types[0].with_shape(attributes["shape"]),)


def _pad_pieces(c: Coordinates, types: Types, result: TensorType, attributes: Attributes) -> tuple[Piece, ...]:
    coordinates: list[Size] = []
    conditions: list[Size] = []
    for i, low, interior, size, full in zip(
        c, attributes["low"], attributes["interior"], types[0].shape, result.shape, strict=True
    ):
        step = interior + 1
        position = i - low
        coordinates.append(dim.floordiv(position, step))
        if low == 0 and step == 1 and size == full:
            continue
        conditions += [position, (size - 1) * step - position]
        if step > 1:
            conditions.append(-dim.mod(position, step))
    return (Piece(0, whole(result), tuple(coordinates), tuple(conditions), attributes["fill"]),)


def _pad_reference(
    x: Array, low: tuple[int, ...], interior: tuple[int, ...], shape: tuple[int, ...], fill: Number
) -> Array:
    result = np.empty(shape, x.dtype)
    result[...] = fill
    for place in product(*map(range, x.shape)):
        at = tuple(a + (gap + 1) * i for a, gap, i in zip(low, interior, place, strict=True))
        if all(0 <= i < n for i, n in zip(at, shape, strict=True)):
            result[at] = x[place]
    return result


def _pad_gradient(
    g: Value,
    x: Value,
    _y: Value,
    low: tuple[Size, ...],
    interior: tuple[int, ...],
    shape: tuple[Size, ...],
    fill: Number,
) -> tuple[Value]:
    if all(_inside(a, i, s, f) for a, i, s, f in zip(low, interior, x.type.shape, shape, strict=True)):
        return (node(SLICE, g, start=low, length=x.type.shape, step=tuple(i + 1 for i in interior)),)
    # Some elements may have been cut off: their cotangent is zero, which a pad of g by -low gives.
    if not any(interior):
        return (pad_to(g, [-a for a in low], x.type.shape),)
    full = tuple((s - 1) * (i + 1) + 1 for s, i in zip(x.type.shape, interior, strict=True))
    plain = pad_to(g, [-a for a in low], full)
    steps = tuple(i + 1 for i in interior)
    return (node(SLICE, plain, start=(0,) * len(low), length=x.type.shape, step=steps),)


def _inside(low: Size, interior: int, size: Size, full: Size) -> bool:
    return dim.nonnegative(low) and dim.nonnegative(full - low - (size - 1) * (interior + 1) - 1)


PAD = Op(
    name="pad",
    doc="A result of ``shape`` filled with ``fill``, with the operand's elements from ``low[i]`` on along axis i and"
    " ``interior[i]`` fills between neighbours. Elements that fall outside are left out.",
    operands=(f"x: {ANY}",),
    infer=_pad_type,
    form=IndexMap(_pad_pieces),
    gradient=_pad_gradient,
    batch=batching.leading("pad", batching.prefixed(low=0, interior=0, shape=batching.SIZE)),
    reference=_pad_reference,
    samples=samples.shapes(
        (((3,),), {"low": (1,), "interior": (0,), "shape": (6,), "fill": 1}),
        (((2, 3),), {"low": (0, 2), "interior": (1, 2), "shape": (4, 10), "fill": 0}),
        (((4, 2),), {"low": (-1, 0), "interior": (0, 0), "shape": (2, 2), "fill": 0}),
        (((5,),), {"low": (-3,), "interior": (1,), "shape": (5,), "fill": 0}),
        (((0, 2),), {"low": (1, 0), "interior": (0, 0), "shape": (2, 2), "fill": 1}),
    ),
    tolerance=0,
)


def pad_to(
    x: Operand, low: Sequence[Size], shape: Sequence[Size], fill: Number = 0, interior: Sequence[int] | None = None
) -> Value:
    """The operand from ``low`` on in a tensor of ``shape`` filled with a number; see the record `pad`."""
    v = value(x)
    exact = np.asarray(fill).astype(v.type.dtype.numpy)
    number = float(exact) if v.type.dtype == BF16 else exact.item()
    gaps = (0,) * v.type.rank if interior is None else tuple(interior)
    return node(PAD, v, low=tuple(low), interior=gaps, shape=tuple(shape), fill=number)


# --- concatenate ------------------------------------------------------------------------------------


def _concatenate_type(types: Types, attributes: Attributes) -> Types:
    axis: int = attributes["axis"]
    first = types[0]
    if not 0 <= axis < first.rank:
        raise UserError(f"concatenate: {first} has no axis {axis}")
    for other in types[1:]:
        if other.dtype != first.dtype or axes.without(other.shape, (axis,)) != axes.without(first.shape, (axis,)):
            raise UserError(f"concatenate: {first} and {other} differ in another axis than {axis}")
    total = sum((t.shape[axis] for t in types[1:]), first.shape[axis])
    return (first.with_shape((*first.shape[:axis], total, *first.shape[axis + 1 :])),)


def _concatenate_pieces(c: Coordinates, types: Types, result: TensorType, attributes: Attributes) -> tuple[Piece, ...]:
    axis: int = attributes["axis"]
    pieces: list[Piece] = []
    start: Size = 0
    for index, type in enumerate(types):
        stop = start + type.shape[axis]
        box = tuple((start, stop) if i == axis else b for i, b in enumerate(whole(result)))
        pieces.append(Piece(index, box, tuple(x - start if i == axis else x for i, x in enumerate(c))))
        start = stop
    return tuple(pieces)


def _concatenate_gradient(g: Value, *values: Value, axis: int) -> tuple[Value, ...]:
    return tuple(parts(g, [x.type.shape[axis] for x in values[:-1]], axis))


def parts(x: Value, lengths: Sequence[Size], axis: int) -> Iterator[Value]:
    """Slices of the given lengths, one after the other along an axis."""
    start: Size = 0
    for length in lengths:
        yield part(x, axis, start, length)
        start = start + length


def part(x: Value, axis: int, start: Size, length: Size, step: int = 1) -> Value:
    """A slice along one axis."""
    rank = x.type.rank
    return node(
        SLICE,
        x,
        start=tuple(start if i == axis else 0 for i in range(rank)),
        length=tuple(length if i == axis else s for i, s in enumerate(x.type.shape)),
        step=tuple(step if i == axis else 1 for i in range(rank)),
    )


def _concatenate_samples(dtypes: tuple[DType, ...], rng: np.random.Generator) -> Iterator[Sample]:
    for shape_list, axis in (([(2, 3), (2, 4)], 1), ([(2,), (0,), (1,)], 0), ([(1, 2, 2)], 0)):
        arrays = tuple(samples.random(dtypes[0], s, rng) for s in shape_list)
        yield Sample(arrays, {"axis": axis}, " ".join(map(str, shape_list)))


CONCATENATE = Op(
    name="concatenate",
    doc="The operands one after the other along ``axis``.",
    operands=(f"*xs: {ANY}",),
    infer=_concatenate_type,
    form=IndexMap(_concatenate_pieces),
    gradient=_concatenate_gradient,
    batch=batching.along("concatenate"),
    reference=lambda *xs, axis: np.concatenate(xs, axis),
    samples=_concatenate_samples,
    tolerance=0,
)


def concatenate(arrays: Sequence[Operand], axis: int | None = 0) -> Value:
    """The operands, promoted to one dtype, one after the other along ``axis`` (None: flattened)."""
    if not len(arrays):
        raise error("concatenate: there is nothing to join", why="expected at least one operand")
    values = promoted([value(a) for a in arrays])
    if axis is None:
        return concatenate([ops.reshape(v, -1) for v in values], 0)
    where = axes.one("concatenate", axis, values[0].type.rank)
    if any(v.type.rank != values[0].type.rank for v in values):
        raise error(
            "concatenate: the operands have different numbers of dimensions",
            why=f"found {', '.join(str(v.type) for v in values)}",
        )
    return values[0] if len(values) == 1 else node(CONCATENATE, *values, axis=where)
