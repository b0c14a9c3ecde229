"""Pooling: the greatest element or the sum under a window that slides over axes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

import tcc.ops as ops
from tcc.errors import UserError
from tcc.ir.dim import Size
from tcc.ir.dtype import DType
from tcc.ir.forms import Access, Coordinates, Nest, Window
from tcc.ir.graph import Attributes, Value
from tcc.ir.op import Array, Op, Sample
from tcc.ir.scalar import SCALARS, Const, Expr, compute_dtype, lowest
from tcc.ir.types import TensorType
from tcc.ops import batching, samples
from tcc.ops.operands import Operand, error, inexact, node, promoted, value
from tcc.ops.sliding import Padding, Slide, numbers, paddings, windows

Types = tuple[TensorType, ...]
_NAMES = ("window", "strides", "padding", "lhs_dilation", "rhs_dilation")


def slides(shape: Sequence[Size], attributes: Mapping[str, Any]) -> list[Slide]:
    """The window along each axis."""
    columns = zip(shape, *(attributes[n] for n in _NAMES), strict=True)
    return [Slide(size, w, s, low, high, l, r) for size, w, s, (low, high), l, r in columns]


def pooled_shape(types: Types, attributes: Attributes) -> tuple[Size, ...]:
    """The number of windows along each axis. UserError when an attribute has no entry for each."""
    if any(len(attributes[n]) != types[0].rank for n in _NAMES):
        raise UserError(f"pooling {types[0]}", why=f"expected {', '.join(_NAMES)} to have an entry for each axis")
    return tuple(s.count for s in slides(types[0].shape, attributes))


def _pooled(types: Types, attributes: Attributes) -> Types:
    return (types[0].with_shape(pooled_shape(types, attributes)),)


def place_number(offsets: Coordinates, window: Sequence[Size]) -> Size:
    """A place in a window as a number."""
    result: Size = 0
    for offset, size in zip(offsets, window, strict=True):
        result = result * size + offset
    return result


def place_under(
    access: Access, moves: Sequence[Slide], space: Coordinates, offsets: Coordinates
) -> tuple[Coordinates, Expr | None]:
    """The coordinates under a place of a window, and whether there is an element (None: always)."""
    found = [m.under(p, o) for m, p, o in zip(moves, space, offsets, strict=True)]
    return tuple(c for c, _ in found), access.inside([c for _, conditions in found for c in conditions])


def windows_of(x: Array, fill: Any, attributes: Mapping[str, Any]) -> Array:
    """For the references: the elements under each window, its places in one last axis."""
    seen = windows(x, fill, **{n: attributes[n] for n in _NAMES})
    return seen.reshape(*seen.shape[: x.ndim], int(np.prod(attributes["window"])))


BATCH = batching.prefixed(window=1, strides=1, padding=(0, 0), lhs_dilation=1, rhs_dilation=1)


def pool_samples(dtypes: tuple[DType, ...], rng: np.random.Generator) -> Iterator[Sample]:
    """Samples of pooling: strides, paddings, dilations, windows that do not divide, nothing at all."""
    calls: tuple[tuple[tuple[int, ...], dict[str, Any]], ...] = (
        ((1, 4, 4, 2), {"window": (1, 2, 2, 1), "strides": (1, 2, 2, 1)}),
        ((2, 5), {"window": (1, 3), "padding": ((0, 0), (1, 1))}),
        ((6, 5), {"window": (2, 3), "strides": (1, 2), "padding": ((1, 0), (0, 1)), "rhs_dilation": (2, 1)}),
        ((5,), {"window": (3,), "strides": (3,), "padding": ((2, 2),)}),
        ((0, 3), {"window": (1, 2)}),
    )
    for shape, given in calls:
        n = len(shape)
        attributes = {
            "strides": (1,) * n,
            "padding": ((0, 0),) * n,
            "lhs_dilation": (1,) * n,
            "rhs_dilation": (1,) * n,
            **given,
        }
        yield Sample((samples.distinct(dtypes[0], shape, rng),), attributes, f"{shape} {given}")


# --- sum_pool -----------------------------------------------------------------------------------


def _sum_nest(types: Types, results: Types, attributes: Attributes) -> Nest:
    moves = slides(types[0].shape, attributes)
    accumulator = compute_dtype(types[0].dtype)

    def body(access: Access, space: Coordinates, reduced: Coordinates) -> tuple[Expr, ...]:
        at, guard = place_under(access, moves, space, reduced)
        return (SCALARS.cast(access.read(0, at, guard), accumulator),)

    return Nest(results[0].shape, body, tuple(attributes["window"]), "add", (accumulator,))


def _sum_reference(x: Array, **attributes: Any) -> Any:
    wide = {"f": np.float64, "V": np.float64, "c": np.complex128}.get(x.dtype.kind, x.dtype)
    return windows_of(x.astype(wide), 0, attributes).sum(-1, dtype=wide).astype(x.dtype)


def _sum_gradient(g: Value, x: Value, _y: Value, **attributes: Any) -> tuple[Value]:
    moves = slides(x.type.shape, attributes)
    spans = [(n - 1) * m.stride + 1 for n, m in zip(g.type.shape, moves, strict=True)]
    back = {
        **attributes,
        "strides": attributes["lhs_dilation"],
        "lhs_dilation": attributes["strides"],
        "padding": tuple((m.reach - 1 - m.low, m.places + m.low - s) for m, s in zip(moves, spans, strict=True)),
    }
    return (node(SUM_POOL, g, **back),)


SUM_POOL = Op(
    name="sum_pool",
    doc="The sum of the elements under a window that slides over all axes; places outside of x count as 0."
    " ``lhs_dilation`` spreads x, ``rhs_dilation`` the window.",
    operands=("x: int|uint|float|complex",),
    infer=_pooled,
    form=Window("pool", _sum_nest),
    gradient=_sum_gradient,
    batch=batching.leading("sum_pool", BATCH),
    reference=_sum_reference,
    samples=pool_samples,
)

# --- max_pool -----------------------------------------------------------------------------------


def _max_nest(types: Types, results: Types, attributes: Attributes) -> Nest:
    moves = slides(types[0].shape, attributes)
    dtype = compute_dtype(types[0].dtype)

    def body(access: Access, space: Coordinates, reduced: Coordinates) -> tuple[Expr, ...]:
        at, guard = place_under(access, moves, space, reduced)
        element = SCALARS.cast(access.read(0, at, guard), dtype)
        return (element if guard is None else SCALARS.where(guard, element, Const(dtype, lowest(dtype))),)

    return Nest(results[0].shape, body, tuple(attributes["window"]), "max", (dtype,))


def _max_reference(x: Array, **attributes: Any) -> Any:
    low = -np.inf if x.dtype.kind in "fV" else np.iinfo(x.dtype).min
    return np.asarray(np.maximum.reduce(windows_of(x, low, attributes), -1)).astype(x.dtype)


def _max_gradient(g: Value, x: Value, _y: Value, **attributes: Any) -> tuple[Value]:
    winners = node(ops.TABLE["argmax_pool"], x, **attributes)
    return (node(ops.TABLE["max_unpool"], g, winners, **attributes, shape=x.type.shape),)


MAX_POOL = Op(
    name="max_pool",
    doc="The greatest element under a window that slides over all axes; nan if there is one. Places outside of x do"
    " not count: -inf, or the least integer, where there is no other. The gradient goes to the first of equal ones.",
    operands=("x: int|uint|float",),
    infer=_pooled,
    form=Window("pool", _max_nest),
    gradient=_max_gradient,
    batch=batching.leading("max_pool", BATCH),
    reference=_max_reference,
    samples=pool_samples,
    tolerance=0,
)

# --- functions ----------------------------------------------------------------------------------


def _attributes(
    name: str, x: Value, window: Any, strides: Any, padding: Padding, dilation: Any
) -> dict[str, tuple[Any, ...]]:
    """The attributes for windows over the spatial axes of N…C."""
    n = x.type.rank - 2
    if n < 1:
        raise error(f"{name}: {x.type}", why="expected N, spatial axes, C")
    sizes = numbers(name, "window", window, n)
    steps = sizes if strides is None else numbers(name, "strides", strides, n)
    spread = numbers(name, "dilation", dilation, n)
    moves = [Slide(s, w, t, dilation=d) for s, w, t, d in zip(x.type.shape[1:-1], sizes, steps, spread, strict=True)]
    return {
        "window": (1, *sizes, 1),
        "strides": (1, *steps, 1),
        "padding": ((0, 0), *paddings(name, padding, moves), (0, 0)),
        "lhs_dilation": (1,) * (n + 2),
        "rhs_dilation": (1, *spread, 1),
    }


def max_pool(
    x: Operand,
    window: int | Sequence[int],
    strides: int | Sequence[int] | None = None,
    padding: Padding = "VALID",
    dilation: int | Sequence[int] = 1,
) -> Value:
    """The greatest element under a window over the spatial axes of x (N, spatial…, C).

    ``strides`` are those of the window's size if None; ``padding`` is SAME, VALID, a number, or (low, high) for
    each spatial axis.
    """
    v = value(x)
    return node(MAX_POOL, v, **_attributes("max_pool", v, window, strides, padding, dilation))


def avg_pool(
    x: Operand,
    window: int | Sequence[int],
    strides: int | Sequence[int] | None = None,
    padding: Padding = "VALID",
    count_include_pad: bool = False,
) -> Value:
    """The mean under a window over the spatial axes of x (N, spatial…, C).

    Places of the padding count as zeros with ``count_include_pad``, else not at all.
    """
    (v,) = promoted((x,), inexact)
    wide = ops.astype(v, compute_dtype(v.type.dtype))
    attributes = _attributes("avg_pool", v, window, strides, padding, 1)
    total = node(SUM_POOL, wide, **attributes)
    area = int(np.prod(attributes["window"]))
    if count_include_pad or all(p == (0, 0) for p in attributes["padding"]):
        return ops.astype(ops.divide(total, area), v.type.dtype)
    ones = ops.ones((1, *v.type.shape[1:-1], 1), total.type.dtype)
    counted = ops.maximum(node(SUM_POOL, ones, **attributes), 1)
    return ops.astype(ops.divide(total, ops.broadcast_to(counted, total.type.shape)), v.type.dtype)
