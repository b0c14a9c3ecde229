"""Elements moved, none computed: broadcast, reshape, transpose, flip, slice, pad, concatenate."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any

import numpy as np

import tcc.ops as ops
from tcc.errors import UserError
from tcc.ir import dim
from tcc.ir.dim import Dim, Size
from tcc.ir.dtype import BF16, DType
from tcc.ir.forms import Coordinates, IndexMap, Piece
from tcc.ir.graph import Attributes, Value
from tcc.ir.op import Array, Op, Sample
from tcc.ir.scalar import Number
from tcc.ir.types import TensorType
from tcc.ops import axes, batching, samples
from tcc.ops.elementwise import ANY
from tcc.ops.operands import Operand, error, node, promoted, show, value

Types = tuple[TensorType, ...]


def whole(result: TensorType) -> tuple[tuple[Size, Size], ...]:
    """The box that is all of a result."""
    return tuple((0, s) for s in result.shape)


# --- broadcast_to -------------------------------------------------------------------------------


def _broadcast_type(types: Types, attributes: Attributes) -> Types:
    shape: tuple[Size, ...] = attributes["shape"]
    (x,) = types
    tail = shape[len(shape) - x.rank :]
    if x.rank > len(shape) or any(s not in (1, t) for s, t in zip(x.shape, tail, strict=True)):
        raise UserError(
            f"broadcast_to: {x} does not broadcast to {show(shape)}",
            why="each size, counted from the last, must be equal or a literal 1",
        )
    return (x.with_shape(shape),)


def _broadcast_pieces(c: Coordinates, types: Types, result: TensorType, _attributes: Attributes) -> tuple[Piece, ...]:
    (x,) = types
    tail = c[len(c) - x.rank :]
    return (Piece(0, whole(result), tuple(0 if s == 1 else i for i, s in zip(tail, x.shape, strict=True))),)


def _broadcast_gradient(g: Value, x: Value, _y: Value, shape: tuple[Size, ...]) -> tuple[Value]:
    return (unbroadcast(g, x.type.shape),)


def unbroadcast(g: Value, shape: tuple[Size, ...]) -> Value:
    """The sum of ``g`` over the axes along which ``shape`` was broadcast to its shape."""
    new = g.type.rank - len(shape)
    repeated = [new + i for i, s in enumerate(shape) if s == 1 and g.type.shape[new + i] != 1]
    summed = [*range(new), *repeated]
    return ops.reshape(ops.sum(g, axis=tuple(summed)), shape) if summed else g


def _batch_broadcast(
    size: Size, operands: Sequence[Value], _batched: Sequence[bool], attributes: Attributes
) -> tuple[Value]:
    (x,) = operands
    shape: tuple[Size, ...] = attributes["shape"]
    inner = x.type.shape[1:]
    aligned = (size, *(1,) * (len(shape) - len(inner)), *inner)
    return (ops.broadcast_to(ops.reshape(x, aligned), (size, *shape)),)


BROADCAST_TO = Op(
    name="broadcast_to",
    doc="The operand repeated along new leading axes and along axes of size 1.",
    operands=(f"x: {ANY}",),
    infer=_broadcast_type,
    form=IndexMap(_broadcast_pieces),
    gradient=_broadcast_gradient,
    batch=_batch_broadcast,
    reference=lambda x, shape: np.broadcast_to(x, shape).copy(),
    samples=samples.shapes(
        (((3, 1),), {"shape": (2, 3, 4)}),
        (((),), {"shape": (3,)}),
        (((4,),), {"shape": (4,)}),
        (((1, 3),), {"shape": (0, 3)}),
    ),
    tolerance=0,
)


def broadcast_to(array: Operand, shape: Any) -> Value:
    """The operand broadcast to a shape, as NumPy's; sizes are equal or a literal 1."""
    x, target = value(array), axes.shape("broadcast_to", shape)
    return x if x.type.shape == target else node(BROADCAST_TO, x, shape=target)


# --- reshape ------------------------------------------------------------------------------------


def _reshape_type(types: Types, attributes: Attributes) -> Types:
    shape: tuple[Size, ...] = attributes["shape"]
    if dim.product(shape) != types[0].size:
        raise UserError(
            f"reshape: {types[0]} cannot become {show(shape)}",
            why=f"it has {types[0].size} elements, the shape {dim.product(shape)}",
        )
    return (types[0].with_shape(shape),)


def _groups(a: Sequence[Size], b: Sequence[Size]) -> Iterator[tuple[list[int], list[int]]]:
    """Runs of axes of two shapes with equal products, as short as they can be; axes of size 1 are left out."""
    left, right = [i for i, s in enumerate(a) if s != 1], [i for i, s in enumerate(b) if s != 1]
    while left or right:
        cut = next(
            (
                (m, n)
                for total in range(2, len(left) + len(right) + 1)
                for m in range(1, total)
                for n in (total - m,)
                if m <= len(left)
                and n <= len(right)
                and dim.product(a[i] for i in left[:m]) == dim.product(b[i] for i in right[:n])
            ),
            (len(left), len(right)),
        )
        yield left[: cut[0]], right[: cut[1]]
        left, right = left[cut[0] :], right[cut[1] :]


