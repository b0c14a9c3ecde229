"""Windows that slide over axes: their sizes, paddings and the elements under them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Union

import numpy as np

from tcc.ir import dim
from tcc.ir.dim import Size
from tcc.ir.op import Array
from tcc.ops import axes
from tcc.ops.operands import error

Padding = Union[str, int, Sequence[Any]]


@dataclass(frozen=True)
class Slide:
    """A window along one axis.

    The operand's elements stand ``spread`` apart (its dilation), the window's ``dilation``; before and
    after come ``low`` and ``high`` empty places (negative: places cut off); the window moves by ``stride``.
    """

    size: Size
    window: Size
    stride: int = 1
    low: Size = 0
    high: Size = 0
    spread: int = 1
    dilation: int = 1

    @property
    def reach(self) -> Size:
        """The places from the window's first to its last element, both counted."""
        return (self.window - 1) * self.dilation + 1

    @property
    def places(self) -> Size:
        """The operand's places, from its first to its last element; none if it is empty."""
        return (self.size - 1) * self.spread + 1 if self.spread != 1 else self.size

    @property
    def count(self) -> Size:
        """How many windows fit."""
        room = self.places + self.low + self.high - self.reach
        return dim.maximum(dim.floordiv(room, self.stride) + 1, 0)

    def under(self, position: Size, offset: Size) -> tuple[Size, list[Size]]:
        """The operand's coordinate under a window's element, and what must be ≥ 0 for it to be there."""
        place = position * self.stride + offset * self.dilation - self.low
        conditions = [place, (self.size - 1) * self.spread - place]
        if self.spread != 1:
            conditions.append(-dim.mod(place, self.spread))
        return dim.floordiv(place, self.spread), conditions

    def over(self, coordinate: Size, offset: Size) -> tuple[Size, list[Size]]:
        """The window whose element ``offset`` lies on a coordinate, and what must be ≥ 0 for it to be one.

        For operands that are not spread.
        """
        start = coordinate + self.low - offset * self.dilation
        conditions = [start, (self.count - 1) * self.stride - start]
        if self.stride != 1:
            conditions.append(-dim.mod(start, self.stride))
        return dim.floordiv(start, self.stride), conditions


def numbers(name: str, argument: str, given: Any, count: int) -> tuple[int, ...]:
    """A positive integer for each axis: one for all, or so many."""
    if isinstance(given, (int, np.integer)):
        found = (axes.integer(name, argument, given),) * count
    else:
        found = tuple(axes.integer(name, argument, g) for g in given)
    if len(found) != count or any(n < 1 for n in found):
        raise error(f"{name}: '{argument}' is {given}", why=f"expected {count} positive integers, or one for all")
    return found


def paddings(name: str, padding: Padding, slides: Sequence[Slide]) -> tuple[tuple[Size, Size], ...]:
    """(low, high) for each axis.

    ``VALID`` is none; ``SAME`` makes as many windows as the axis divided by the stride, rounded up, with
    the odd place at the end; a number is both sides of all axes; else a number or a pair for each axis.
    """
    if isinstance(padding, str):
        if padding.upper() == "VALID":
            return ((0, 0),) * len(slides)
        if padding.upper() != "SAME":
            raise error(f"{name}: padding '{padding}'", why="expected SAME, VALID, numbers or pairs of numbers")
        return tuple(_same(s) for s in slides)
    entries: list[Any] = [padding] * len(slides) if isinstance(padding, (int, np.integer)) else list(padding)
    if len(entries) != len(slides):
        raise error(f"{name}: padding for {len(entries)} axes", why=f"expected {len(slides)}")
    pairs: list[Any] = [(e, e) if isinstance(e, (int, np.integer, dim.Dim)) else tuple(e) for e in entries]
    return tuple((axes.size(name, "padding", p[0]), axes.size(name, "padding", p[-1])) for p in pairs)


def _same(slide: Slide) -> tuple[Size, Size]:
    if slide.stride == 1:
        total = slide.reach - 1
    else:
        windows = dim.ceildiv(slide.size, slide.stride)
        total = dim.maximum((windows - 1) * slide.stride + slide.reach - slide.size, 0)
    low = dim.floordiv(total, 2)
    return low, total - low


def windows(
    x: Array,
    fill: Any,
    window: Sequence[int],
    strides: Sequence[int],
    padding: Sequence[tuple[int, int]],
    lhs_dilation: Sequence[int],
    rhs_dilation: Sequence[int],
) -> Array:
    """For the references: what is under each window, by laying the elements out among ``fill`` and viewing them.

    Axes: a window along each axis of x, then the places in it.
    """
    columns = list(zip(x.shape, padding, lhs_dilation, strict=True))
    lengths = [max((n - 1) * spread + 1 + low + high, 0) for n, (low, high), spread in columns]
    laid = np.empty(lengths, x.dtype)
    laid[...] = fill
    for place in product(*map(range, x.shape)):
        at = tuple(low + i * spread for i, (_, (low, _), spread) in zip(place, columns, strict=True))
        if all(0 <= i < n for i, n in zip(at, lengths, strict=True)):
            laid[at] = x[place]
    reaches = [(w - 1) * d + 1 for w, d in zip(window, rhs_dilation, strict=True)]
    if any(n < r for n, r in zip(lengths, reaches, strict=True)):
        counts = [max((n - r) // s + 1, 0) for n, r, s in zip(lengths, reaches, strides, strict=True)]
        return np.empty((*counts, *window), x.dtype)
    view: Any = np.lib.stride_tricks.sliding_window_view(laid, reaches)
    return view[(*(slice(None, None, s) for s in strides), *(slice(None, None, d) for d in rhs_dilation))]
