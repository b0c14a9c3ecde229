"""Combining partial results: copies as a tree, lanes by halves, running combinations by doubling.

Element ``i`` of a reduction belongs to partial ``p = i mod (lanes·copies)``, which is lane ``p mod lanes``
of copy ``p // lanes``. Partial ``p`` is combined with ``p + n/2``, then ``n/4``, … The tree is thus the
same for any split of one product of lanes and copies.
"""
# The bindings are untyped.
# pyright: basic

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from tcc.ir.dtype import DType
from tcc.ir.scalar import COMBINES, Const, Expr, Name
from tcc.loops.facts import Facts
from tcc.lowering.operation import on_registers
from tcc.lowering.registers import Register, broadcast, constant, lane, lanes_of, select, shuffle
from tcc.lowering.tile import Tile

Parts = list[Register]
"""A register for each component of a combine (two for argmax)."""


def combined(facts: Facts, combine: str, dtypes: Sequence[DType], a: Parts, b: Parts, in_order: bool = False) -> Parts:
    """The combination of two tuples of registers, ``b`` later in the order of the axis.

    ``in_order``: their positions are, too.
    """
    sides = [tuple(Name(dtype, f"{side}{n}") for n, dtype in enumerate(dtypes)) for side in ("a", "b")]
    names = {f"{side}{n}": r for side, parts in (("a", a), ("b", b)) for n, r in enumerate(parts)}
    row = COMBINES[combine]
    apply = row.later if in_order and row.later is not None else row.apply
    return [on_registers(e, names, facts) for e in apply(*sides)]


def identity(combine: str, dtypes: Sequence[DType]) -> Parts:
    """The neutral scalars of a combine."""
    values = COMBINES[combine].identity(tuple(dtypes))
    return [constant(d, v) for d, v in zip(dtypes, values, strict=True)]


