"""Loops: lanes, copies, remainders, carries.

A loop with lanes W and copies U runs W·U iterations side by side; the remainder runs masked, W at a
time, into the same partial results. A `while_` under lanes runs while any iteration around lives.
"""
# The bindings are untyped.
# pyright: basic

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from tcc.errors import InternalError
from tcc.ir import dim
from tcc.ir.dim import Size
from tcc.ir.dtype import BOOL
from tcc.lowering import index, memory
from tcc.lowering.combine import Reducer
from tcc.lowering.expression import evaluate
from tcc.lowering.frame import Axis, Frame, Mask
from tcc.lowering.mlir import arith, ir, scf
from tcc.lowering.registers import (
    add,
    any_of,
    both,
    branch,
    broadcast,
    compare,
    integer,
    select,
    steps,
    subtract,
)
from tcc.lowering.tile import Tile, uniform
from tcc.lowering.variation import Variation, own_axes
from tcc.schedule.program import Carry, Let, Loop, Parallel, Stmt
from tcc.schedule.walk import used_names

Run = Callable[[Frame, Stmt], None]
"""Emits one statement."""


def emit(frame: Frame, loop: Loop, run: Run) -> None:
    """The whole loop; its carries' names are bound after it."""
    if loop.lanes > 1 and frame.lanes:
        raise InternalError(f"the loop over {loop.axis} has lanes inside of another loop with lanes")
    if loop.unrolled and loop.lanes * loop.copies == 1:
        _unrolled(frame, loop, run)
    elif loop.lanes * loop.copies == 1:
        _Plain(frame, loop, run).emit()
    else:
        _Split(frame, loop, run).emit()


def variation(frame: Frame) -> Variation:
    """What is known of the names at this point, for the shapes of carries."""
    names = {name: tile.varies for name, tile in frame.names.items()}
    names.update({name: index.varies(frame, dim.symbol(name)) for name in frame.axes})
    return Variation(names)


def _body(frame: Frame, loop: Loop, run: Run) -> None:
    for statement in loop.body:
        run(frame, statement)


def _unrolled(frame: Frame, loop: Loop, run: Run) -> None:
    lo, hi = frame.resolve(loop.lo), frame.resolve(loop.hi)
    if not isinstance(lo, int) or not isinstance(hi, int) or loop.while_ is not None:
        raise InternalError(f"the loop over {loop.axis} cannot be unrolled", where=loop.location.place())
    carried = [[evaluate(frame, e) for e in c.init] for c in loop.carries]
    for number in range(lo, hi):
        with frame.scope():
            frame.numbers[loop.axis] = number
            _bind(frame, loop, carried)
            _body(frame, loop, run)
            carried = [_next(frame, c, old, None) for c, old in zip(loop.carries, carried, strict=True)]
    frame.memo = {}
    _bind(frame, loop, carried, after=True)


def _bind(frame: Frame, loop: Loop, carried: Sequence[Sequence[Tile]], after: bool = False) -> None:
    for carry, tiles in zip(loop.carries, carried, strict=True):
        if after or carry.prefix or not carry.combine:
            frame.names.update(zip(carry.names, tiles, strict=True))


def _next(frame: Frame, carry: Carry, old: Sequence[Tile], mask: Tile | None) -> list[Tile]:
    """The values of a carry after an iteration, frozen where ``mask`` is false."""
    frame.memo = {}
    new = [evaluate(frame, e) for e in carry.update]
    around = frozenset().union(*(t.varies for t in (*old, *new, *([mask] if mask else []))))
    before = [frame.shaped(t, around) for t in old]
    if carry.combine:
        return Reducer(frame.function.facts, carry.combine, carry.dtypes).merge(before, new, mask)
    if mask is None:
        return [frame.shaped(t, ()) for t in new]
    results: list[Tile] = []
    for was, now in zip(before, new, strict=True):
        parts = [select(mask.at(at)[0], now.at(at), was.at(at)) for at in frame.grid(was.axes)]
        results.append(frame.tile(was.dtype, was.axes, parts))
    return results


def _flat(carried: Sequence[Sequence[Tile]]) -> list[ir.Value]:
    return [value for tiles in carried for tile in tiles for value in tile.flat()]


def _rebuilt(shapes: Sequence[Sequence[Tile]], values: Sequence[ir.Value]) -> list[list[Tile]]:
    rest = list(values)
    return [[tile.rebuilt(rest) for tile in tiles] for tiles in shapes]


