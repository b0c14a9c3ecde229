"""Writing at positions that are data: scatter_add, scatter_set."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

import tcc.ops as ops
from tcc.errors import UserError
from tcc.ir.dim import Size
from tcc.ir.dtype import I64, DType
from tcc.ir.forms import Access, Coordinates, Scatter
from tcc.ir.graph import Attributes, Value
from tcc.ir.op import Array, Op, Sample
from tcc.ir.scalar import Expr
from tcc.ir.types import TensorType
from tcc.ops import axes as axis_rules
from tcc.ops import batching, samples
from tcc.ops.elementwise import ANY, NUMBER
from tcc.ops.gathering import (
    GATHER,
    INDEXED,
    gathered_shape,
    joined,
    moved,
    place_axes,
    position_in,
    random_indices,
    signed,
    split,
)
from tcc.ops.operands import node

Types = tuple[TensorType, ...]
Axes = tuple[int, ...]


def _scatter_type(types: Types, attributes: Attributes) -> Types:
    x, updates, *indices = types
    wanted = gathered_shape("scatter", x, tuple(indices), attributes)
    if updates.shape != wanted or updates.dtype != x.dtype:
        raise UserError(f"scatter: updates are {updates}", why=f"expected {x.with_shape(wanted)}")
    return (x,)


def _locate(access: Access, c: Coordinates, types: Types, attributes: Attributes) -> Coordinates:
    x, _updates, *indices = types
    axes: Axes = attributes["axes"]
    inner, rest = split(c, attributes["position"], indices[0].rank)
    found = [position_in(access, access.read(2 + k, inner), x.shape[a])[0] for k, a in enumerate(axes)]
    return joined(axes, found, rest)


def _update(access: Access, c: Coordinates, _types: Types, _attributes: Attributes) -> Expr:
    return access.read(1, c)


def _scatter_form(combine: str) -> Scatter:
    return Scatter(combine, lambda types, attributes: types[1].shape, _locate, _update)


def _scatter_reference(combine: Callable[[Array, Any, Array], None]) -> Callable[..., Any]:
    def reference(x: Array, updates: Array, *indices: Array, axes: Axes, position: int) -> Any:
        kept, order = place_axes(x.ndim, axes, position, indices[0].ndim)
        front: Any = np.array(np.transpose(x, (*axes, *kept)), order="C", copy=True)
        combine(front, tuple(signed(i) for i in indices), np.transpose(updates, np.argsort(order)))
        result: Array = np.array(np.transpose(front, np.argsort((*axes, *kept))))
        return result

    return reference


def _add_at(x: Array, places: Any, updates: Array) -> None:
    if x.dtype.kind not in "fV":
        np.add.at(x, places, updates)
        return
    wide = x.astype(np.float64)
    np.add.at(wide, places, updates.astype(np.float64))
    x[...] = wide.astype(x.dtype)


def _set_at(x: Array, places: Any, updates: Array) -> None:
    x[places] = updates


def _scatter_add_gradient(
    g: Value, _x: Value, _updates: Value, *rest: Value, axes: Axes, position: int
) -> tuple[Value | None, ...]:
    indices = rest[:-1]
    return (g, node(GATHER, g, *indices, axes=axes, position=position), *(None for _ in indices))


def _scatter_set_gradient(
    g: Value, x: Value, updates: Value, *rest: Value, axes: Axes, position: int
) -> tuple[Value | None, ...]:
    indices = rest[:-1]
    named: dict[str, Any] = {"axes": axes, "position": position}
    kept = node(SCATTER_SET, g, ops.zeros_like(updates), *indices, **named)
    # Of updates to one place only the last is seen: each is numbered, and the winners are read back.
    number = ops.reshape(ops.iota((updates.type.size,)), updates.type.shape)
    winners = node(SCATTER_SET, ops.zeros_like(x, I64), number, *indices, **named)
    won = ops.equal(node(GATHER, winners, *indices, **named), number)
    to_updates = ops.where(won, node(GATHER, g, *indices, **named), 0)
    return (kept, to_updates, *(None for _ in indices))


def _batch_scatter(name: str) -> Callable[..., tuple[Value]]:
    def rule(size: Size, operands: Sequence[Value], batched: Sequence[bool], attributes: Attributes) -> tuple[Value]:
        x, updates, *indices = (batching.led(size, v, b) for v, b in zip(operands, batched, strict=True))
        rows = ops.iota(indices[0].type.shape, 0)
        inner = indices[0].type.rank - 1
        front = moved(updates, 1 + attributes["position"], inner, 1)
        axes = (0, *(a + 1 for a in attributes["axes"]))
        return (node(ops.TABLE[name], x, front, rows, *indices, axes=axes, position=0),)

    return rule


def _scatter_samples(dtypes: tuple[DType, ...], rng: np.random.Generator) -> Iterator[Sample]:
    for x, shape, axes, place in INDEXED:
        indices = random_indices(x, shape, axes, dtypes[2], rng)
        kept = axis_rules.without(x, axes)
        updates = samples.random(dtypes[0], (*kept[:place], *shape, *kept[place:]), rng)  # pyright: ignore[reportArgumentType]
        yield Sample(
            (samples.random(dtypes[0], x, rng), updates, *indices),
            {"axes": axes, "position": place},
            f"{x} at {shape} on {axes}",
        )


SCATTER_ADD = Op(
    name="scatter_add",
    doc="x with updates added at positions given by data (see `gather`); repeated positions add up, in order.",
    operands=(f"x: {NUMBER}", f"updates: {NUMBER}", "*indices: int|uint"),
    infer=_scatter_type,
    form=_scatter_form("add"),
    gradient=_scatter_add_gradient,
    batch=_batch_scatter("scatter_add"),
    reference=_scatter_reference(_add_at),
    samples=_scatter_samples,
)

SCATTER_SET = Op(
    name="scatter_set",
    doc="x with elements replaced at positions given by data (see `gather`); of repeated positions the last one stays.",
    operands=(f"x: {ANY}", f"updates: {ANY}", "*indices: int|uint"),
    infer=_scatter_type,
    form=_scatter_form("set"),
    gradient=_scatter_set_gradient,
    batch=_batch_scatter("scatter_set"),
    reference=_scatter_reference(_set_at),
    samples=_scatter_samples,
    tolerance=0,
)