class Reducer:
    """One carry's way of combining; ``dtypes`` of its components."""

    def __init__(self, facts: Facts, combine: str, dtypes: Sequence[DType]) -> None:
        self.facts = facts
        self.combine = combine
        self.dtypes = tuple(dtypes)

    def pair(self, a: Parts, b: Parts) -> Parts:
        return combined(self.facts, self.combine, self.dtypes, a, b)

    def identity(self) -> Parts:
        return identity(self.combine, self.dtypes)

    def neutral(self) -> Parts:
        """What changes nothing that it is combined with: to add 0 to -0 does, to add -0 is left out by LLVM."""
        if self.combine == "add" and self.dtypes[0].is_inexact:
            return [tuple(constant(self.dtypes[0].real, -0.0)[0] for _ in r) for r in self.identity()]
        return self.identity()

    def is_neutral(self, values: Sequence[Expr]) -> bool:
        """Whether partial results that start so need not be combined with these values."""
        return self.is_identity(values) and not (self.combine == "add" and self.dtypes[0].is_inexact)

    def is_identity(self, values: Sequence[Expr]) -> bool:
        """Whether these are the neutral values."""
        neutral = COMBINES[self.combine].identity(self.dtypes)
        wanted = [Const(d, n).key() for d, n in zip(self.dtypes, neutral, strict=True)]
        return [v.key() if isinstance(v, Const) else None for v in values] == wanted

    def merge(self, old: Sequence[Tile], new: Sequence[Tile], mask: Tile | None, in_order: bool = False) -> list[Tile]:
        """``old`` combined with ``new`` part by part where ``mask`` is true; the shape stays ``old``'s."""

        def one(at: Mapping[str, int], before: Parts) -> Parts:
            now = [t.at(at) for t in new]
            after = combined(self.facts, self.combine, self.dtypes, before, now, in_order)
            if mask is None:
                return after
            return [select(mask.at(at)[0], x, y) for x, y in zip(after, before, strict=True)]

        return _mapped(old, one)

    def fold_copies(self, tiles: Sequence[Tile], axis: str) -> list[Tile]:
        """The copies of the last of the tiles' axes combined as a tree."""
        assert all(t.axes[-1] == axis for t in tiles)
        outer: dict[tuple[int, ...], list[Parts]] = {}
        for key in tiles[0].parts:
            outer.setdefault(key[:-1], []).append([t.parts[key] for t in tiles])
        folded = {key: self._tree(copies) for key, copies in outer.items()}
        return [
            Tile(t.dtype, t.axes[:-1], {key: parts[n] for key, parts in folded.items()}) for n, t in enumerate(tiles)
        ]

    def _tree(self, items: list[Parts]) -> Parts:
        while len(items) > 1:
            half = (len(items) + 1) // 2
            items = [self.pair(items[n], items[n + half]) if n + half < len(items) else items[n] for n in range(half)]
        return items[0]

    def fold_lanes(self, tiles: Sequence[Tile]) -> list[Tile]:
        """The lanes of each part combined, by halves, into a scalar."""
        return _mapped(tiles, lambda _, parts: self._halves(parts))

    def _halves(self, parts: Parts) -> Parts:
        width = lanes_of(parts[0][0])
        while width > 1:
            half = width // 2
            low = [tuple(shuffle(v, v, range(half)) for v in r) for r in parts]
            high = [tuple(shuffle(v, v, range(half, width)) for v in r) for r in parts]
            parts, width = self.pair(low, high), half
        return [tuple(lane(v, 0) for v in r) for r in parts]

    def running(self, items: list[Parts], before: Parts, lanes: int) -> tuple[list[Parts], Parts]:
        """For elements in order, ``lanes`` to an item: what comes before each, and the total.

        W. Hillis, G. Steele, Data parallel algorithms, CACM 1986, over all elements of all items; 1 lane
        means that an item is one element (or one of each of an outer loop's lanes).
        """
        neutral = [_like(r, i) for r, i in zip(items[0], self.identity(), strict=True)]
        distance = 1
        while distance < len(items) * lanes:
            if distance < lanes:
                order = range(lanes - distance, 2 * lanes - distance)
                earlier = [neutral, *items[:-1]]
                shifted = [_shuffled(e, i, order) for e, i in zip(earlier, items, strict=True)]
                items = [self.pair(s, i) for s, i in zip(shifted, items, strict=True)]
            else:
                gap = distance // lanes
                items = items[:gap] + [self.pair(items[n - gap], items[n]) for n in range(gap, len(items))]
            distance *= 2
        start = [_like(r, b) for r, b in zip(items[0], before, strict=True)]
        totals = [self.pair(start, i) for i in items]
        if lanes == 1:
            return [start, *totals[:-1]], totals[-1]
        order = range(lanes - 1, 2 * lanes - 1)
        exclusive = [_shuffled(e, t, order) for e, t in zip([start, *totals[:-1]], totals, strict=True)]
        return exclusive, [tuple(lane(v, lanes - 1) for v in r) for r in totals[-1]]


def _like(pattern: Register, value: Register) -> Register:
    return tuple(broadcast(v, lanes_of(pattern[0])) for v in value)


def _shuffled(a: Parts, b: Parts, order: Sequence[int]) -> Parts:
    return [tuple(shuffle(x, y, order) for x, y in zip(r, s, strict=True)) for r, s in zip(a, b, strict=True)]


def _mapped(tiles: Sequence[Tile], function: Callable[[Mapping[str, int], Parts], Parts]) -> list[Tile]:
    results: list[dict[tuple[int, ...], Register]] = [{} for _ in tiles]
    for key in tiles[0].parts:
        at = dict(zip(tiles[0].axes, key, strict=True))
        for result, register in zip(results, function(at, [t.parts[key] for t in tiles]), strict=True):
            result[key] = register
    return [Tile(t.dtype, t.axes, r) for t, r in zip(tiles, results, strict=True)]
