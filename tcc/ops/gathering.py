"""Reading at positions that are data: gather, take_along_axis, index."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

import tcc.ops as ops
from tcc.errors import UserError
from tcc.ir import dim
from tcc.ir.dim import Size
from tcc.ir.dtype import I64, DType
from tcc.ir.forms import Access, Coordinates, Generic, Nest
from tcc.ir.graph import Attributes, Value
from tcc.ir.op import Array, Op, Sample
from tcc.ir.scalar import SCALARS, Expr
from tcc.ir.types import TensorType
from tcc.ops import axes as axis_rules
from tcc.ops import batching, samples
from tcc.ops.elementwise import ANY
from tcc.ops.operands import node, show

Types = tuple[TensorType, ...]
Axes = tuple[int, ...]

OUT_OF_RANGE = "index out of range"


def position_in(access: Access, index: Expr, size: Size) -> tuple[Size, Expr | None]:
    """A position read from data as a coordinate of an axis, and the guard for a read there.

    A negative one counts from the end. Out of range the call fails, and the coordinate is 0; the
    guard keeps the read off memory that an axis which may be empty does not have.
    """
    s = SCALARS
    given, extent = s.cast(index, I64), access.position(size, I64)
    wrapped = s.where(given < 0, given + extent, given)
    inside = (wrapped >= 0) & (wrapped < extent)
    access.check(inside, OUT_OF_RANGE)
    coordinate = access.index(s.where(inside, wrapped, s.const(0, I64)), dim.maximum(size - 1, 0))
    return coordinate, None if dim.positive(size) else inside


# --- gather -------------------------------------------------------------------------------------


def _index_shape(name: str, indices: Types) -> tuple[Size, ...]:
    for other in indices[1:]:
        if other.shape != indices[0].shape:
            raise UserError(f"{name}: the indices {indices[0]} and {other} differ in shape")
    return indices[0].shape


def gathered_shape(name: str, x: TensorType, indices: Types, attributes: Attributes) -> tuple[Size, ...]:
    """The shape of what indices pick out of ``x``. UserError when they do not fit."""
    axes: Axes = attributes["axes"]
    place: int = attributes["position"]
    if len(axes) != len(indices) or len(set(axes)) != len(axes) or not all(0 <= a < x.rank for a in axes):
        raise UserError(f"{name}: {len(indices)} indices for axes {axes} of {x}")
    kept = axis_rules.without(x.shape, axes)
    if not 0 <= place <= len(kept):
        raise UserError(f"{name}: the indices' axes cannot stand at {place} of {show(kept)}")
    return (*kept[:place], *_index_shape(name, indices), *kept[place:])


def _gather_type(types: Types, attributes: Attributes) -> Types:
    return (types[0].with_shape(gathered_shape("gather", types[0], types[1:], attributes)),)


def split(c: Coordinates, place: int, index_rank: int) -> tuple[Coordinates, Coordinates]:
    """The coordinates of the indices, and those of the axes that are not indexed."""
    return c[place : place + index_rank], (*c[:place], *c[place + index_rank :])


def joined(axes: Axes, at: Sequence[Size], rest: Sequence[Size]) -> Coordinates:
    """Coordinates of the indexed operand: ``at`` on ``axes``, ``rest`` on the others in order."""
    others = iter(rest)
    return tuple(at[axes.index(i)] if i in axes else next(others) for i in range(len(at) + len(rest)))


def _gather_nest(types: Types, results: Types, attributes: Attributes) -> Nest:
    x, *indices = types
    axes: Axes = attributes["axes"]

    def body(access: Access, space: Coordinates, _reduced: Coordinates) -> tuple[Expr, ...]:
        inner, rest = split(space, attributes["position"], indices[0].rank)
        found = [position_in(access, access.read(1 + k, inner), x.shape[a]) for k, a in enumerate(axes)]
        guard: Expr | None = None
        for _, needed in found:
            guard = needed if guard is None else guard if needed is None else guard & needed
        return (access.read(0, joined(axes, [at for at, _ in found], rest), guard),)

    return Nest(results[0].shape, body)


def place_axes(x_rank: int, axes: Axes, place: int, index_rank: int) -> Any:
    """How to transpose between NumPy's ``x[indices]`` with ``axes`` in front, and the result."""
    kept = [i for i in range(x_rank) if i not in axes]
    order = [
        *range(index_rank, index_rank + place),
        *range(index_rank),
        *range(index_rank + place, index_rank + len(kept)),
    ]
    return kept, order


