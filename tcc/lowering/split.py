"""Loops of several lanes or copies.

W lanes and U copies run W·U iterations side by side; the remainder runs masked, W at a time, into the
same partial results.
"""
# The bindings are untyped.
# pyright: basic

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from tcc.errors import InternalError
from tcc.ir import dim
from tcc.ir.dtype import BOOL
from tcc.ir.scalar import TABLE, Apply
from tcc.loops.program import Carry, Loop, Switch
from tcc.loops.walk import all_parts
from tcc.lowering import memory, streaming
from tcc.lowering.carried import Bounds, Run, bind, flat, for_loop, narrow_mask, rebuilt, variation
from tcc.lowering.combine import Reducer
from tcc.lowering.expression import evaluate
from tcc.lowering.frame import Axis, Frame
from tcc.lowering.mlir import arith, ir
from tcc.lowering.positions import in_order
from tcc.lowering.prefix import Prefixes
from tcc.lowering.registers import add, branch, broadcast, compare, integer, steps, subtract
from tcc.lowering.tile import Tile, uniform
from tcc.lowering.variation import own_axes

UNROLLED = 4
"""Vectors up to which a remainder that is known is written out, in registers."""
CHEAP = 16.0
"""Additions, of all copies, that cost no more than to find out at run time which copies have something left."""


