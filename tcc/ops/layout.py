"""Elements moved, none computed: broadcast, reshape, transpose, flip, diagonal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

import tcc.ops as ops
from tcc.errors import UserError
from tcc.ir import dim
from tcc.ir.dim import Dim, Size
from tcc.ir.forms import Coordinates, IndexMap, Piece
from tcc.ir.graph import Attributes, Value
from tcc.ir.op import Array, Op
from tcc.ir.types import TensorType
from tcc.ops import axes, batching, samples
from tcc.ops.elementwise import ANY
from tcc.ops.operands import Operand, error, node, show, value

Types = tuple[TensorType, ...]


def whole(result: TensorType) -> tuple[tuple[Size, Size], ...]:
    """The box that is all of a result."""
    return tuple((0, s) for s in result.shape)


# --- broadcast_to -----------------------------------------------------------------------------------


def _broadcast_type(types: Types, attributes: Attributes) -> Types:
    shape: tuple[Size, ...] = attributes["shape"]
    (x,) = types
    tail = shape[len(shape) - x.rank :]
    if x.rank > len(shape) or any(s not in (1, t) for s, t in zip(x.shape, tail, strict=True)):
        raise UserError(
            f"broadcast_to: {x} does not broadcast to {show(shape)}",
            why="each size, counted from the last, must be equal or a literal 1",
            fix="add axes of size 1 with np.expand_dims or None",
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


# --- reshape ----------------------------------------------------------------------------------------


def _reshape_type(types: Types, attributes: Attributes) -> Types:
    shape: tuple[Size, ...] = attributes["shape"]
    if dim.product(shape) != types[0].size:
        raise UserError(
            f"reshape: {types[0]} cannot become {show(shape)}",
            why=f"it has {types[0].size} elements, the shape {dim.product(shape)}",
            fix="write -1 for one size, which then follows from the others",
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
            fix=f"give the spec a size that does: f32[{known}*n], for example"
            if isinstance(type.size, Dim)
            else "choose sizes whose product is the number of elements",
        )
    return quotient


# --- transpose --------------------------------------------------------------------------------------


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


# --- flip -------------------------------------------------------------------------------------------


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


# --- diagonal ---------------------------------------------------------------------------------------


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