def for_loop(
    lo: ir.Value, hi: ir.Value, step: int, carried: list[list[Tile]], body: Callable[..., list[list[Tile]]]
) -> list[list[Tile]]:
    """A counted loop; ``body(iteration, carried)`` returns the carried tiles, of the same shapes."""
    op = scf.ForOp(lo, hi, integer(step), _flat(carried))
    with ir.InsertionPoint(op.body):
        after = body(op.induction_variable, _rebuilt(carried, op.inner_iter_args))
        scf.YieldOp(_flat(after))
    return _rebuilt(carried, op.results)


def conjunction(frame: Frame, first: Tile, second: Tile) -> Tile:
    """Where both bools hold."""
    axes = frame.ordered((*first.axes, *second.axes))
    parts = [(both(first.at(at)[0], second.at(at)[0]),) for at in frame.grid(axes)]
    return frame.tile(BOOL, axes, parts)


def narrow_mask(frame: Frame, live: Tile, inhabited: bool) -> None:
    """From here on in the scope only iterations run for which ``live`` holds too; see `Mask`."""
    outer = frame.mask
    tile = live if outer is None else conjunction(frame, outer.tile, live)
    frame.mask = Mask(tile, inhabited and (outer is None or outer.inhabited))


class _Bounds:
    """A loop's bounds as scalars; ``extent`` is None where only the machine knows it."""

    def __init__(self, frame: Frame, loop: Loop) -> None:
        lo, hi = frame.resolve(loop.lo), frame.resolve(loop.hi)
        if index.varies(frame, lo) | index.varies(frame, hi):
            raise InternalError(
                f"the bounds of the loop over {loop.axis} differ between iterations that run side by side",
                where=loop.location.place(),
            )
        self.lo, self.hi = index.evaluate(frame, lo, {}), index.evaluate(frame, hi, {})
        self.extent: Size | None = hi - lo
        if isinstance(self.extent, int):
            self.extent = max(self.extent, 0)
        if isinstance(loop.mapping, Parallel):
            if frame.function.span is None or frame.axes:
                raise InternalError(f"the parallel loop over {loop.axis} is not the outermost of a kernel")
            begin, end = frame.function.span
            self.lo, self.hi = add(self.lo, begin), add(self.lo, end)
            self.extent = None


class _Plain:
    """A loop of one lane and one copy: one iteration after the other."""

    def __init__(self, frame: Frame, loop: Loop, run: Run) -> None:
        self.frame, self.loop, self.run = frame, loop, run

    def emit(self) -> None:
        frame, loop = self.frame, self.loop
        around = frame.mask.tile if frame.mask is not None else None
        known = variation(frame).carries(loop, around.varies if around is not None else frozenset())
        start = [
            [frame.shaped(evaluate(frame, e), known[n]) for n, e in zip(c.names, c.init, strict=True)]
            for c in loop.carries
        ]
        self.bounds = _Bounds(frame, loop)
        if loop.while_ is None:
            results = for_loop(self.bounds.lo, self.bounds.hi, 1, start, lambda i, now: self.iteration(i, now, None))
        else:
            results = self.while_loop(start, around)
        frame.memo = {}
        _bind(frame, loop, results, after=True)

    def iteration(self, i: ir.Value, carried: list[list[Tile]], alive: Tile | None) -> list[list[Tile]]:
        """One pass of the body; ``alive`` freezes the iterations around for which the loop has ended."""
        frame, loop = self.frame, self.loop
        with frame.scope():
            frame.axes[loop.axis] = Axis(i)
            _bind(frame, loop, carried)
            if alive is not None:
                narrow_mask(frame, alive, inhabited=False)
            _body(frame, loop, self.run)
            after = [_next(frame, c, old, alive) for c, old in zip(loop.carries, carried, strict=True)]
            return [
                [frame.shaped(new, old.varies) for new, old in zip(n, o, strict=True)]
                for n, o in zip(after, carried, strict=True)
            ]

    def while_loop(self, start: list[list[Tile]], around: Tile | None) -> list[list[Tile]]:
        frame, loop, bounds = self.frame, self.loop, self.bounds
        assert loop.while_ is not None
        values = [bounds.lo, *_flat(start)]
        types = [v.type for v in values]
        op = scf.WhileOp(types, values)
        here = [op.operation.location] * len(types)
        before, after = op.before.blocks.append(*types, arg_locs=here), op.after.blocks.append(*types, arg_locs=here)
        with ir.InsertionPoint(before), frame.scope():
            alive = self.alive(_rebuilt(start, list(before.arguments)[1:]))
            live = alive if around is None else conjunction(frame, around, alive)
            some = any_of([live.at(at)[0] for at in frame.grid(live.axes)])
            more = both(compare("lt", before.arguments[0], bounds.hi), some)
            scf.ConditionOp(more, list(before.arguments))
        with ir.InsertionPoint(after), frame.scope():
            now = _rebuilt(start, list(after.arguments)[1:])
            alive = self.alive(now)
            if around is not None:
                alive = conjunction(frame, around, alive)
            # One that all share needs no mask: the loop has ended where it does not hold.
            new = self.iteration(after.arguments[0], now, alive if alive.varies else None)
            scf.YieldOp([add(after.arguments[0], integer(1)), *_flat(new)])
        return _rebuilt(start, list(op.results)[1:])

    def alive(self, carried: list[list[Tile]]) -> Tile:
        assert self.loop.while_ is not None
        _bind(self.frame, self.loop, carried, after=True)
        self.frame.memo = {}
        return evaluate(self.frame, self.loop.while_)


