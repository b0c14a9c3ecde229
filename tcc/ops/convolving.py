"""Convolution over any number of spatial axes: input N…C, kernel …IO."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

import tcc.ops as ops
from tcc.errors import UserError
from tcc.ir import dim
from tcc.ir.dim import Size
from tcc.ir.dtype import DType
from tcc.ir.forms import Access, Coordinates, Nest, Window
from tcc.ir.graph import Attributes, Value
from tcc.ir.op import Array, Op, Sample
from tcc.ir.scalar import SCALARS, Expr, compute_dtype
from tcc.ir.types import TensorType
from tcc.ops import axes, batching, samples
from tcc.ops.operands import Operand, error, node, promoted
from tcc.ops.sliding import Padding, Slide, numbers, paddings, windows

Types = tuple[TensorType, ...]
Pairs = tuple[tuple[Size, Size], ...]


def slides(x: TensorType, kernel: TensorType, attributes: Attributes) -> list[Slide]:
    """The window along each spatial axis."""
    return [
        Slide(size, window, stride, low, high, spread, dilation)
        for size, window, stride, (low, high), spread, dilation in zip(
            x.shape[1:-1],
            kernel.shape[:-2],
            attributes["strides"],
            attributes["padding"],
            attributes["lhs_dilation"],
            attributes["rhs_dilation"],
            strict=True,
        )
    ]


def _type(types: Types, attributes: Attributes) -> Types:
    x, kernel = types
    groups: int = attributes["groups"]
    if x.rank != kernel.rank or x.rank < 2 or x.dtype != kernel.dtype:
        why = "expected N…C and …IO of one rank and dtype"
        fix = "channels are last: np.moveaxis(x, 1, -1) makes N…C of NC…"
        raise UserError(f"convolution: {x} with kernel {kernel}", why=why, fix=fix)
    if x.shape[-1] != kernel.shape[-2] * groups or dim.mod(kernel.shape[-1], groups) != 0:
        raise UserError(
            f"convolution: {x} with kernel {kernel} in {groups} groups",
            why=f"expected {kernel.shape[-2] * groups} input channels, and output channels divisible by {groups}",
            fix="the channels of x are its last axis, those of the kernel its last two",
        )
    counts = [s.count for s in slides(x, kernel, attributes)]
    return (TensorType(x.dtype, (x.shape[0], *counts, kernel.shape[-1])),)


def _nest(types: Types, results: Types, attributes: Attributes) -> Nest:
    x, kernel = types
    moves = slides(x, kernel, attributes)
    accumulator = compute_dtype(x.dtype)
    inner = kernel.shape[-2]
    made = dim.floordiv(kernel.shape[-1], attributes["groups"])

    def body(access: Access, space: Coordinates, reduced: Coordinates) -> tuple[Expr, ...]:
        offsets, channel = reduced[:-1], reduced[-1]
        found = [m.under(p, o) for m, p, o in zip(moves, space[1:-1], offsets, strict=True)]
        guard = access.inside([c for _, conditions in found for c in conditions])
        group = 0 if attributes["groups"] == 1 else dim.floordiv(space[-1], made)
        at = (space[0], *(c for c, _ in found), group * inner + channel)
        element = SCALARS.cast(access.read(0, at, guard), accumulator)
        return (element * SCALARS.cast(access.read(1, (*offsets, channel, space[-1])), accumulator),)

    return Nest(results[0].shape, body, (*kernel.shape[:-2], inner), "add", (accumulator,))


def _reference(
    x: Array,
    kernel: Array,
    strides: Sequence[int],
    padding: Sequence[tuple[int, int]],
    lhs_dilation: Sequence[int],
    rhs_dilation: Sequence[int],
    groups: int,
) -> Any:
    wide = {"f": np.float64, "V": np.float64, "c": np.complex128}.get(x.dtype.kind, x.dtype)
    *sizes, inner, made = kernel.shape
    # Windows of one sample and one channel: axes N, spatial, C, then those of the window.
    seen = windows(
        x.astype(wide),
        0,
        (1, *sizes, 1),
        (1, *strides, 1),
        ((0, 0), *padding, (0, 0)),
        (1, *lhs_dilation, 1),
        (1, *rhs_dilation, 1),
    )
    counts = seen.shape[1 : len(sizes) + 1]
    rows = seen.reshape(x.shape[0], *counts, groups, inner, int(np.prod(sizes)))
    weights = kernel.astype(wide).reshape(int(np.prod(sizes)), inner, groups, made // groups)
    return np.einsum("...giw,wigo->...go", rows, weights).reshape(x.shape[0], *counts, made).astype(x.dtype)


def _exchanged(x: Value, groups: int, axis: int) -> Value:
    """The last axis, taken as groups of channels, with its channels exchanged with another axis."""
    shape = x.type.shape
    split = ops.reshape(x, (*shape[:-1], groups, dim.floordiv(shape[-1], groups)))
    swapped = ops.swapaxes(split, axis, -1)
    *rest, outer, inner = swapped.type.shape
    return ops.reshape(swapped, (*rest, outer * inner))


def _gradient(
    g: Value,
    x: Value,
    kernel: Value,
    _y: Value,
    strides: tuple[int, ...],
    padding: Pairs,
    lhs_dilation: tuple[int, ...],
    rhs_dilation: tuple[int, ...],
    groups: int,
) -> tuple[Value, Value]:
    moves = slides(
        x.type,
        kernel.type,
        {"strides": strides, "padding": padding, "lhs_dilation": lhs_dilation, "rhs_dilation": rhs_dilation},
    )
    spatial = tuple(range(len(moves)))
    # The places that g's elements take when they stand a stride apart.
    spans = [(n - 1) * m.stride + 1 for n, m in zip(g.type.shape[1:-1], moves, strict=True)]

    # x: g, spread by the strides, under the kernel turned round, its channels exchanged.
    turned = _exchanged(ops.flip(kernel, spatial), groups, kernel.type.rank - 2)
    to_x_padding = tuple((m.reach - 1 - m.low, m.places + m.low - span) for m, span in zip(moves, spans, strict=True))
    to_x = node(
        CONVOLUTION,
        g,
        turned,
        strides=lhs_dilation,
        padding=to_x_padding,
        lhs_dilation=strides,
        rhs_dilation=rhs_dilation,
        groups=groups,
    )
    # kernel: x as a batch of its channels, under g as a kernel of one input channel for each sample.
    samples_last = _exchanged(x, groups, 0)
    as_kernel = ops.moveaxis(g, 0, -2)
    to_kernel_padding = tuple(
        (m.low, m.reach - 1 + span - m.places - m.low) for m, span in zip(moves, spans, strict=True)
    )
    to_kernel = node(
        CONVOLUTION,
        samples_last,
        as_kernel,
        strides=rhs_dilation,
        padding=to_kernel_padding,
        lhs_dilation=lhs_dilation,
        rhs_dilation=strides,
        groups=groups,
    )
    return to_x, ops.moveaxis(to_kernel, 0, -2)


def _batch(size: Size, operands: Sequence[Value], batched: Sequence[bool], attributes: Attributes) -> tuple[Value]:
    x, kernel = operands
    if not batched[1]:
        merged = ops.reshape(x, (size * x.type.shape[1], *x.type.shape[2:]))
        found = node(CONVOLUTION, merged, kernel, **attributes)
        return (ops.reshape(found, (size, x.type.shape[1], *found.type.shape[1:])),)
    if not isinstance(size, int):
        raise error(
            f"vmap over the kernel of a convolution by the size '{size}'",
            why="each kernel becomes a group of channels, whose number must be known at compile time",
        )
    # Every kernel becomes a group: channels of all samples side by side.
    x = batching.led(size, x, batched[0])
    wide = ops.moveaxis(x, 0, -2)
    wide = ops.reshape(wide, (*wide.type.shape[:-2], size * wide.type.shape[-1]))
    stacked = ops.moveaxis(kernel, 0, -2)
    stacked = ops.reshape(stacked, (*stacked.type.shape[:-2], size * stacked.type.shape[-1]))
    found = node(CONVOLUTION, wide, stacked, **{**attributes, "groups": attributes["groups"] * size})
    split = ops.reshape(found, (*found.type.shape[:-1], size, kernel.type.shape[-1]))
    return (ops.moveaxis(split, -2, 0),)


def _samples(dtypes: tuple[DType, ...], rng: np.random.Generator) -> Iterator[Sample]:
    def call(x: tuple[int, ...], kernel: tuple[int, ...], **given: Any) -> Sample:
        n = len(x) - 2
        attributes: dict[str, Any] = {
            "strides": (1,) * n,
            "padding": ((0, 0),) * n,
            "lhs_dilation": (1,) * n,
            "rhs_dilation": (1,) * n,
            "groups": 1,
            **given,
        }
        arrays = samples.random(dtypes[0], x, rng), samples.random(dtypes[0], kernel, rng)
        return Sample(arrays, attributes, f"{x} {kernel} {given}")

    yield call((1, 5, 5, 2), (3, 3, 2, 3))
    yield call((2, 6, 5, 1), (2, 3, 1, 2), strides=(2, 1), padding=((1, 0), (1, 1)))
    yield call((1, 7, 6, 4), (3, 2, 2, 4), groups=2, rhs_dilation=(2, 1))
    yield call((1, 4, 4, 2), (3, 3, 1, 4), groups=2, strides=(2, 2), padding=((1, 1), (0, 1)))
    yield call((1, 3, 3, 1), (2, 2, 1, 1), lhs_dilation=(2, 3), padding=((1, 1), (0, 2)))
    yield call((2, 6, 2), (3, 2, 2), strides=(2,), rhs_dilation=(2,), padding=((2, 2),))
    yield call((1, 6, 6, 1), (2, 2, 1, 1), padding=((-1, 0), (0, -2)))
    yield call((0, 3, 3, 1), (2, 2, 1, 1))


CONVOLUTION = Op(
    name="convolution",
    doc="Sums of products of a kernel (…, I, O) with the elements of x (N, …, C) under it, as it slides over the"
    " spatial axes. ``padding`` is (low, high) for each; negative cuts off. ``lhs_dilation`` spreads x,"
    " ``rhs_dilation`` the kernel. In ``groups``, each part of C/groups input channels makes O/groups output channels."
    " Windows of three elements side by side are computed in tiles of two results where that is faster (Winograd's"
    " F(2, 3), f32 and f64 only), of four where the compilation's tolerance allows their error (F(4, 3)): an infinity"
    " or a nan in x then reaches all results of a tile.",
    operands=("x: int|uint|float|complex", "kernel: int|uint|float|complex"),
    infer=_type,
    form=Window("convolution", _nest),
    gradient=_gradient,
    batch=_batch,
    reference=_reference,
    samples=_samples,
    tolerance=8.0,
)


def convolution(
    x: Operand,
    kernel: Operand,
    strides: int | Sequence[int] = 1,
    padding: Padding = "VALID",
    lhs_dilation: int | Sequence[int] = 1,
    rhs_dilation: int | Sequence[int] = 1,
    groups: int = 1,
) -> Value:
    """Convolution of x (N, spatial…, C) with a kernel (spatial…, C/groups, O), not turned round.

    ``padding`` is SAME, VALID, a number, or (low, high) for each spatial axis.
    """
    a, k = promoted((x, kernel))
    if a.type.rank != k.type.rank or a.type.rank < 3:
        raise error(f"convolution: {a.type} with kernel {k.type}", why="expected N…C and …IO of one rank of at least 3")
    n = a.type.rank - 2
    stride = numbers("convolution", "strides", strides, n)
    spread = numbers("convolution", "lhs_dilation", lhs_dilation, n)
    dilation = numbers("convolution", "rhs_dilation", rhs_dilation, n)
    plain = [
        Slide(s if d == 1 else (s - 1) * d + 1, w, t, dilation=r)
        for s, w, t, d, r in zip(a.type.shape[1:-1], k.type.shape[:-2], stride, spread, dilation, strict=True)
    ]
    return node(
        CONVOLUTION,
        a,
        k,
        strides=stride,
        padding=paddings("convolution", padding, plain),
        lhs_dilation=spread,
        rhs_dilation=dilation,
        groups=axes.integer("convolution", "groups", groups),
    )
