"""Convolutions with windows of three as products of tiles, along one axis or two, by Winograd's minimal filters.

Two neighbouring results of three elements each are made of four products in the place of six, and four results of
a window of three by three of 16 in the place of 36 (F(2, 3)); four neighbouring ones of six in the place of twelve,
and 16 of 36 in the place of 144 (F(4, 3)), with more error: `tcc.passes.minimal` says how much. Tiles become as many
sums each as they have elements, the kernel likewise; the products of both, summed over the channels, are a batch of
matrix products, and sums of these are the results.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

import tcc.ops as ops
from tcc.ir import build, dim
from tcc.ir.dim import Size
from tcc.ir.graph import Constant, Value
from tcc.ops import convolving, slicing
from tcc.ops.sliding import Slide
from tcc.passes.minimal import FILTERS, WINDOW, Filter, Rows, added_error
from tcc.passes.rewrite import Match, uniform

MOST_AXES = 2
LEAST_CHANNELS = 16
"""Channels of the operand and of the result from which on the transforms, which each go through one of them, cost
less than the products saved."""
LEAST_TILES, LEAST_TILES_FOR_ANY = 8, 32
"""Tiles from which on it pays to read more elements of the kernel than it has, and those from which on it pays to make
them in each call."""
MOST_KEPT = 0.75
"""The part of the products that is left at most: the last tile of an odd size makes results that are thrown away."""
MOVED = 4
"""What an element of a tile costs, of one channel, in products: it is made, stored and read again."""
READ, READ_AND_MADE = 6, 20
"""What an element of the kernel's sums costs, which all tiles share: those of many channels are in the last cache."""
NOMINAL = 128
"""What sizes are taken for that are known at run time only."""

Filters = dict[int, Filter]
"""The filter along each spatial axis that has one."""
Parts = dict[tuple[int, ...], Value]
"""Values by their place in a tile, along each of its axes."""


@dataclass(frozen=True)
class Tiling:
    """The rewriting of convolutions whose error is at most ``tolerance`` larger, relative to the largest result."""

    tolerance: float = 0.0

    def pays(self, m: Match) -> bool:
        """Whether a convolution is made faster: of many channels, in enough tiles that the results mostly fill."""
        return bool(self.filters(m))

    def filters(self, m: Match) -> Filters:
        """The fastest filters along the axes that may have one, the more exact of equals; none if products of
        windows are faster."""
        moves = _slides(m)
        fast = _fast_axes(m)
        others = [s for k, s in enumerate(moves) if k not in fast]
        if not fast or m.attribute(0, "groups") != 1 or any(s.window != 1 or s.stride * s.spread != 1 for s in others):
            return {}
        *_, inner, made = m["k"].type.shape
        if not isinstance(inner, int) or not isinstance(made, int) or min(inner, made) < LEAST_CHANNELS:
            return {}
        constant = build.constant_of(m["k"])
        if uniform(m["k"]) is not None or (constant is not None and not np.isfinite(constant.array).all()):
            return {}
        least = LEAST_TILES if constant is not None else LEAST_TILES_FOR_ANY
        found: list[Filters] = []
        for chosen in product(FILTERS, repeat=len(fast)):
            filters = dict(zip(fast, chosen, strict=True))
            error = added_error(chosen, inner, m["x"].type.dtype)
            if error <= self.tolerance and _fills(m, filters, least):
                found.append(filters)
        return min(found, key=lambda filters: _cost(m, filters), default={})

    def tiled(self, m: Match) -> Value:
        """The convolution by products of tiles."""
        x, kernel, filters, moves = m["x"], m["k"], self.filters(m), _slides(m)
        counts: list[Size] = [s.count for s in moves]
        turns = [dim.ceildiv(n, filters[k].made) if k in filters else n for k, n in enumerate(counts)]
        places = [filters[k].made * n + WINDOW - 1 if k in filters else n for k, n in enumerate(turns)]
        low = (0, *(s.low for s in moves), 0)
        room = slicing.pad_to(x, low, (x.type.shape[0], *places, x.type.shape[-1]))
        elements = list(product(*(range(f.tile) for f in filters.values())))
        tiles: Parts = {}
        for at in elements:
            tile = room
            for (axis, f), start in zip(filters.items(), at, strict=True):
                tile = slicing.part(tile, axis + 1, start, turns[axis], f.made)
            tiles[at] = tile
        seen = _stacked(_transformed(tiles, [f.seen for f in filters.values()]))
        found = ops.dot_general(seen, _kernel(kernel, filters), ((-1,), (-2,)), ((0,), (0,)))
        sums = {at: _at(found, k) for k, at in enumerate(elements)}
        results = _stacked(_transformed(sums, [f.results for f in filters.values()]))
        return _together(results, filters, counts)