def _gather_reference(x: Array, *indices: Array, axes: Axes, position: int) -> Any:
    kept, order = place_axes(x.ndim, axes, position, indices[0].ndim)
    front = np.transpose(x, (*axes, *kept))
    return np.array(np.transpose(front[tuple(signed(i) for i in indices)], order))


def signed(index: Array) -> Array:
    """Indices as NumPy wants them, for the references."""
    return index.astype(np.int64)


def _gather_gradient(g: Value, x: Value, *rest: Value, axes: Axes, position: int) -> tuple[Value | None, ...]:
    indices = rest[:-1]
    spread = node(ops.TABLE["scatter_add"], ops.zeros_like(x), g, *indices, axes=axes, position=position)
    return (spread, *(None for _ in indices))


def _batch_gather(
    size: Size, operands: Sequence[Value], batched: Sequence[bool], attributes: Attributes
) -> tuple[Value]:
    x, *indices = operands
    axes, place = attributes["axes"], attributes["position"]
    shifted = tuple(a + 1 for a in axes)
    if not any(batched[1:]):
        return (node(GATHER, x, *indices, axes=shifted, position=place + 1),)
    together = [batching.led(size, i, b) for i, b in zip(indices, batched[1:], strict=True)]
    if not batched[0]:
        found = node(GATHER, x, *together, axes=axes, position=place)
        return (ops.moveaxis(found, place, 0),)
    rows = ops.iota(together[0].type.shape, 0)
    found = node(GATHER, x, rows, *together, axes=(0, *shifted), position=0)
    inner = together[0].type.rank - 1
    return (moved(found, 1, inner, 1 + place),)


def moved(x: Value, start: int, count: int, place: int) -> Value:
    """``count`` axes from ``start`` on moved to begin at ``place`` of the result."""
    return ops.moveaxis(x, tuple(range(start, start + count)), tuple(range(place, place + count)))


INDEXED: tuple[tuple[tuple[int, ...], tuple[int, ...], Axes, int], ...] = (
    ((5,), (3,), (0,), 0),
    ((5, 4), (2, 3), (0,), 0),
    ((5, 4), (3,), (1,), 1),
    ((3, 4, 5), (2,), (0, 2), 0),
    ((3, 4, 5), (2,), (1, 2), 1),
    ((3, 4), (), (0,), 0),
    ((3, 4), (0,), (1,), 1),
    ((1, 2), (1,), (0,), 0),
)


def random_indices(
    x: tuple[int, ...], shape: tuple[int, ...], axes: Axes, dtype: DType, rng: np.random.Generator
) -> list[Array]:
    """Indices in the range of each indexed axis, negative ones too."""
    lows = [0 if dtype.kind == "uint" else -x[a] for a in axes]
    return [rng.integers(low, x[a], shape).astype(dtype.numpy) for low, a in zip(lows, axes, strict=True)]


def _gather_samples(dtypes: tuple[DType, ...], rng: np.random.Generator) -> Iterator[Sample]:
    for x, shape, axes, place in INDEXED:
        indices = random_indices(x, shape, axes, dtypes[1], rng)
        yield Sample(
            (samples.random(dtypes[0], x, rng), *indices),
            {"axes": axes, "position": place},
            f"{x} at {shape} on {axes}",
        )


GATHER = Op(
    name="gather",
    doc="The elements at positions given by data: one operand of indices for each axis in ``axes``, all of one shape,"
    " whose axes stand at ``position`` among the axes that are not indexed. A negative index counts from the end; one"
    " out of range fails the call.",
    operands=(f"x: {ANY}", "*indices: int|uint"),
    infer=_gather_type,
    form=Generic(_gather_nest),
    gradient=_gather_gradient,
    batch=_batch_gather,
    reference=_gather_reference,
    samples=_gather_samples,
    tolerance=0,
)