class Split:
    """One such loop. All of its carries are combined ones."""

    def __init__(self, frame: Frame, loop: Loop, run: Run) -> None:
        self.frame, self.loop, self.run = frame, loop, run
        self.lanes, self.copies, self.axis = loop.lanes, loop.copies, loop.axis
        self.own = own_axes(loop)
        self.device = frame.function.shared.device
        threads = self.device is not None and loop.lanes > 1
        self.width = 1 if threads else loop.lanes
        self.lane = self.device.first_lane(frame, loop) if self.device is not None and threads else None
        if loop.while_ is not None or any(not c.combine for c in loop.carries):
            raise InternalError(
                f"the loop over {loop.axis} carries state, so it can have neither lanes nor copies",
                where=loop.location.place(),
            )
        self.reducers = [Reducer(frame.function.facts, c.combine, c.dtypes) for c in loop.carries]

    def emit(self) -> None:
        """The loop; its carries' names are bound after it."""
        frame, loop = self.frame, self.loop
        init = [[evaluate(frame, e) for e in c.init] for c in loop.carries]
        around = frame.mask.tile.varies if frame.mask is not None else frozenset()
        known = variation(frame).carries(loop, around)
        self.bounds = bounds = Bounds(frame, loop)
        partials = [self.start(c, r, known, i) for c, r, i in zip(loop.carries, self.reducers, init, strict=True)]
        step = self.lanes * self.copies
        lo, hi = bounds.lo, bounds.hi
        left = None if bounds.extent is None else dim.mod(bounds.extent, step)
        if bounds.extent is None or not dim.nonnegative(bounds.extent):
            hi = arith.maxsi(lo, hi)
        head = streaming.before_aligned(frame, loop, lo)
        if head is not None:
            head = arith.minsi(head, subtract(hi, lo))
            self.once(None, head, [], lambda: self.pass_(lo, 1, head, []))
            start, left = add(lo, head), None
        else:
            start = lo
        if isinstance(left, int):
            middle = subtract(hi, integer(left))
        else:
            count = subtract(hi, start)
            rest = arith.andi(count, integer(step - 1)) if step & (step - 1) == 0 else arith.remui(count, integer(step))
            middle = subtract(hi, rest)
            left = None
        if head is None and bounds.extent == step and isinstance(loop.lo, int):
            partials = self.pass_(lo, self.copies, None, partials, loop.lo)
        elif head is not None or bounds.extent is None or not dim.nonnegative(step - 1 - bounds.extent):
            partials = for_loop(start, middle, step, partials, lambda i, now: self.pass_(i, self.copies, None, now))
        if left != 0:
            partials = self.remainder(middle, hi, left, partials)
        results = [
            self.total(c, r, p, i) for c, r, p, i in zip(loop.carries, self.reducers, partials, init, strict=True)
        ]
        frame.memo = {}
        bind(frame, loop, results, after=True)

    def start(self, carry: Carry, reducer: Reducer, known: dict[str, frozenset[str]], init: list[Tile]) -> list[Tile]:
        """The partial results before the loop: identities, or the start of a running combination."""
        frame = self.frame
        if carry.prefix:
            return [frame.shaped(t, known[n]) for t, n in zip(init, carry.names, strict=True)]
        neutral = [uniform(d, r) for d, r in zip(carry.dtypes, reducer.neutral(), strict=True)]
        with frame.scope():
            frame.axes[self.loop.axis] = Axis(integer(0), self.copies, self.lanes, self.width)
            return [frame.shaped(t, known[n] | self.own) for t, n in zip(neutral, carry.names, strict=True)]

    def pass_(
        self,
        base: ir.Value,
        copies: int,
        left: ir.Value | None,
        partials: list[list[Tile]],
        start: int | None = None,
    ) -> list[list[Tile]]:
        """The body once, for ``copies`` copies; only ``left`` iterations, if given, are live.

        ``partials`` have the loop's own copies when ``copies`` is more than one. ``start`` is the base, if known.
        """
        frame, loop = self.frame, self.loop
        with frame.scope():
            frame.axes[loop.axis] = Axis(self.placed(base), copies, self.lanes, self.width, start)
            tail = None if left is None else self.tail(left, copies)
            if tail is not None:
                narrow_mask(frame, tail, inhabited=True)
            prefixes = Prefixes(loop, self.reducers, partials, tail)
            for statement in loop.body:
                prefixes.define(frame, statement)
                self.run(frame, statement)
            prefixes.define(frame, None)
            frame.memo = {}
            after: list[list[Tile]] = []
            for number, (carry, reducer) in enumerate(zip(loop.carries, self.reducers, strict=True)):
                if carry.prefix:
                    after.append(prefixes.after[number])
                else:
                    update = [evaluate(frame, e) for e in carry.update]
                    after.append(reducer.merge(partials[number], update, tail, in_order(loop, carry)))
            return after

    def placed(self, base: ir.Value) -> ir.Value:
        """Where the lanes that the running thread holds begin."""
        return base if self.lane is None else add(base, self.lane)

    def tail(self, left: ir.Value, copies: int) -> Tile | None:
        """The mask of the first ``left`` iterations (at least one)."""
        if self.lanes == 1 and copies == 1:
            return None
        axis = self.frame.ordered({self.axis})
        i32 = ir.IntegerType.get_signless(32)
        parts = []
        # At most lanes·copies - 1 are left: 32 bits do, and take half the registers.
        short = arith.trunci(i32, left)
        lanes = steps(self.width, 1, i32) if self.lanes > 1 else None
        if self.lane is not None:
            lanes = add(broadcast(arith.trunci(i32, self.lane), self.width), lanes)
        for copy in range(copies):
            first = integer(copy * self.lanes, i32)
            here = first if lanes is None else add(broadcast(first, self.width), lanes)
            parts.append((compare("lt", here, broadcast(short, self.width if self.lanes > 1 else 0)),))
        return self.frame.tile(BOOL, axis, parts)

    def remainder(
        self, middle: ir.Value, hi: ir.Value, left: int | None, partials: list[list[Tile]]
    ) -> list[list[Tile]]:
        """The iterations from ``middle`` to ``hi``, fewer than lanes·copies."""
        count = subtract(hi, middle) if left is None else integer(left)
        # Threads have no stack to speak of: all of their copies run masked, as do those of a short body.
        if self.device is not None or any(c.prefix for c in self.loop.carries) or (left is None and self._is_cheap()):
            return self.once(left, count, partials, lambda: self.pass_(middle, self.copies, count, partials))
        if (left is not None and left <= self.lanes) or self.copies == 1:
            return self.once(left, count, partials, lambda: self.into_copy(0, middle, count, partials))
        if not self.loop.carries and left is not None:
            # Vectors that are whole need no mask.
            last = subtract(hi, integer(left % self.lanes))
            for_loop(middle, last, self.lanes, [], lambda i, _: self.pass_(i, 1, None, []))
            return self.pass_(last, 1, integer(left % self.lanes), []) if left % self.lanes else []
        if not self.loop.carries:
            for_loop(middle, hi, self.lanes, [], lambda i, _: self.pass_(i, 1, subtract(hi, i), []))
            return partials
        if left is not None and (left <= UNROLLED * self.lanes or self._is_cheap()):
            for copy in range(-(-left // self.lanes)):
                rest = left - copy * self.lanes
                base = add(middle, integer(copy * self.lanes))
                partials = self.into_copy(copy, base, integer(rest) if rest < self.lanes else None, partials)
            return partials
        return self.through_memory(middle, hi, partials)

    def _is_cheap(self) -> bool:
        """Whether all copies of the body together cost less than a loop over those that are needed."""
        if not self.loop.carries or any(isinstance(s, (Loop, Switch)) for s in self.loop.body):
            return False
        cost = sum(TABLE[p.op].cost for p in all_parts(self.loop.body) if isinstance(p, Apply))
        return cost * self.copies <= CHEAP

    def once(
        self, left: int | None, count: ir.Value, partials: list[list[Tile]], body: Callable[[], list[list[Tile]]]
    ) -> list[list[Tile]]:
        if left is not None:
            return body()
        some = compare("gt", count, integer(0))
        return rebuilt(partials, branch(some, lambda: flat(body()), flat(partials)))

    def into_copy(
        self, copy: int, base: ir.Value, count: ir.Value | None, partials: list[list[Tile]]
    ) -> list[list[Tile]]:
        """One copy's iterations at ``base``, or only ``count`` of them, combined into the partials of ``copy``."""
        if self.copies == 1:
            return self.pass_(base, 1, count, partials)
        slices = [[_slice(t, copy) for t in tiles] for tiles in partials]
        after = self.pass_(base, 1, count, slices)
        return [
            [_with_slice(t, copy, s) for t, s in zip(p, a, strict=True)] for p, a in zip(partials, after, strict=True)
        ]

    def through_memory(self, middle: ir.Value, hi: ir.Value, partials: list[list[Tile]]) -> list[list[Tile]]:
        """A loop over the copies that are left, whose partial results stand on the stack meanwhile.

        The number of live copies is known only at run time, and code for each would double the loop.
        """
        function = self.frame.function
        groups = [[_by_copy(t) for t in tiles] for tiles in partials]
        slots = [[[function.alloca(r[0].type, len(r)) for r in rows] for rows in g] for g in groups]
        for group, slot in zip(groups, slots, strict=True):
            for rows, addresses in zip(group, slot, strict=True):
                for row, address in zip(rows, addresses, strict=True):
                    for copy, value in enumerate(row):
                        memory.put(memory.offset(address, copy, value.type), value)

        def body(base: ir.Value, _: object) -> list[list[Tile]]:
            copy = arith.divui(subtract(base, middle), integer(self.lanes))
            places = [
                [
                    [memory.offset(a, copy, r[0].type) for a, r in zip(s, rows, strict=True)]
                    for s, rows in zip(slot, group, strict=True)
                ]
                for slot, group in zip(slots, groups, strict=True)
            ]
            slices = []
            for tiles, group_places, group in zip(partials, places, groups, strict=True):
                values = [
                    [memory.get(p, r[0].type) for p, r in zip(ps, rows, strict=True)]
                    for ps, rows in zip(group_places, group, strict=True)
                ]
                slices.append([_slice(t, 0).rebuilt(list(v)) for t, v in zip(tiles, values, strict=True)])
            after = self.pass_(base, 1, subtract(hi, base), slices)
            for tiles, group_places in zip(after, places, strict=True):
                for tile, ps in zip(tiles, group_places, strict=True):
                    for value, place in zip(tile.flat(), ps, strict=True):
                        memory.put(place, value)
            return []

        for_loop(middle, hi, self.lanes, [], body)
        return [
            [
                _from_copies(
                    t,
                    [
                        [memory.get(memory.offset(a, n, r[0].type), r[0].type) for n in range(len(r))]
                        for a, r in zip(s, rows, strict=True)
                    ],
                )
                for t, s, rows in zip(tiles, slot, group, strict=True)
            ]
            for tiles, slot, group in zip(partials, slots, groups, strict=True)
        ]

    def total(self, carry: Carry, reducer: Reducer, tiles: list[Tile], init: list[Tile]) -> list[Tile]:
        """The carry after the loop: the partial results as a tree, and the start."""
        if carry.prefix:
            return tiles
        if self.copies > 1:
            tiles = reducer.fold_copies(tiles, self.axis)
        if self.lane is not None and self.device is not None:
            tiles = self.device.fold(self.frame, self.loop, reducer, tiles)
        elif self.lanes > 1:
            tiles = reducer.fold_lanes(tiles)
        if reducer.is_neutral(carry.init):
            return tiles
        return reducer.merge([self.frame.shaped(t, tiles[0].varies) for t in init], tiles, None)


def _slice(tile: Tile, copy: int) -> Tile:
    """One copy of the last axis."""
    return Tile(tile.dtype, tile.axes[:-1], {k[:-1]: r for k, r in tile.parts.items() if k[-1] == copy})


def _with_slice(tile: Tile, copy: int, part: Tile) -> Tile:
    parts = {k: part.parts[k[:-1]] if k[-1] == copy else r for k, r in tile.parts.items()}
    return replace(tile, parts=parts)


def _by_copy(tile: Tile) -> list[list[ir.Value]]:
    """For each machine value of a slice, its values in all copies of the last axis."""
    copies = 1 + max(k[-1] for k in tile.parts)
    return [list(values) for values in zip(*(_slice(tile, n).flat() for n in range(copies)), strict=True)]


def _from_copies(tile: Tile, rows: list[list[ir.Value]]) -> Tile:
    result = tile
    for copy in range(len(rows[0])):
        result = _with_slice(result, copy, _slice(tile, copy).rebuilt([row[copy] for row in rows]))
    return result