def _reshape_pieces(c: Coordinates, types: Types, result: TensorType, _attributes: Attributes) -> tuple[Piece, ...]:
    shape = types[0].shape
    found: list[Size] = [0] * len(shape)
    for inner, outer in _groups(shape, result.shape):
        position: Size = 0
        for axis in outer:
            position = position * result.shape[axis] + c[axis]
        for axis in reversed(inner[1:]):
            found[axis] = dim.mod(position, shape[axis])
            position = dim.floordiv(position, shape[axis])
        if inner:
            found[inner[0]] = position
    return (Piece(0, whole(result), tuple(found)),)


RESHAPE = Op(
    name="reshape",
    doc="The elements in row-major order in another shape of the same number of elements.",
    operands=(f"x: {ANY}",),
    infer=_reshape_type,
    form=IndexMap(_reshape_pieces),
    gradient=lambda g, x, y, shape: (ops.reshape(g, x.type.shape),),
    batch=batching.leading("reshape", batching.prefixed(shape=batching.SIZE)),
    reference=lambda x, shape: np.reshape(x, shape).copy(),
    samples=samples.shapes(
        (((2, 6),), {"shape": (3, 4)}),
        (((2, 3, 4),), {"shape": (6, 4)}),
        (((6, 4),), {"shape": (2, 3, 1, 4)}),
        (((1,),), {"shape": ()}),
        (((0, 3),), {"shape": (3, 0)}),
    ),
    tolerance=0,
)


def reshape(a: Operand, shape: Any) -> Value:
    """The operand in another shape, where one size may be -1: what is left of the elements."""
    x, target = value(a), axes.shape("reshape", shape)
    unknown = [i for i, s in enumerate(target) if isinstance(s, int) and s == -1]
    if len(unknown) > 1:
        raise error("reshape: more than one size is -1")
    if unknown:
        known = dim.product(s for i, s in enumerate(target) if i not in unknown)
        rest = _exact_quotient(x.type, target, known)
        target = tuple(rest if i in unknown else s for i, s in enumerate(target))
    return x if x.type.shape == target else node(RESHAPE, x, shape=target)


def _exact_quotient(type: TensorType, target: Sequence[Size], known: Size) -> Size:
    if known == 0:
        raise error(f"reshape: the size for -1 in {show(target)} is not determined", why="another size is 0")
    quotient, rest = dim.divide(type.size, known)
    if rest != 0:
        raise error(
            f"reshape: {type} cannot become {show(target)}",
            why=f"{type.size} elements do not divide by {known}"
            + (" for every value of the named sizes" if isinstance(type.size, Dim) else ""),
        )
    return quotient


# --- transpose ----------------------------------------------------------------------------------


def _transpose_type(types: Types, attributes: Attributes) -> Types:
    order: tuple[int, ...] = attributes["axes"]
    if sorted(order) != list(range(types[0].rank)):
        raise UserError(f"transpose: axes {order} are no order of the axes of {types[0]}")
    return (types[0].with_shape(tuple(types[0].shape[a] for a in order)),)


def _transpose_pieces(c: Coordinates, types: Types, result: TensorType, attributes: Attributes) -> tuple[Piece, ...]:
    order: tuple[int, ...] = attributes["axes"]
    return (Piece(0, whole(result), tuple(c[order.index(a)] for a in range(types[0].rank))),)


TRANSPOSE = Op(
    name="transpose",
    doc="The axes in another order: result axis i is operand axis ``axes[i]``.",
    operands=(f"x: {ANY}",),
    infer=_transpose_type,
    form=IndexMap(_transpose_pieces),
    gradient=lambda g, x, y, axes: (ops.transpose(g, tuple(int(a) for a in np.argsort(axes))),),
    batch=batching.leading(
        "transpose", lambda size, attributes, values: {"axes": (0, *(a + 1 for a in attributes["axes"]))}
    ),
    reference=lambda x, axes: np.array(np.transpose(x, axes)),
    samples=samples.shapes(
        (((2, 3),), {"axes": (1, 0)}),
        (((2, 3, 4),), {"axes": (1, 2, 0)}),
        (((0, 3),), {"axes": (1, 0)}),
        (((),), {"axes": ()}),
    ),
    tolerance=0,
)


def transpose(a: Operand, axes: Sequence[int] | None = None) -> Value:
    """The operand's axes in the order of ``axes``; None reverses them."""
    x = value(a)
    order = tuple(reversed(range(x.type.rank))) if axes is None else _order(axes, x.type.rank)
    return x if order == tuple(range(x.type.rank)) else node(TRANSPOSE, x, axes=order)