# --- take_along_axis ----------------------------------------------------------------------------


def _along_type(types: Types, attributes: Attributes) -> Types:
    x, indices = types
    axis: int = attributes["axis"]
    if axis_rules.without(x.shape, (axis,)) != axis_rules.without(indices.shape, (axis,)) or x.rank != indices.rank:
        raise UserError(f"take_along_axis: {x} and indices {indices} differ in another axis than {axis}")
    return (x.with_shape(indices.shape),)


def _along_nest(types: Types, results: Types, attributes: Attributes) -> Nest:
    axis: int = attributes["axis"]

    def body(access: Access, space: Coordinates, _reduced: Coordinates) -> tuple[Expr, ...]:
        at, guard = position_in(access, access.read(1, space), types[0].shape[axis])
        return (access.read(0, (*space[:axis], at, *space[axis + 1 :]), guard),)

    return Nest(results[0].shape, body)


def _along_gradient(g: Value, x: Value, indices: Value, _y: Value, axis: int) -> tuple[Value, None]:
    rank = x.type.rank
    places = [indices if i == axis else ops.iota(indices.type.shape, i) for i in range(rank)]
    return node(ops.TABLE["scatter_add"], ops.zeros_like(x), g, *places, axes=tuple(range(rank)), position=0), None


def _along_samples(dtypes: tuple[DType, ...], rng: np.random.Generator) -> Iterator[Sample]:
    for x, shape, axis in (((5,), (3,), 0), ((3, 4), (3, 2), 1), ((3, 4), (5, 4), 0), ((3, 4), (0, 4), 0)):
        (indices,) = random_indices(x, shape, (axis,), dtypes[1], rng)
        yield Sample((samples.random(dtypes[0], x, rng), indices), {"axis": axis}, f"{x} at {shape}")


TAKE_ALONG_AXIS = Op(
    name="take_along_axis",
    doc="For each element of the indices the element of x at that position of ``axis``, elsewhere the same.",
    operands=(f"x: {ANY}", "indices: int|uint"),
    infer=_along_type,
    form=Generic(_along_nest),
    gradient=_along_gradient,
    batch=batching.along("take_along_axis"),
    reference=lambda x, indices, axis: np.take_along_axis(x, signed(indices), axis),
    samples=_along_samples,
    tolerance=0,
)


# --- index --------------------------------------------------------------------------------------


def _index_type(types: Types, attributes: Attributes) -> Types:
    (x,) = types
    if not 0 <= attributes["axis"] < x.rank:
        raise UserError(f"index: {x} has no axis {attributes['axis']}")
    return (x.with_shape(axis_rules.without(x.shape, (attributes["axis"],))),)


def _index_nest(types: Types, results: Types, attributes: Attributes) -> Nest:
    axis: int = attributes["axis"]
    at: Size = attributes["at"]

    def body(access: Access, space: Coordinates, _reduced: Coordinates) -> tuple[Expr, ...]:
        inside = access.inside((at, types[0].shape[axis] - 1 - at))
        if inside is not None:
            access.check(inside, OUT_OF_RANGE)
        return (access.read(0, (*space[:axis], at, *space[axis:]), inside),)

    return Nest(results[0].shape, body)


def _index_gradient(g: Value, x: Value, _y: Value, axis: int, at: Size) -> tuple[Value]:
    shape = axis_rules.with_ones(x.type.shape, (axis,))
    low = tuple(at if i == axis else 0 for i in range(x.type.rank))
    return (ops.pad_to(ops.reshape(g, shape), low, x.type.shape),)


INDEX = Op(
    name="index",
    doc="The elements at one position of ``axis``, which is left out. ``at`` is a size; out of range the call fails.",
    operands=(f"x: {ANY}",),
    infer=_index_type,
    form=Generic(_index_nest),
    gradient=_index_gradient,
    batch=batching.along("index"),
    reference=lambda x, axis, at: np.asarray(x[(*[slice(None)] * axis, at)]),
    samples=samples.shapes(
        (((4,),), {"axis": 0, "at": 3}), (((3, 4),), {"axis": 1, "at": 0}), (((0, 2),), {"axis": 1, "at": 1})
    ),
    tolerance=0,
)