class _Split:
    """A loop of several lanes or copies. All carries are combined ones."""

    def __init__(self, frame: Frame, loop: Loop, run: Run) -> None:
        self.frame, self.loop, self.run = frame, loop, run
        self.lanes, self.copies, self.axis = loop.lanes, loop.copies, loop.axis
        self.own = own_axes(loop)
        if loop.while_ is not None or any(not c.combine for c in loop.carries):
            raise InternalError(
                f"the loop over {loop.axis} carries state, so it can have neither lanes nor copies",
                where=loop.location.place(),
            )
        self.reducers = [Reducer(frame.function.facts, c.combine, c.dtypes) for c in loop.carries]

    def emit(self) -> None:
        frame, loop = self.frame, self.loop
        init = [[evaluate(frame, e) for e in c.init] for c in loop.carries]
        around = frame.mask.tile.varies if frame.mask is not None else frozenset()
        known = variation(frame).carries(loop, around)
        self.bounds = bounds = _Bounds(frame, loop)
        partials = [self.start(c, r, known, i) for c, r, i in zip(loop.carries, self.reducers, init, strict=True)]
        step = self.lanes * self.copies
        lo, hi = bounds.lo, bounds.hi
        left = None if bounds.extent is None else dim.mod(bounds.extent, step)
        if bounds.extent is None or not dim.nonnegative(bounds.extent):
            hi = arith.maxsi(lo, hi)
        if isinstance(left, int):
            middle = subtract(hi, integer(left))
        else:
            count = subtract(hi, lo)
            rest = arith.andi(count, integer(step - 1)) if step & (step - 1) == 0 else arith.remui(count, integer(step))
            middle = subtract(hi, rest)
            left = None
        if bounds.extent is None or not dim.nonnegative(step - 1 - bounds.extent):
            partials = for_loop(lo, middle, step, partials, lambda i, now: self.pass_(i, self.copies, None, now))
        if left != 0:
            partials = self.remainder(middle, hi, left, partials)
        results = [
            self.total(c, r, p, i) for c, r, p, i in zip(loop.carries, self.reducers, partials, init, strict=True)
        ]
        frame.memo = {}
        _bind(frame, loop, results, after=True)

    def start(self, carry: Carry, reducer: Reducer, known: dict[str, frozenset[str]], init: list[Tile]) -> list[Tile]:
        """The partial results before the loop: identities, or the start of a running combination."""
        frame = self.frame
        if carry.prefix:
            return [frame.shaped(t, known[n]) for t, n in zip(init, carry.names, strict=True)]
        neutral = [uniform(d, r) for d, r in zip(carry.dtypes, reducer.identity(), strict=True)]
        with frame.scope():
            frame.axes[self.loop.axis] = Axis(integer(0), self.copies, self.lanes)
            return [frame.shaped(t, known[n] | self.own) for t, n in zip(neutral, carry.names, strict=True)]

    def pass_(self, base: ir.Value, copies: int, left: ir.Value | None, partials: list[list[Tile]]) -> list[list[Tile]]:
        """The body once, for ``copies`` copies; only ``left`` iterations, if given, are live.

        ``partials`` have the loop's own copies when ``copies`` is more than one.
        """
        frame, loop = self.frame, self.loop
        with frame.scope():
            frame.axes[loop.axis] = Axis(base, copies, self.lanes)
            tail = None if left is None else self.tail(left, copies)
            if tail is not None:
                narrow_mask(frame, tail, inhabited=True)
            prefixes = _Prefixes(self, partials, tail)
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
                    after.append(reducer.merge(partials[number], [evaluate(frame, e) for e in carry.update], tail))
            return after

    def tail(self, left: ir.Value, copies: int) -> Tile | None:
        """The mask of the first ``left`` iterations (at least one)."""
        if self.lanes == 1 and copies == 1:
            return None
        axis = self.frame.ordered({self.axis})
        i32 = ir.IntegerType.get_signless(32)
        parts = []
        # At most lanes·copies - 1 are left: 32 bits do, and take half the registers.
        short = arith.trunci(i32, left)
        for copy in range(copies):
            first = integer(copy * self.lanes, i32)
            here = add(broadcast(first, self.lanes), steps(self.lanes, 1, i32)) if self.lanes > 1 else first
            parts.append((compare("lt", here, broadcast(short, self.lanes if self.lanes > 1 else 0)),))
        return self.frame.tile(BOOL, axis, parts)

    def remainder(
        self, middle: ir.Value, hi: ir.Value, left: int | None, partials: list[list[Tile]]
    ) -> list[list[Tile]]:
        """The iterations from ``middle`` to ``hi``, fewer than lanes·copies."""
        count = subtract(hi, middle) if left is None else integer(left)
        if any(c.prefix for c in self.loop.carries):
            return self.once(left, count, partials, lambda: self.pass_(middle, self.copies, count, partials))
        if (left is not None and left <= self.lanes) or self.copies == 1:
            return self.once(left, count, partials, lambda: self.into_copy(0, middle, count, partials))
        if not self.loop.carries:
            for_loop(middle, hi, self.lanes, [], lambda i, _: self.pass_(i, 1, subtract(hi, i), []))
            return partials
        return self.through_memory(middle, hi, partials)

    def once(
        self, left: int | None, count: ir.Value, partials: list[list[Tile]], body: Callable[[], list[list[Tile]]]
    ) -> list[list[Tile]]:
        if left is not None:
            return body()
        some = compare("gt", count, integer(0))
        return _rebuilt(partials, branch(some, lambda: _flat(body()), _flat(partials)))

    def into_copy(self, copy: int, base: ir.Value, count: ir.Value, partials: list[list[Tile]]) -> list[list[Tile]]:
        """One copy's iterations at ``base``, combined into the partial results of ``copy``."""
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
        if self.lanes > 1:
            tiles = reducer.fold_lanes(tiles)
        if reducer.is_identity(carry.init):
            return tiles
        return reducer.merge([self.frame.shaped(t, tiles[0].varies) for t in init], tiles, None)