def _order(given: Sequence[int], rank: int) -> tuple[int, ...]:
    order = tuple(axes.one("transpose", a, rank) for a in given)
    if sorted(order) != list(range(rank)):
        raise error(f"transpose: axes {tuple(given)} are no order of {rank} axes")
    return order


# --- flip ---------------------------------------------------------------------------------------


def _flip_pieces(c: Coordinates, types: Types, result: TensorType, attributes: Attributes) -> tuple[Piece, ...]:
    turned = attributes["axes"]
    return (Piece(0, whole(result), tuple(types[0].shape[i] - 1 - x if i in turned else x for i, x in enumerate(c))),)


FLIP = Op(
    name="flip",
    doc="The elements in reverse order along the axes in ``axes``.",
    operands=(f"x: {ANY}",),
    infer=lambda types, attributes: types,
    form=IndexMap(_flip_pieces),
    gradient=lambda g, x, y, axes: (ops.flip(g, axes),),
    batch=batching.along("flip", "axes"),
    reference=lambda x, axes: np.flip(x, axes).copy(),
    samples=samples.shapes((((3,),), {"axes": (0,)}), (((2, 3, 4),), {"axes": (0, 2)}), (((0, 2),), {"axes": (0,)})),
    tolerance=0,
)


def flip(m: Operand, axis: axes.Axes = None) -> Value:
    """The elements in reverse order along ``axis`` (one, several, or None for all)."""
    x = value(m)
    turned = axes.several("flip", axis, x.type.rank)
    return node(FLIP, x, axes=turned) if turned else x


# --- slice --------------------------------------------------------------------------------------


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


# --- pad ----------------------------------------------------------------------------------------


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


# --- concatenate --------------------------------------------------------------------------------


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
        return concatenate([reshape(v, -1) for v in values], 0)
    where = axes.one("concatenate", axis, values[0].type.rank)
    if any(v.type.rank != values[0].type.rank for v in values):
        raise error(
            "concatenate: the operands have different numbers of dimensions",
            why=f"found {', '.join(str(v.type) for v in values)}",
        )
    return values[0] if len(values) == 1 else node(CONCATENATE, *values, axis=where)


def pad_to(
    x: Operand, low: Sequence[Size], shape: Sequence[Size], fill: Number = 0, interior: Sequence[int] | None = None
) -> Value:
    """The operand from ``low`` on in a tensor of ``shape`` filled with a number; see the record `pad`."""
    v = value(x)
    exact = np.asarray(fill).astype(v.type.dtype.numpy)
    number = float(exact) if v.type.dtype == BF16 else exact.item()
    gaps = (0,) * v.type.rank if interior is None else tuple(interior)
    return node(PAD, v, low=tuple(low), interior=gaps, shape=tuple(shape), fill=number)


# --- diagonal -----------------------------------------------------------------------------------


def _diagonal_type(types: Types, attributes: Attributes) -> Types:
    first, second = attributes["axes"]
    (x,) = types
    if not 0 <= first < second < x.rank or x.shape[first] != x.shape[second]:
        raise UserError(f"diagonal: axes {first} and {second} of {x} are not two axes of one size")
    return (x.with_shape(axes.without(x.shape, (second,))),)


def _diagonal_pieces(c: Coordinates, _types: Types, result: TensorType, attributes: Attributes) -> tuple[Piece, ...]:
    first, second = attributes["axes"]
    return (Piece(0, whole(result), (*c[:second], c[first], *c[second:])),)


def _diagonal_gradient(g: Value, x: Value, _y: Value, axes: tuple[int, int]) -> tuple[Value]:
    first, second = axes
    on = ops.equal(ops.iota(x.type.shape, first), ops.iota(x.type.shape, second))
    wide = ops.broadcast_to(ops.expand_dims(g, second), x.type.shape)
    return (ops.where(on, wide, ops.zeros_like(x)),)


def _diagonal_reference(x: Array, axes: tuple[int, int]) -> Array:
    found: Any = np.diagonal(x, 0, *axes)
    return np.array(np.moveaxis(found, -1, axes[0]))


DIAGONAL = Op(
    name="diagonal",
    doc="The elements whose positions on both ``axes`` (of one size) are equal; the second of these axes is left out.",
    operands=(f"x: {ANY}",),
    infer=_diagonal_type,
    form=IndexMap(_diagonal_pieces),
    gradient=_diagonal_gradient,
    batch=batching.along("diagonal", "axes"),
    reference=_diagonal_reference,
    samples=samples.shapes(
        (((3, 3),), {"axes": (0, 1)}), (((2, 3, 4, 3),), {"axes": (1, 3)}), (((0, 0),), {"axes": (0, 1)})
    ),
    tolerance=0,
)