def _fills(m: Match, filters: Filters, least: int) -> bool:
    """Whether there are so many tiles, and a quarter of the products is saved."""
    tiles, elements = _tiles(m, filters)
    windows = math.prod(_known(s.count) for s in _slides(m)) * _known(m["x"].type.shape[0])
    return tiles >= least and tiles * elements <= MOST_KEPT * windows * WINDOW ** len(filters)


def _cost(m: Match, filters: Filters) -> float:
    """What tiles cost, in products of each input channel with each result's."""
    tiles, elements = _tiles(m, filters)
    *_, inner, made = m["k"].type.shape
    assert isinstance(inner, int)
    assert isinstance(made, int)
    read = READ if build.constant_of(m["k"]) is not None else READ_AND_MADE
    return elements * (tiles * (1 + MOVED / inner + MOVED / made) + read)


def _tiles(m: Match, filters: Filters) -> tuple[int, int]:
    """How many tiles there are, and the elements of one."""
    tiles = _known(m["x"].type.shape[0])
    for k, move in enumerate(_slides(m)):
        tiles *= -(-_known(move.count) // (filters[k].made if k in filters else 1))
    return tiles, math.prod(f.tile for f in filters.values())


def _known(size: Size) -> int:
    return size if isinstance(size, int) else NOMINAL


def _slides(m: Match) -> list[Slide]:
    return convolving.slides(m["x"].type, m["k"].type, m.nodes[0].attributes)


def _fast_axes(m: Match) -> tuple[int, ...]:
    """The spatial axes along which windows are of three elements, side by side, and move by one."""
    found = [k for k, s in enumerate(_slides(m)) if s.window == WINDOW and s.stride == s.spread == s.dilation == 1]
    return tuple(found[-MOST_AXES:])


def _together(results: Value, filters: Filters, counts: Sequence[Size]) -> Value:
    """Results of tiles in their places: from the axes of a tile first to each behind that of its tiles."""
    turns = results.type.shape[1:]
    fast = list(filters)
    split = ops.reshape(results, (*(f.made for f in filters.values()), *turns))
    order: list[int] = []
    shape: list[Size] = []
    for k, n in enumerate(turns):
        order.append(len(fast) + k)
        shape.append(n)
        if k - 1 in fast:
            order.append(fast.index(k - 1))
            shape[-1] = n * filters[k - 1].made
    whole = ops.reshape(ops.transpose(split, order), shape)
    for axis in fast:
        whole = slicing.part(whole, axis + 1, 0, counts[axis])
    return whole


def _kernel(kernel: Value, filters: Filters) -> Value:
    """The kernel's sums: axes are a tile's elements, input channels, results' channels."""
    windows = (WINDOW,) * len(filters)
    constant = build.constant_of(kernel)
    if constant is not None:
        *_, inner, made = constant.array.shape
        wide = constant.array.reshape(*windows, inner, made).astype(np.float64)
        for axis, f in enumerate(filters.values()):
            wide = np.moveaxis(np.tensordot(f.wide, wide, (1, axis)), 0, axis)
        sums = Constant.of(wide.reshape(-1, inner, made).astype(constant.array.dtype), constant.name)
        return ops.literal(replace(sums, layout=f"sums of Winograd's {_name(filters)}"))
    split = ops.reshape(kernel, (*windows, *kernel.type.shape[-2:]))
    parts: Parts = {}
    for at in product(range(WINDOW), repeat=len(filters)):
        part = split
        for k in at:
            part = _at(part, k)
        parts[at] = part
    return _stacked(_transformed(parts, [f.weighed for f in filters.values()]))


def _name(filters: Filters) -> str:
    """F(4 × 2, 3 × 3), say: results of a tile, and the window."""
    made = " × ".join(str(f.made) for f in filters.values())
    return f"F({made}, {' × '.join(str(WINDOW) for _ in filters)})"


def _transformed(parts: Parts, transforms: Sequence[Sequence[Rows]]) -> Parts:
    """The parts' sums along each axis of a tile, by the matrices of that axis one after the other."""
    for axis, matrices in enumerate(transforms):
        for rows in matrices:
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
    """The sum of the values times their factors; the sum is scaled if all factors are of one size."""
    terms = [(factor, v) for factor, v in zip(row, values, strict=True) if factor]
    terms.sort(key=lambda term: term[0] < 0)
    sizes = {abs(factor) for factor, _ in terms}
    scale = abs(terms[0][0]) if len(sizes) == 1 else 1.0
    factor, value = terms[0]
    total = _scaled(value, factor / scale)
    for factor, value in terms[1:]:
        change = _scaled(value, abs(factor) / scale)
        total = ops.add(total, change) if factor > 0 else ops.subtract(total, change)
    return _scaled(total, scale)


def _scaled(value: Value, factor: float) -> Value:
    return value if factor == 1 else ops.multiply(value, factor)


def _stacked(parts: Parts) -> Value:
    return ops.stack([parts[at] for at in sorted(parts)])


def _at(x: Value, k: int) -> Value:
    """One element of the first axis."""
    return ops.reshape(slicing.part(x, 0, k, 1), x.type.shape[1:])
