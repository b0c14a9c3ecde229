"""Convolutions with windows of three as products of tiles: Winograd's F(2, 3), along one axis or two.

Two neighbouring results of three elements each are made of four products in the place of six, and four results of
a window of three by three of 16 in the place of 36 (Lavin and Gray, "Fast Algorithms for Convolutional Neural
Networks", CVPR 2016). Tiles of four elements, two apart, become four sums each, the kernel likewise; the products of
both, summed over the channels, are a batch of matrix products, and sums of these are the results. All factors are
1, -1 and ½.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import product

import numpy as np

import tcc.ops as ops
from tcc.ir import build, dim
from tcc.ir.dim import Size
from tcc.ir.graph import Constant, Value
from tcc.ops import convolving, slicing
from tcc.ops.sliding import Slide
from tcc.passes.rewrite import Match, uniform

MADE, WINDOW, TILE = 2, 3, 4
"""Results of a tile along an axis, elements of a window, and of a tile."""
MOST_AXES = 2
LEAST_CHANNELS = 16
"""Channels of the operand and of the result from which on the transforms, which each go through one of them, cost
less than the products saved."""
LEAST_TILES, LEAST_TILES_FOR_ANY = 8, 32
"""Tiles from which on it pays to read 16 elements of the kernel for nine, and those from which on it pays to make
them in each call."""
MOST_KEPT = 0.75
"""The part of the products that is left at most: the last tile of an odd size makes results that are thrown away."""

Rows = tuple[tuple[float, ...], ...]
SEEN: Rows = ((1, 0, -1, 0), (0, 1, 1, 0), (0, -1, 1, 0), (0, 1, 0, -1))
"""Lavin and Gray's Bᵀ: from a tile's elements."""
WEIGHED: Rows = ((1, 0, 0), (0.5, 0.5, 0.5), (0.5, -0.5, 0.5), (0, 0, 1))
"""Their G: from a kernel's."""
RESULTS: Rows = ((1, 1, 1, 0), (0, 1, -1, -1))
"""Their Aᵀ: from the products."""

Parts = dict[tuple[int, ...], Value]
"""Values by their place in a tile, along each of its axes."""


def pays(m: Match) -> bool:
    """Whether a convolution is made faster: of many channels, in enough tiles that the results mostly fill."""
    moves = _slides(m)
    fast = _fast_axes(m)
    others = [s for k, s in enumerate(moves) if k not in fast]
    if not fast or m.attribute(0, "groups") != 1 or any(s.window != 1 or s.stride * s.spread != 1 for s in others):
        return False
    *_, inner, made = m["k"].type.shape
    if not isinstance(inner, int) or not isinstance(made, int) or min(inner, made) < LEAST_CHANNELS:
        return False
    constant = build.constant_of(m["k"])
    if uniform(m["k"]) is not None or (constant is not None and not np.isfinite(constant.array).all()):
        return False
    return _fills(m, LEAST_TILES if constant is not None else LEAST_TILES_FOR_ANY)


def _fills(m: Match, least: int) -> bool:
    """Whether there are so many tiles, and a quarter of the products is saved, as far as sizes are known."""
    tiles: Size = m["x"].type.shape[0]
    kept = 1.0
    for k, move in enumerate(_slides(m)):
        fast = k in _fast_axes(m)
        turns = dim.ceildiv(move.count, MADE) if fast else move.count
        tiles = tiles * turns
        if fast and isinstance(turns, int) and isinstance(move.count, int):
            kept *= TILE * turns / max(1, WINDOW * move.count)
        elif fast:
            kept *= TILE / (WINDOW * MADE)
    return kept <= MOST_KEPT and not (isinstance(tiles, int) and tiles < least)


def _slides(m: Match) -> list[Slide]:
    return convolving.slides(m["x"].type, m["k"].type, m.nodes[0].attributes)


def _fast_axes(m: Match) -> tuple[int, ...]:
    """The spatial axes along which windows are of three elements, side by side, and move by one."""
    found = [k for k, s in enumerate(_slides(m)) if s.window == WINDOW and s.stride == s.spread == s.dilation == 1]
    return tuple(found[-MOST_AXES:])