class _Prefixes:
    """The running combinations of one pass, each bound before the first statement that uses it."""

    def __init__(self, split: _Split, partials: list[list[Tile]], mask: Tile | None) -> None:
        self.split, self.partials, self.mask = split, partials, mask
        self.after: dict[int, list[Tile]] = {}
        self.waiting = [n for n, c in enumerate(split.loop.carries) if c.prefix]

    def define(self, frame: Frame, statement: Stmt | None) -> None:
        """Binds what ``statement`` mentions; all that is left for None."""
        for number in list(self.waiting):
            carry = self.split.loop.carries[number]
            if number in self.waiting and (statement is None or used_names((statement,)) & set(carry.names)):
                self.scan(frame, number, carry)

    def scan(self, frame: Frame, number: int, carry: Carry) -> None:
        self.waiting.remove(number)
        for other in list(self.waiting):
            lets = tuple(Let("", e) for e in carry.update)
            if used_names(lets) & set(self.split.loop.carries[other].names):
                self.scan(frame, other, self.split.loop.carries[other])
        frame.memo = {}
        split, reducer, before = self.split, self.split.reducers[number], self.partials[number]
        axis = split.axis
        shape = before[0].varies | split.own
        values = [frame.shaped(evaluate(frame, e), shape) for e in carry.update]
        if self.mask is not None:
            neutral = reducer.identity()
            values = [
                frame.tile(v.dtype, v.axes, [select(self.mask.at(at)[0], v.at(at), i) for at in frame.grid(v.axes)])
                for v, i in zip(values, neutral, strict=True)
            ]
        copies = range(split.copies) if axis in values[0].axes else range(1)
        bound: list[dict[tuple[int, ...], tuple[ir.Value, ...]]] = [{} for _ in values]
        totals: list[dict[tuple[int, ...], tuple[ir.Value, ...]]] = [{} for _ in values]
        for at in frame.grid(before[0].axes):
            items = [[v.at({**at, axis: u}) for v in values] for u in copies]
            running, total = reducer.running(items, [b.at(at) for b in before], split.lanes)
            for n in range(len(values)):
                totals[n][tuple(at.values())] = total[n]
                for u in copies:
                    coordinate = {**at, axis: u}
                    bound[n][tuple(coordinate[a] for a in values[n].axes)] = running[u][n]
        for n, name in enumerate(carry.names):
            frame.names[name] = replace(values[n], parts={k: bound[n][k] for k in values[n].parts})
        self.after[number] = [replace(b, parts=t) for b, t in zip(before, totals, strict=True)]


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