def tiled(m: Match) -> Value:
    """The convolution by products of tiles."""
    x, kernel, fast, moves = m["x"], m["k"], _fast_axes(m), _slides(m)
    counts: list[Size] = [s.count for s in moves]
    turns = [dim.ceildiv(n, MADE) if k in fast else n for k, n in enumerate(counts)]
    places = [MADE * n + WINDOW - 1 if k in fast else n for k, n in enumerate(turns)]
    low = (0, *(s.low for s in moves), 0)
    room = slicing.pad_to(x, low, (x.type.shape[0], *places, x.type.shape[-1]))
    tiles: Parts = {}
    for at in product(range(TILE), repeat=len(fast)):
        tile = room
        for axis, start in zip(fast, at, strict=True):
            tile = slicing.part(tile, axis + 1, start, turns[axis], MADE)
        tiles[at] = tile
    seen = _stacked(_transformed(tiles, SEEN, len(fast)))
    found = ops.dot_general(seen, _kernel(kernel, fast), ((-1,), (-2,)), ((0,), (0,)))
    sums = {at: _at(found, k) for k, at in enumerate(product(range(TILE), repeat=len(fast)))}
    results = _stacked(_transformed(sums, RESULTS, len(fast)))
    return _together(results, fast, counts)


def _together(results: Value, fast: Sequence[int], counts: Sequence[Size]) -> Value:
    """Results of tiles in their places: from the axes of a tile first to each behind that of its tiles."""
    turns = results.type.shape[1:]
    split = ops.reshape(results, (*(MADE for _ in fast), *turns))
    order: list[int] = []
    shape: list[Size] = []
    for k, n in enumerate(turns):
        order.append(len(fast) + k)
        shape.append(n)
        if k - 1 in fast:
            order.append(fast.index(k - 1))
            shape[-1] = n * MADE
    whole = ops.reshape(ops.transpose(split, order), shape)
    for axis in fast:
        whole = slicing.part(whole, axis + 1, 0, counts[axis])
    return whole


def _kernel(kernel: Value, fast: Sequence[int]) -> Value:
    """The kernel's sums: axes are a tile's elements, input channels, results' channels."""
    constant = build.constant_of(kernel)
    if constant is not None:
        *_, inner, made = constant.array.shape
        wide = constant.array.reshape(*(WINDOW for _ in fast), inner, made).astype(np.float64)
        for axis in range(len(fast)):
            wide = np.moveaxis(np.tensordot(np.array(WEIGHED), wide, (1, axis)), 0, axis)
        sums = Constant.of(wide.reshape(-1, inner, made).astype(constant.array.dtype), constant.name)
        return ops.literal(replace(sums, layout="sums of Winograd's F(2, 3)"))
    windows = ops.reshape(kernel, (*(WINDOW for _ in fast), *kernel.type.shape[-2:]))
    parts: Parts = {}
    for at in product(range(WINDOW), repeat=len(fast)):
        part = windows
        for k in at:
            part = _at(part, k)
        parts[at] = part
    return _stacked(_transformed(parts, WEIGHED, len(fast)))


def _transformed(parts: Parts, rows: Rows, rank: int) -> Parts:
    """The parts' sums along each axis of a tile."""
    for axis in range(rank):
        found: Parts = {}
        for at in parts:
            if at[axis]:
                continue
            line = [parts[(*at[:axis], k, *at[axis + 1 :])] for k in range(len(rows[0]))]
            for k, row in enumerate(rows):
                found[(*at[:axis], k, *at[axis + 1 :])] = _sum(row, line)
        parts = found
    return parts


def _sum(row: Sequence[float], values: Sequence[Value]) -> Value:
    """Values added or subtracted, and the sum scaled if all are."""
    terms = [(factor, v) for factor, v in zip(row, values, strict=True) if factor]
    terms.sort(key=lambda term: term[0] < 0)
    scale, total = terms[0]
    for factor, value in terms[1:]:
        total = ops.add(total, value) if factor > 0 else ops.subtract(total, value)
    return total if scale == 1 else ops.multiply(total, scale)


def _stacked(parts: Parts) -> Value:
    return ops.stack([parts[at] for at in sorted(parts)])


def _at(x: Value, k: int) -> Value:
    """One element of the first axis."""
    return ops.reshape(slicing.part(x, 0, k, 1), x.type.shape[1:])
